/// What lookup and the calls that create an entry return.
public struct Entry: Sendable {
  /// Attributes of the inode that the entry names.
  public var attributes: Attributes

  /// An entry for an inode with these attributes.
  public init(attributes: Attributes) { self.attributes = attributes }
}

/// How a file is opened: the flags of open(2) that matter here.
public struct OpenOptions: Hashable, Sendable {
  /// O_RDONLY or O_RDWR.
  public var read = false
  /// O_WRONLY or O_RDWR.
  public var write = false
  /// O_APPEND: each write goes to the end of the file.
  public var append = false
  /// O_TRUNC.
  public var truncate = false
  /// O_SYNC or O_DSYNC: each write is a durable version when it returns.
  public var synchronous = false

  /// No flag set.
  public init() {}
}

/// The flags of renameat2(2).
public enum RenameFlags: Sendable {
  /// An existing target is replaced.
  case none
  /// RENAME_NOREPLACE.
  case noReplace
  /// RENAME_EXCHANGE.
  case exchange
}

/// The modes of fallocate(2) that there are.
public enum AllocationMode: Sendable {
  /// Makes the range's pages data; with FALLOC_FL_KEEP_SIZE nothing is kept beyond the end of the file.
  case allocate(keepSize: Bool)
  /// FALLOC_FL_PUNCH_HOLE, which keeps the size.
  case punchHole
  /// FALLOC_FL_ZERO_RANGE.
  case zeroRange(keepSize: Bool)
}

/// What lseek(2) looks for.
public enum SeekTarget: Sendable {
  /// SEEK_DATA.
  case data
  /// SEEK_HOLE.
  case hole
}

/// One entry that ``VirtualFileSystem/readDirectory(_:from:plus:body:)`` lists.
public struct DirectoryEntry: Sendable {
  /// Bytes of the name; also "." and "..".
  public var name: [UInt8]
  /// The inode that it names.
  public var inode: InodeID
  /// The number that stat(2) shows.
  public var number: UInt32
  /// That inode's type.
  public var kind: FileKind
  /// Pass it to go on after this entry; never 0.
  public var nextOffset: UInt64
  /// Only for readdirplus, and not of "." and "..".
  public var attributes: Attributes?
}

/// The flags of setxattr(2).
public enum AttributeSetMode: Sendable {
  /// Creates or replaces.
  case any
  /// XATTR_CREATE.
  case create
  /// XATTR_REPLACE.
  case replace
}
