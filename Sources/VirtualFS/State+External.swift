// Changes by other writers of the store, applied in place: an object keeps its inode, so that handles and mounts on it hold.
//
// What is changed here too and not committed yet wins, to be committed next. Of two nodes with one path the directory keeps it,
// else the one that is changed here, else the one from outside; the other is shown as NAME~XXXXXXXX, or is gone if the backing has it
// at no path any more.

/// The work of one call of ``State/apply(_:at:)``.
struct ExternalMerge {
  let moment: Moment
  /// Whether the file system is being populated.
  var isFirst = false
  var puts: [ObjectID: StoredNode] = [:]
  var removed: Set<ObjectID> = []
  /// Objects that have their names already.
  var placed: Set<ObjectID> = []
  /// Inodes that lost a name in favour of another, and are to get a new one.
  var displaced: Set<InodeID> = []
  /// What lies below directories that got another place, and has its own path in the store.
  var orphans: [(inode: Inode, paths: [Path])] = []
  /// Implied directories that have no entry any more.
  var emptied: [Inode] = []
  var told = ExternalNews()

  init(_ changes: [ExternalChange], moment: Moment) {
    self.moment = moment
    for change in changes {
      switch change {
      case .put(let node):
        puts[node.object] = node
        removed.remove(node.object)
      case .removed(let object):
        puts[object] = nil
        removed.insert(object)
      }
    }
  }

  /// Whether an inode's place is about to change, so that another may have it.
  func moves(_ inode: Inode) -> Bool {
    !inode.namesAreDirty && !placed.contains(inode.object)
      && (puts[inode.object] != nil || removed.contains(inode.object))
  }
}

extension State {
  /// Applies changes by others; returns what a cache above must forget.
  ///
  /// They are the first of all if it `isFirst`.
  mutating func apply(_ changes: [ExternalChange], at moment: Moment, isFirst: Bool = false) -> [Invalidation] {
    externalRounds += 1
    var merge = ExternalMerge(changes, moment: moment)
    merge.isFirst = isFirst
    for object in merge.removed.sorted() {
      removals.remove(object)
      if let inode = objects[object], !inode.isDirectory { remove(inode, &merge) }
    }
    // Directories first and from the root down, so that each finds its parent in place.
    var directories: [(depth: Int, node: StoredNode)] = []
    var others: [StoredNode] = []
    for node in merge.puts.values {
      if case .directory = node.body {
        directories.append((node.paths.first.map { $0.count { $0 == 0x2F } + 1 } ?? 0, node))
      } else {
        others.append(node)
      }
    }
    directories.sort { ($0.depth, $0.node.object) < ($1.depth, $1.node.object) }
    others.sort { $0.object < $1.object }
    for (_, node) in directories { put(node, &merge) }
    for node in others { put(node, &merge) }
    placeOrphans(&merge)
    let gone = merge.removed.sorted().compactMap { objects[$0] }.filter(\.isDirectory)
    for (_, inode) in gone.map({ (depth: $0.depth, inode: $0) }).sorted(by: { $0.depth > $1.depth }) {
      remove(inode, &merge)
    }
    for object in merge.puts.keys.sorted() {
      guard let inode = objects[object], !inode.isLinked else { continue }
      // A directory whose place went into itself: its entries must not be lost.
      if inode.directory.isEmpty { dropIfUnused(inode) } else { rescue(inode, &merge) }
    }
    noteStrayPaths(merge)
    removeEmptied(&merge)
    dateDirectories(&merge)
    return merge.told.invalidations
  }

  /// Marks what is shown at another path than the store has, because something that is changed here has that.
  private mutating func noteStrayPaths(_ merge: ExternalMerge) {
    for node in merge.puts.values {
      guard let inode = objects[node.object], !inode.namesAreDirty, inode.isLinked, !inode.isRoot else { continue }
      // The paths of the directories above are not kept: they can be thousands, each of thousands of bytes.
      if Set(inode.links.map { path(of: $0) }) != Set(node.paths) { noteStray(inode) }
    }
  }

  private func path(of link: Inode.Link) -> [UInt8] {
    var names = [link.name]
    var directory = link.parent
    while let above = directory.links.first {
      names.append(above.name)
      directory = above.parent
    }
    return [UInt8](names.reversed().map(\.bytes).joined(separator: [0x2F]))
  }

  /// As ``touchNames(of:)``, but without those below.
  private mutating func noteStray(_ inode: Inode) {
    inode.version.names += 1
    inode.namesAreDirty = true
    noteDirty(inode)
  }
}

// MARK: one object
extension State {
  /// The backing has the object no more.
  private mutating func remove(_ inode: Inode, _ merge: inout ExternalMerge) {
    guard !inode.isRoot else {
      inode.isPersisted = false
      return
    }
    // Modified beats deleted.
    if inode.isDirty {
      inode.isPersisted = false
      inode.isRequested = true
      return touchNames(of: inode)
    }
    if !inode.directory.isEmpty {
      // Paths still lead through it.
      if objects[inode.object] === inode { objects[inode.object] = nil }
      setStoredPath(of: inode.object, inode: inode, to: nil)
      inode.object = .random()
      objects[inode.object] = inode
      (inode.mode, inode.owner, inode.group) = (0o700, options.rootOwner, options.rootGroup)
      inode.extendedAttributes = [:]
      merge.told.note(inode, .attributes)
      return imply(inode)
    }
    inode.isPersisted = false
    inode.changed = merge.moment.time
    for link in inode.links { detach(inode, link, &merge) }
    if objects[inode.object] === inode { objects[inode.object] = nil }
    dropIfUnused(inode)
  }

  private mutating func put(_ node: StoredNode, _ merge: inout ExternalMerge) {
    if node.paths.isEmpty || node.paths == [[]] { return putRoot(node, &merge) }
    let places = node.paths.compactMap(Path.init)
    guard !places.isEmpty else { return }
    // Modified there beats deleted here.
    removals.remove(node.object)
    var known = objects[node.object]
    if let inode = known, inode.kind != node.body.kind {
      remove(inode, &merge)
      known = nil
    }
    if let inode = known, !inode.isLinked, !merge.displaced.contains(inode.id) {
      // Unlinked here and still open: that one goes on as nobody's.
      inode.isPersisted = false
      objects[node.object] = nil
      known = nil
    }
    let inode: Inode
    let isNew = known == nil
    if let known {
      inode = known
    } else if node.body.kind == .directory, let same = sameDirectory(at: places[0], &merge) {
      // Both made this directory: ours becomes theirs.
      if same.isPersisted, !merge.removed.contains(same.object) { removals.insert(same.object) }
      setStoredPath(of: same.object, inode: same, to: nil)
      objects[same.object] = nil
      same.object = node.object
      objects[node.object] = same
      same.namesAreDirty = false
      same.isImplied = false
      same.contentDirtySince = nil
      inode = same
    } else {
      inode = makeInode(
        kind: node.body.kind, object: node.object, mode: node.mode & 0o7777, owner: node.owner, group: node.group,
        time: node.modified)
      inode.changed = node.changed
    }
    inode.isPersisted = true
    if inode.isDirectory { setStoredPath(of: inode.object, inode: inode, to: node.paths[0]) }
    update(inode, from: node, isNew: isNew && inode.links.isEmpty, &merge)
    if !inode.namesAreDirty {
      place(inode, at: places, &merge)
      merge.placed.insert(inode.object)
    }
    if inode.isDirty { noteDirty(inode) } else { dirty[inode.id] = nil }
  }

  /// The directory at a path that an unknown directory object claims, unless it is known to move.
  private mutating func sameDirectory(at path: Path, _ merge: inout ExternalMerge) -> Inode? {
    guard let inode = makeDirectory(path.parents, &merge).directory[path.name], inode.isDirectory else { return nil }
    return merge.puts[inode.object] == nil && !inode.namesAreDirty || !inode.isPersisted ? inode : nil
  }

  /// Takes over the root, which has no path; of two root objects the lower one stays, so that all writers agree.
  private mutating func putRoot(_ node: StoredNode, _ merge: inout ExternalMerge) {
    guard case .directory = node.body else { return }
    if node.object != root.object {
      if root.isPersisted, root.object < node.object {
        removals.insert(node.object)
        return
      }
      if root.isPersisted { removals.insert(root.object) }
      objects[root.object] = nil
      root.object = node.object
      objects[node.object] = root
    }
    root.isPersisted = true
    update(root, from: node, isNew: false, &merge)
  }

  /// Takes over what is not changed here.
  private mutating func update(
    _ inode: Inode, from node: StoredNode, isNew: Bool, _ merge: inout ExternalMerge
  ) {
    var (isChanged, isTouched, hasContent) = (false, false, false)
    let isAwaiting = !isNew && awaitReaders(of: inode, with: node, &merge)
    if inode.attributesDirtySince == nil {
      let isOwned = options.presentedOwner != nil || inode.owner == node.owner && inode.group == node.group
      isChanged =
        inode.mode != node.mode & 0o7777 || !isOwned || inode.extendedAttributes != node.extendedAttributes
      isTouched = !inode.isDirectory && !isAwaiting && inode.modified != node.modified
      inode.mode = node.mode & 0o7777
      inode.owner = node.owner
      inode.group = node.group
      inode.extendedAttributes = node.extendedAttributes
      // A directory's time follows when all are in place.
      if !isAwaiting, isNew || !inode.isDirectory { inode.modified = node.modified }
    }
    switch node.body {
    case .regular(let content):
      if inode.contentDirtySince == nil, !isAwaiting, isNew || !inode.file.isSame(as: content) {
        let sameStamp = !isNew && inode.file.size == content.size && !isTouched
        setContent(of: inode, to: FileBody(content))
        noteCommitted(content, of: inode)
        // Caches that compare size and time must see that the content is another.
        if sameStamp { inode.modified = inode.modified.next }
        hasContent = true
      }
    case .symbolicLink(let target):
      hasContent = inode.target != target
      inode.target = target
    default: break
    }
    guard !isNew else { return }
    if !isAwaiting, inode.attributesDirtySince == nil, inode.contentDirtySince == nil, !inode.isDirectory {
      let isStale = hasContent && inode.changed == node.changed
      inode.changed = isStale ? node.changed.next : node.changed
    }
    guard isChanged || isTouched || hasContent else { return }
    if hasContent {
      merge.told.note(inode, .content)
      noteUntold(inode, at: merge.moment.monotonic)
    }
    // With new content a new time goes without saying.
    if isChanged || isTouched && !hasContent { merge.told.note(inode, .attributes) }
  }
}

extension StoredNode.Body {
  /// The type of an inode that has this body.
  var kind: FileKind {
    switch self {
    case .regular: .regular
    case .directory: .directory
    case .symbolicLink: .symbolicLink
    case .fifo: .fifo
    case .characterDevice(let major, let minor): .characterDevice(major: major, minor: minor)
    case .blockDevice(let major, let minor): .blockDevice(major: major, minor: minor)
    }
  }
}

extension FileBody {
  /// Whether all parts are stored as `content` says.
  func isSame(as content: FileContent) -> Bool {
    guard size == content.size, parts.count == content.parts.count else { return false }
    return zip(parts, content.parts).allSatisfy { part, other in
      switch (part.content, other) {
      case (.hole, .hole): true
      case (.stored(let a), .stored(let b)): a == b
      default: false
      }
    }
  }
}

extension Inode {
  /// Steps to the root.
  var depth: Int {
    var depth = 0
    var node = self
    while let link = node.links.first {
      node = link.parent
      depth += 1
    }
    return depth
  }
}

extension Timestamp {
  /// One nanosecond later; earlier where there is nothing later.
  var next: Timestamp {
    if nanoseconds < 999_999_999 { return Timestamp(seconds: seconds, nanoseconds: nanoseconds + 1) }
    if seconds < .max { return Timestamp(seconds: seconds + 1) }
    return Timestamp(seconds: seconds, nanoseconds: nanoseconds - 1)
  }
}
