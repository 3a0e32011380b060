/// The content of a regular file, as parts of ``partSize`` bytes; the last part may be shorter.
public struct FileContent: Sendable {
  /// Bytes of every part but the last: 1 MiB.
  public static let partSize = 1 << 20

  /// One part of a file.
  public enum Part: Sendable {
    /// Zero bytes that nobody wrote.
    case hole
    /// Content that the backing keeps.
    case stored(ContentReference)
    /// Content that the backing has not got yet; never changed after it was handed over.
    case fresh(Block)
  }

  /// Bytes.
  public var size: Int64
  /// Exactly ⌈size / partSize⌉ parts; a part's block may hold fewer bytes than the part: the rest is zeros.
  public var parts: [Part]

  /// A content of these parts.
  public init(size: Int64, parts: [Part]) {
    self.size = size
    self.parts = parts
  }
}

/// One inode as the backing stores it: a version of a secret, or of a directory, link or node.
public struct StoredNode: Sendable {
  /// What the node is, with what belongs to its kind.
  public enum Body: Sendable {
    /// A file and its content.
    case regular(FileContent)
    /// A directory; its entries name it in their paths.
    case directory
    /// A link and the 1...4095 bytes of its target.
    case symbolicLink(target: [UInt8])
    /// A named pipe.
    case fifo
    /// A device node.
    case characterDevice(major: UInt32, minor: UInt32)
    /// A device node.
    case blockDevice(major: UInt32, minor: UInt32)
  }

  /// Who it is.
  public var object: ObjectID
  /// What it is.
  public var body: Body
  /// Every name of the node: paths of bytes from the root, without a leading "/"; one for a directory, empty for the root.
  public var paths: [[UInt8]]
  /// 0...0o7777.
  public var mode: UInt16
  /// User id.
  public var owner: UInt32
  /// Group id.
  public var group: UInt32
  /// mtime.
  public var modified: Timestamp
  /// ctime: when content, attributes or names last changed.
  public var changed: Timestamp
  /// Values by name, both as bytes.
  public var extendedAttributes: [[UInt8]: [UInt8]]

  /// A node of these properties; without `changed` that is `modified`.
  public init(
    object: ObjectID, body: Body, paths: [[UInt8]], mode: UInt16, owner: UInt32, group: UInt32, modified: Timestamp,
    changed: Timestamp? = nil, extendedAttributes: [[UInt8]: [UInt8]] = [:]
  ) {
    self.object = object
    self.body = body
    self.paths = paths
    self.mode = mode
    self.owner = owner
    self.group = group
    self.modified = modified
    self.changed = changed ?? modified
    self.extendedAttributes = extendedAttributes
  }
}
