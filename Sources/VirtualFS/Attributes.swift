/// What stat(2) tells of an inode.
public struct Attributes: Hashable, Sendable {
  /// By what calls name it.
  public var inode: InodeID
  /// The number that stat(2) shows; unlike `inode` it is the same after every mount.
  public var number: UInt32
  /// Its type.
  public var kind: FileKind
  /// Permission, set-id and sticky bits: 0...0o7777.
  public var mode: UInt16
  /// Names; for a directory 2 and one for each directory in it; 0 once it is removed.
  public var links: UInt32
  /// User id, as presented.
  public var owner: UInt32
  /// Group id, as presented.
  public var group: UInt32
  /// Bytes; for a symbolic link the length of its target.
  public var size: Int64
  /// Bytes that are not holes, rounded up to 512; st_blocks × 512.
  public var allocated: Int64
  /// atime, as relatime keeps it; in memory only.
  public var accessed: Timestamp
  /// mtime.
  public var modified: Timestamp
  /// ctime: when the version that is shown was made, of a directory also when its entries changed.
  public var changed: Timestamp
}

/// The type of an inode.
public enum FileKind: Hashable, Sendable {
  /// S_IFREG.
  case regular
  /// S_IFDIR.
  case directory
  /// S_IFLNK.
  case symbolicLink
  /// S_IFIFO.
  case fifo
  /// S_IFSOCK.
  case socket
  /// S_IFCHR.
  case characterDevice(major: UInt32, minor: UInt32)
  /// S_IFBLK.
  case blockDevice(major: UInt32, minor: UInt32)
}

/// What chmod, chown, truncate and utimensat ask for; nil leaves a field as it is.
public struct AttributeChange: Sendable {
  /// Permission, set-id and sticky bits.
  public var mode: UInt16?
  /// User id.
  public var owner: UInt32?
  /// Group id.
  public var group: UInt32?
  /// Bytes; only of a regular file.
  public var size: Int64?
  /// atime.
  public var accessed: TimeChange?
  /// mtime.
  public var modified: TimeChange?

  /// Changes nothing.
  public init() {}
}

/// A time of utimensat(2): a given one, or UTIME_NOW.
public enum TimeChange: Hashable, Sendable {
  /// UTIME_NOW.
  case now
  /// A given time.
  case at(Timestamp)
}

/// Who asks, from the request's context.
public struct Credentials: Hashable, Sendable {
  /// Effective user id; 0 has all privileges.
  public var user: UInt32
  /// Effective group id.
  public var group: UInt32
  /// What a new node's mode lacks, unless its directory has an access control list for it.
  public var umask: UInt16
  /// Further groups; a member of a file's group, or root, may set its set-group-id bit.
  public var supplementaryGroups: [UInt32]

  /// The credentials of a process.
  public init(user: UInt32, group: UInt32, umask: UInt16 = 0, supplementaryGroups: [UInt32] = []) {
    self.user = user
    self.group = group
    self.umask = umask
    self.supplementaryGroups = supplementaryGroups
  }
}

/// What statvfs(3) tells; sizes in bytes.
public struct FileSystemStatistics: Hashable, Sendable {
  /// Bytes that fit at all.
  public var capacity: Int64
  /// Bytes that still fit.
  public var available: Int64
  /// Inodes that fit at all.
  public var inodes: Int64
  /// Inodes that still fit.
  public var availableInodes: Int64
}
