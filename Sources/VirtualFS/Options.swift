/// Of which inodes a file system keeps the time of access, as relatime does.
public enum AccessTimes: Sendable {
  /// All.
  case all
  /// All but directories (nodiratime).
  case filesOnly
  /// None (noatime): it stays what it was set to.
  case none
}

/// How a ``VirtualFileSystem`` behaves.
public struct Options: Sendable {
  /// Refuses all changes with ``VFSError/Code/readOnly``.
  public var isReadOnly = false
  /// Bytes of all contents, in pages of 4 KiB; more is ``VFSError/Code/noSpace``.
  public var capacity: Int64 = 64 << 30
  /// Bytes of one file; more is ``VFSError/Code/fileTooLarge``.
  public var maximumFileSize: Int64 = 64 << 30
  /// Inodes in memory, the root and unlinked open ones included; more is ``VFSError/Code/noSpace``.
  public var maximumInodes = 1_000_000
  /// Bytes of clean contents kept decrypted.
  public var cacheLimit = 64 << 20
  /// Bytes of unwritten contents before parts are sealed ahead of the commit.
  public var dirtyLimit = 32 << 20
  /// Bytes that must stay free on the store's disk for writes to be accepted.
  ///
  /// Renames and removals, whose versions need little, are accepted down to a 32nd of it.
  public var diskReserve: Int64 = 8 << 20
  /// Of which inodes the time of access is kept.
  public var accessTimes = AccessTimes.all
  /// Names that nobody may give to anything in the root: ``VFSError/Code/notPermitted``.
  public var isReserved: @Sendable (Name) -> Bool = { _ in false }
  /// Nanoseconds for which a change of content from outside waits for those who are reading the file; 0 lets it land at once.
  ///
  /// Of a file that is read for longer the change lands after twice that time. Someone has to call ``VirtualFileSystem/settle()`` then.
  public var readerPatience: UInt64 = 0
  /// Whether the file system itself checks modes and owners; false where the kernel does (default_permissions).
  public var enforcesPermissions = false
  /// Names of new files and symbolic links that live in memory only: while they are open, and for 5 s after the last close.
  ///
  /// A stored file that is renamed to such a name goes on being stored under its old one for 5 s, as a new one may be written there.
  ///
  /// This and the next three are called under a lock: they must be quick and must not call the file system.
  public var isEphemeral: @Sendable (Name) -> Bool = { _ in false }
  /// Further such names, of new files alone.
  public var isProvisional: @Sendable (Name) -> Bool = { _ in false }
  /// Names of new files that are no version for that time if they are made durable before they are closed, as they are then renamed
  /// over another.
  public var isReplacement: @Sendable (Name) -> Bool = { _ in false }
  /// Names of locks: where such a name is a further one of a file that lives in memory only, the file goes on doing so.
  public var isLock: @Sendable (Name) -> Bool = { _ in false }
  /// Bytes of the largest file that is kept beside the versions when it is made durable under a name of these kinds; a larger one
  /// becomes a version.
  public var keptSize: Int64 = 8 << 20
  /// Where the numbers come from that stat(2) shows; one for all file systems that are shown in one mount.
  public var numbers = InodeNumbers()
  /// What the root's number follows from, if it is a directory in a mount of several file systems; nil gives it 1.
  public var rootIdentity: ObjectID?
  /// Owner of the root until it is changed.
  public var rootOwner: UInt32 = 0
  /// Group of the root until it is changed.
  public var rootGroup: UInt32 = 0
  /// Mode of the root until it is changed.
  public var rootMode: UInt16 = 0o700
  /// Presents every node as owned by this user and group (an ordinary user's mount); nil presents the stored owners.
  public var presentedOwner: (user: UInt32, group: UInt32)?

  /// The defaults.
  public init() {}
}
