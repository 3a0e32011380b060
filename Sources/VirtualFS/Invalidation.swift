/// What a cache above (the kernel's) must forget after an external change, and what those who watch may hear of it.
///
/// It tells of what the cache knows, and may therefore be watched: inodes with lookups or handles, and entries of such
/// directories.
public enum Invalidation: Hashable, Sendable {
  /// What of an inode is new.
  public enum Aspect: Hashable, Sendable {
    /// Content, or a symbolic link's target, and with it attributes.
    case content
    /// Attributes, the extended ones too.
    case attributes
    /// Only what follows from names: the number of links, and a directory's times and list of entries.
    case names
  }

  /// An inode; `isOpen` tells whether handles are open on it now.
  case inode(InodeID, Aspect, isOpen: Bool)
  /// A directory's entry.
  case entry(EntryChange)
  /// New content of an inode waits for its readers: ``VirtualFileSystem/settle()`` is to be called.
  case waiting(InodeID)
}

/// What an external change made of one entry of a directory, from its beginning to its end.
public struct EntryChange: Hashable, Sendable {
  /// What an entry leads to.
  public struct Node: Hashable, Sendable {
    /// Its number.
    public var inode: InodeID
    /// Its type.
    public var kind: FileKind

    /// A node of these properties.
    public init(inode: InodeID, kind: FileKind) {
      self.inode = inode
      self.kind = kind
    }
  }

  /// The directory, which may itself be gone.
  public var parent: InodeID
  /// The entry's name.
  public var name: Name
  /// What it was; nil if it was absent.
  public var before: Node?
  /// What it is, never the same as before; nil if it is absent.
  public var after: Node?
  /// Whether what it was has no name left.
  public var isGone: Bool

  /// A change of these properties.
  public init(parent: InodeID, name: Name, before: Node?, after: Node?, isGone: Bool) {
    self.parent = parent
    self.name = name
    self.before = before
    self.after = after
    self.isGone = isGone
  }
}
