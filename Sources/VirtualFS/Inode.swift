/// One node of the tree, guarded as a whole by the table's lock.
final class Inode {
  /// One name of an inode, of which the root has none.
  struct Link {
    /// Alive as long as it has entries.
    unowned let parent: Inode
    let name: Name
    /// Whether the name keeps a node that was never committed in memory only.
    let isEphemeral: Bool
    /// Whether closing a file that was never committed leaves it in memory for the time being.
    let isProvisional: Bool
  }

  let id: InodeID
  let kind: FileKind
  /// Who it is to the backing.
  ///
  /// Two inodes may share one after a replacing rename: the one in the table's index is meant.
  var object: ObjectID
  /// What stat(2) shows.
  var number: UInt32

  var mode: UInt16
  var owner: UInt32
  var group: UInt32
  /// The group that somebody here gave it, where owners are presented and not stored.
  var presentedGroup: UInt32?
  var accessed: Timestamp
  var modified: Timestamp
  var changed: Timestamp
  var extendedAttributes: [[UInt8]: [UInt8]] = [:]
  /// Of a symbolic link.
  var target: [UInt8] = []
  /// Of a regular file.
  var file = FileBody()
  /// Of a directory.
  var directory = Directory()

  var links: [Link] = []
  /// What the kernel holds: grows with each entry returned, falls with forget.
  var lookups: UInt64 = 0
  var openHandles = 0

  /// Whether the backing has it.
  var isPersisted = false
  /// Of a directory: its path in the store.
  var storedPath: [UInt8]?
  /// Whether it is a directory that the backing has no object for, only paths that lead through it; gone when they are.
  var isImplied = false
  /// Whether it is in the commit that is being made.
  var isInFlight = false
  /// Whether its content was asked to be committed.
  var isRequested = false
  /// When the content became other than what the backing has, on the monotonic clock.
  var contentDirtySince: UInt64?
  var attributesDirtySince: UInt64?
  var namesAreDirty = false
  /// Where the backing has it while it bears an ephemeral name: the file that comes there may go on as this object.
  var heldPlace: HeldPlace?
  /// When it was made, renamed or last closed, on the monotonic clock.
  var idleSince: UInt64 = 0
  /// Whether it is stored like any file, though its names are temporary: it was there for too long.
  var isSettled = false
  /// The state of it that the backing keeps beside the versions.
  var kept: Kept?
  /// Why it was in no commit that it should have been in.
  var refusal: VFSError?
  /// The one part of the content that the backing has, of a file that has one.
  var committed: Committed?
  /// Whether a file was emptied since the backing got it, so that all of it is written anew.
  var isRewritten = false
  /// New content from outside that waits for those who are reading the old.
  var incoming: Incoming?
  /// Changes of its content that a cache above has not confirmed, and when the newest came, on the monotonic clock.
  var untold = 0
  var untoldSince: UInt64 = 0
  /// Grows with each change of content, attributes or names; tells whether a commit caught the newest state.
  var version = Versions()

  /// Content of one part that the backing has.
  struct Committed {
    let size: Int64
    let reference: ContentReference
  }

  struct Versions: Equatable {
    var content: UInt64 = 0
    var attributes: UInt64 = 0
    var names: UInt64 = 0
  }

  /// The name that a stored file had before it was renamed to an ephemeral one, as editors make a backup.
  struct HeldPlace {
    let parent: InodeID
    let name: Name
    /// On the monotonic clock.
    let since: UInt64
  }

  /// What the backing keeps of a file that is no version yet.
  struct Kept {
    /// Under which it is kept; the file may be another since.
    let object: ObjectID
    let version: Versions
  }

  init(
    id: InodeID, number: UInt32, kind: FileKind, object: ObjectID, mode: UInt16, owner: UInt32, group: UInt32,
    time: Timestamp
  ) {
    self.id = id
    self.number = number
    self.kind = kind
    self.object = object
    self.mode = mode
    self.owner = owner
    self.group = group
    accessed = time
    modified = time
    changed = time
  }

  var isDirectory: Bool { kind == .directory }
  var isRegular: Bool { kind == .regular }
  var isRoot: Bool { id == .root }
  /// Whether a path leads to it.
  var isLinked: Bool { !links.isEmpty || isRoot }
  var isDirty: Bool { contentDirtySince != nil || attributesDirtySince != nil || namesAreDirty }

  /// Whether it lives in memory only for now: it was never committed, and its names are temporary.
  var isTemporary: Bool {
    guard !isPersisted, !isInFlight, !isRoot else { return false }
    if kind == .socket { return true }
    guard !isSettled, isRegular || kind == .symbolicLink else { return false }
    return hasTemporaryName || isKeptAsItIs
  }

  /// Whether all its names are temporary ones.
  var hasTemporaryName: Bool { links.allSatisfy { $0.isEphemeral || $0.isProvisional && isRegular } }

  /// Whether the backing keeps its content under its names.
  var isKeptAsItIs: Bool {
    guard let kept, !links.isEmpty else { return false }
    return kept.object == object && kept.version.content == version.content && kept.version.names == version.names
  }

  var linkCount: UInt32 {
    guard isLinked else { return 0 }
    return isDirectory ? 2 + UInt32(clamping: directory.subdirectories) : UInt32(clamping: links.count)
  }

  /// Whether it is `directory` or lies in it, at any depth.
  func isInside(_ ancestor: Inode) -> Bool {
    var node = self
    while true {
      if node === ancestor { return true }
      guard let link = node.links.first else { return false }
      node = link.parent
    }
  }
}

/// An open file or directory, guarded by the table's lock.
final class Handle {
  let inode: Inode
  let options: OpenOptions
  /// Whether its writes leave set-id bits alone, as those of CAP_FSETID do.
  let keepsSetID: Bool
  /// Whether content was changed through it after it was opened.
  var hasWritten = false
  /// What the file was before it was opened with O_TRUNC.
  var truncation: Truncation?
  /// Whether one of its descriptors was closed before anything was written.
  var wasFlushedUnwritten = false
  /// When it was opened, on the monotonic clock.
  let opened: UInt64
  /// When it was last read from somewhere before the end; nil if the last reading came to the end.
  var readOn: UInt64?

  init(inode: Inode, options: OpenOptions, keepsSetID: Bool, opened: UInt64) {
    self.inode = inode
    self.options = options
    self.keepsSetID = keepsSetID
    self.opened = opened
  }
}
