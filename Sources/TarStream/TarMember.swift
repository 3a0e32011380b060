/// One file of a tar archive: all that its header tells, without its content.
public struct TarMember: Hashable, Sendable {
  /// What a member is, with what belongs to its kind.
  public enum Kind: Hashable, Sendable {
    case regular
    /// A further name of the earlier member at `target`.
    case hardLink(target: [UInt8])
    case symbolicLink(target: [UInt8])
    case directory
    case fifo
    case characterDevice(major: UInt32, minor: UInt32)
    case blockDevice(major: UInt32, minor: UInt32)
  }

  /// A point in time: seconds since 1970 (may be negative) and 0..<1_000_000_000 nanoseconds after them.
  public struct Time: Hashable, Sendable {
    /// Whole seconds since 1970, rounded down.
    public var seconds: Int64
    /// 0..<1_000_000_000.
    public var nanoseconds: UInt32

    /// A time; traps if `nanoseconds` is a second or more.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
      precondition(nanoseconds < 1_000_000_000, "nanoseconds are less than a second")
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }
  }

  /// Bytes of a header block, and what contents are padded to.
  public static let blockSize = 512

  /// The most bytes that one member's headers and records may take together: 1 MiB.
  public static let headerLimit = 1 << 20

  /// The name in the archive: bytes in any encoding, of any length, without NUL.
  ///
  /// A directory's has no "/" at its end, and is empty for the archive's root (stored as "./").
  /// The reader gives what the archive says: it may be absolute or have "..", which whoever extracts it must refuse.
  public var path: [UInt8]
  /// What the member is.
  public var kind: Kind
  /// Permission, set-id and sticky bits: 0...0o7777.
  public var mode: UInt16
  /// The owner's number.
  public var userID: UInt32
  /// The group's number.
  public var groupID: UInt32
  /// The owner's name; nil where the archive gives none.
  public var userName: [UInt8]?
  /// The group's name; nil where the archive gives none.
  public var groupName: [UInt8]?
  /// When the content last changed.
  public var modified: Time
  /// When anything of the file last changed, ctime; nil where the archive does not say.
  public var changed: Time?
  /// Bytes of content after the header, 0...Int64.max; 0 for all but regular files.
  public var size: UInt64
  /// Extended attributes by their full names ("user.comment"); values are any bytes.
  public var extendedAttributes: [[UInt8]: [UInt8]]

  /// A member; see the properties for units and ranges.
  public init(
    path: [UInt8], kind: Kind, mode: UInt16, userID: UInt32 = 0, groupID: UInt32 = 0, userName: [UInt8]? = nil,
    groupName: [UInt8]? = nil, modified: Time = Time(seconds: 0), changed: Time? = nil, size: UInt64 = 0,
    extendedAttributes: [[UInt8]: [UInt8]] = [:]
  ) {
    self.path = path
    self.kind = kind
    self.mode = mode
    self.userID = userID
    self.groupID = groupID
    self.userName = userName
    self.groupName = groupName
    self.modified = modified
    self.changed = changed
    self.size = size
    self.extendedAttributes = extendedAttributes
  }

  /// Zero bytes (0...511) that follow a content of `size` bytes.
  public static func padding(forSize size: UInt64) -> Int {
    Int((512 - size % 512) % 512)
  }

  /// The two zero blocks that end an archive; optional where archives are concatenated.
  public static var endOfArchive: [UInt8] { [UInt8](repeating: 0, count: 2 * blockSize) }
}
