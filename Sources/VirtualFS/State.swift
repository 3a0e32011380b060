/// Both clocks, read once at the start of an operation.
struct Moment {
  /// The wall clock's time.
  let time: Timestamp
  /// Nanoseconds of the clock that never goes back.
  let monotonic: UInt64
}

/// The tree, the tables and what waits to be committed: all that the table's lock guards.
///
/// Its methods never block and never call the backing, a reply or `invalidate`.
struct State: @unchecked Sendable {
  // SAFETY (Sendable): the one state of a file system, and all inodes and handles in it, are reached through its mutex only.
  let options: Options
  let limits: NodeLimits
  let cache: ContentCache
  let root: Inode
  /// All inodes that have a name, a handle or a lookup.
  var inodes: [InodeID: Inode] = [:]
  /// The inode that an object is shown as.
  var objects: [ObjectID: Inode] = [:]
  /// Where the store has each directory; others' paths are meant so, whatever a directory is called here meanwhile.
  private(set) var storedDirectories: [[UInt8]: ObjectID] = [:]
  /// How many of these paths have so many bytes: a deep path is looked up only where one can be found.
  private(set) var storedLengths: [Int: Int] = [:]
  var handles: [HandleID: Handle] = [:]
  private var nextInode = InodeID.root.rawValue + 1
  private var nextHandle: UInt64 = 1

  /// Bytes of all data pages.
  var usedBytes: Int64 = 0
  /// Bytes of room of all fresh parts.
  var freshBytes = 0
  var freshParts = 0
  /// Parts in the order in which they became fresh; may name parts that are fresh no more.
  var sealQueue: [(inode: InodeID, part: Int)] = []
  var sealQueueStart = 0
  /// What was sealed ahead of a commit that is not to come.
  var discarded: [ContentReference] = []

  /// Times that changes by others were applied.
  var externalRounds: UInt64 = 0
  /// Linked inodes with changes that the backing has not got.
  var dirty: [InodeID: Inode] = [:]
  /// Persisted objects that are no more, which the backing has not been told.
  var removals: Set<ObjectID> = []
  /// Files that may have a ``Inode/heldPlace``.
  var held: [InodeID] = []
  /// What the backing keeps beside the versions, and of which file.
  var kept: [ObjectID: InodeID] = [:]
  var waiters: [Waiter] = []
  var isCommitting = false
  var hasUndurableCommits = false
  /// Whether nothing may be changed, for now or for ever.
  var isReadOnly: Bool
  var lastCommitFailed = false
  /// Names that were too long to be stored, and were replaced.
  var relocations = 0

  /// Nanoseconds for which a reader is waited for.
  var patience: UInt64
  /// Whether a cache above confirms what it was told.
  var isConfirmed = false
  /// Inodes whose content is about to change, or has changed without a confirmation.
  var unsettled: Set<InodeID> = []
  var waitingOpens: [InodeID: [WaitingOpen]] = [:]

  init(options: Options, limits: NodeLimits, cache: ContentCache, moment: Moment) {
    self.options = options
    self.limits = limits
    self.cache = cache
    isReadOnly = options.isReadOnly
    patience = options.readerPatience
    root = Inode(
      id: .root, number: options.rootIdentity.map(options.numbers.take) ?? InodeNumbers.root, kind: .directory,
      object: .random(), mode: options.rootMode, owner: options.rootOwner,
      group: options.rootGroup, time: moment.time)
    inodes[.root] = root
    objects[root.object] = root
  }
}

// MARK: the tables
extension State {
  func inode(_ id: InodeID) throws(VFSError) -> Inode {
    guard let inode = inodes[id] else { throw VFSError(.stale) }
    return inode
  }

  func directory(_ id: InodeID) throws(VFSError) -> Inode {
    let inode = try inode(id)
    guard inode.isDirectory else { throw VFSError(.notDirectory) }
    return inode
  }

  func handle(_ id: HandleID) throws(VFSError) -> Handle {
    guard let handle = handles[id] else { throw VFSError(.badHandle) }
    return handle
  }

  /// Where changes are made: refuses them on a read-only file system.
  func checkWritable() throws(VFSError) {
    guard !isReadOnly else { throw VFSError(.readOnly) }
  }

  /// A new inode without a name; the caller links it.
  mutating func makeInode(
    kind: FileKind, object: ObjectID = .random(), numberedAs: ObjectID? = nil, mode: UInt16, owner: UInt32,
    group: UInt32, time: Timestamp
  ) -> Inode {
    let inode = Inode(
      id: InodeID(rawValue: nextInode), number: options.numbers.take(for: numberedAs ?? object), kind: kind,
      object: object, mode: mode, owner: owner, group: group, time: time)
    nextInode += 1
    inodes[inode.id] = inode
    objects[object] = inode
    return inode
  }

  /// Notes where the store has a directory now; nil if nowhere.
  mutating func setStoredPath(of object: ObjectID, inode: Inode?, to path: [UInt8]?) {
    if let old = inode?.storedPath, storedDirectories[old] == object {
      storedDirectories[old] = nil
      storedLengths[old.count, default: 1] -= 1
    }
    inode?.storedPath = path
    if let path, storedDirectories.updateValue(object, forKey: path) == nil {
      storedLengths[path.count, default: 0] += 1
    }
  }

  mutating func openHandle(
    _ inode: Inode, options: OpenOptions, keepsSetID: Bool, at monotonic: UInt64
  ) -> HandleID {
    let id = HandleID(rawValue: nextHandle)
    nextHandle += 1
    handles[id] = Handle(inode: inode, options: options, keepsSetID: keepsSetID, opened: monotonic)
    inode.openHandles += 1
    return id
  }

  /// Counts a lookup and describes the inode.
  func enter(_ inode: Inode) -> Entry {
    inode.lookups += 1
    return Entry(attributes: attributes(of: inode))
  }

  mutating func forget(_ id: InodeID, lookups: UInt64) {
    guard let inode = inodes[id] else { return }
    inode.lookups -= min(lookups, inode.lookups)
    dropIfUnused(inode)
  }

  /// Frees an inode that has no name and that nobody knows.
  mutating func dropIfUnused(_ inode: Inode) {
    guard !inode.isLinked, inode.lookups == 0, inode.openHandles == 0 else { return }
    guard inodes.removeValue(forKey: inode.id) != nil else { return }
    options.numbers.release(inode.number)
    if objects[inode.object] === inode { objects[inode.object] = nil }
    if inode.isDirectory { setStoredPath(of: inode.object, inode: inode, to: nil) }
    dirty[inode.id] = nil
    inode.committed = nil
    setContent(of: inode, to: FileBody())
  }

  func attributes(of inode: Inode) -> Attributes {
    let size: Int64 =
      switch inode.kind {
      case .regular: inode.file.size
      case .symbolicLink: Int64(inode.target.count)
      case .directory: 4096
      default: 0
      }
    return Attributes(
      inode: inode.id, number: inode.number, kind: inode.kind, mode: inode.mode, links: inode.linkCount,
      owner: options.presentedOwner?.user ?? inode.owner, group: group(of: inode),
      size: size, allocated: inode.isRegular ? inode.file.allocated : 0, accessed: inode.accessed,
      modified: inode.modified, changed: inode.changed)
  }
}

// MARK: what is dirty
extension State {
  /// The content changed: times follow.
  mutating func touchContent(of inode: Inode, at moment: Moment) {
    inode.modified = moment.time
    inode.changed = moment.time
    inode.version.content += 1
    if inode.contentDirtySince == nil { inode.contentDirtySince = moment.monotonic }
    noteDirty(inode)
  }

  /// Stored attributes changed.
  mutating func touchAttributes(of inode: Inode, at moment: Moment) {
    inode.changed = moment.time
    inode.version.attributes += 1
    if inode.attributesDirtySince == nil { inode.attributesDirtySince = moment.monotonic }
    if inode.isRoot || inode.isImplied { inode.isRequested = true }
    inode.isImplied = false
    noteDirty(inode)
  }

  /// The paths of the inode changed, and with them those of all below it.
  mutating func touchNames(of inode: Inode) {
    var pending = [inode]
    while let inode = pending.popLast() {
      inode.heldPlace = nil
      // A directory that only paths imply has no path in the store.
      if !inode.isImplied {
        inode.version.names += 1
        inode.namesAreDirty = true
        noteDirty(inode)
      }
      if inode.isDirectory { pending.append(contentsOf: inode.directory.inodes) }
    }
  }

  mutating func noteDirty(_ inode: Inode) {
    if inode.isLinked, inode.kind != .socket { dirty[inode.id] = inode }
  }
}

// MARK: links
extension State {
  /// Gives `inode` a free name; times are the caller's.
  mutating func link(_ inode: Inode, as name: Name, in parent: Inode) {
    parent.directory.insert(inode, as: name)
    addLink(of: inode, name: name, in: parent)
  }

  mutating func addLink(of inode: Inode, name: Name, in parent: Inode) {
    let isLock = inode.isTemporary && inode.isLinked && options.isLock(name)
    inode.links.append(
      Inode.Link(
        parent: parent, name: name, isEphemeral: isLock || options.isEphemeral(name),
        isProvisional: options.isProvisional(name)))
    touchNames(of: inode)
  }

  /// Takes a name away; the inode stays in memory even if it was the last.
  mutating func unlink(_ inode: Inode, name: Name, from parent: Inode) {
    parent.directory.remove(name)
    removeLink(of: inode, name: name, in: parent)
  }

  mutating func removeLink(of inode: Inode, name: Name, in parent: Inode) {
    inode.links.removeAll { $0.parent === parent && $0.name == name }
    if inode.links.isEmpty { dirty[inode.id] = nil } else { touchNames(of: inode) }
  }

  /// After a local removal: an object that lost its last name is to be removed from the backing.
  ///
  /// - Returns: Whether the backing has to be told anything.
  mutating func noteRemoval(of inode: Inode) -> Bool {
    let isKnown = inode.isPersisted || inode.isInFlight
    guard inode.links.isEmpty else { return isKnown }
    if isKnown { removals.insert(inode.object) }
    return isKnown
  }
}

extension ObjectID {
  /// What the number of a directory follows from that no object is: two FNV-1a hashes of its path.
  init(path: some Sequence<UInt8>) {
    self = ObjectID(high: 0xcbf2_9ce4_8422_2325, low: 0x6c62_272e_07bb_0142).continued(path)
  }

  /// The hashes of a path that goes on with these bytes.
  func continued(_ bytes: some Sequence<UInt8>) -> ObjectID {
    var (high, low) = (high, low)
    for byte in bytes {
      high = (high ^ UInt64(byte)) &* 0x100_0000_01b3
      low = (low ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    return ObjectID(high: high, low: low)
  }

  /// 128 random bits.
  package static func random() -> ObjectID {
    var generator = SystemRandomNumberGenerator()
    return ObjectID(high: generator.next(), low: generator.next())
  }
}
