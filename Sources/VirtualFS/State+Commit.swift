// What goes into a commit, and what becomes of it.

/// One call that waits for a commit.
struct Waiter: Sendable {
  /// Whether the commit must survive power loss.
  var durable: Bool
  /// Whether the backing is to be asked even if there is nothing to commit.
  var forced = false
  /// Which refused nodes it is told of.
  var subject = Subject.none
  /// Told nil when it is done.
  var reply: @Sendable (VFSError?) -> Void

  /// What a call changed: it fails if that cannot be stored, and not if something else cannot be.
  enum Subject: Sendable {
    /// Nothing that could be refused, such as a removal.
    case none
    case inode(InodeID)
    /// All that there is.
    case all
  }

  /// The answer after a commit that ended with `outcome`.
  func answer(to outcome: CommitRound) -> VFSError? {
    if let error = outcome.error { return error }
    switch subject {
    case .none: return nil
    case .inode(let inode): return outcome.refused[inode]
    case .all: return outcome.refused.min { $0.key < $1.key }?.value
    }
  }
}

/// How a round of commits ended.
struct CommitRound: Sendable {
  /// Why nothing was stored.
  var error: VFSError?
  /// Why these were not stored, though all else was.
  var refused: [InodeID: VFSError] = [:]
}

/// What one commit holds, taken at one moment.
struct Snapshot: Sendable {
  /// One put: which inode, at which versions, and whether the backing had it before.
  struct Item: Sendable {
    let inode: InodeID
    let version: Inode.Versions
    let wasPersisted: Bool
    let wasRequested: Bool
    /// The fresh block of each part, empty if there is none.
    let blocks: [Block?]
  }

  /// In the order of `puts`.
  var items: [Item] = []
  var puts: [StoredNode] = []
  var removals: [ObjectID] = []
  /// Whether something in it is kept beside the versions, and so must be durable before it is kept no more.
  var hasKept = false

  var isEmpty: Bool { puts.isEmpty && removals.isEmpty }

  /// Makes holes of parts that are all zero; called without a lock.
  mutating func dropZeroParts() {
    for index in puts.indices where !items[index].blocks.isEmpty {
      guard case .regular(var content) = puts[index].body else { continue }
      for part in content.parts.indices {
        if case .fresh(let block) = content.parts[part], block.isZero { content.parts[part] = .hole }
      }
      puts[index].body = .regular(content)
    }
  }
}

extension State {
  /// Whether a commit that is made now takes the inode along.
  ///
  /// A file's unfinished content waits for its own commit point. But if the backing has the file already, and its names or attributes
  /// must be stored, then it is stored as it is now: it could not be stored with its old content under its new name.
  private func isDue(_ inode: Inode) -> Bool {
    guard inode.isLinked, inode.kind != .socket, inode.heldPlace == nil else { return false }
    guard inode.isPersisted else { return inode.isRequested && !inode.isTemporary }
    return inode.attributesDirtySince != nil || inode.namesAreDirty
      || inode.isRequested && inode.contentDirtySince != nil
  }

  /// The next commit; marks what is in it as being in flight.
  mutating func takeSnapshot() -> Snapshot {
    var snapshot = Snapshot()
    guard !options.isReadOnly else { return snapshot }
    if !held.isEmpty { settleHeld() }
    var paths: [InodeID: [UInt8]] = [.root: []]
    for inode in dirty.values.filter(isDue).sorted(by: { $0.id < $1.id }) {
      snapshot.items.append(
        Snapshot.Item(
          inode: inode.id, version: inode.version, wasPersisted: inode.isPersisted, wasRequested: inode.isRequested,
          blocks: inode.freshBlocks))
      snapshot.puts.append(storedNode(of: inode, paths: &paths))
      snapshot.hasKept = snapshot.hasKept || inode.kept != nil
      inode.isInFlight = true
      inode.isRequested = false
      for index in inode.file.parts.indices where inode.file.parts[index].isAhead {
        inode.file.parts[index].isAhead = false
      }
    }
    snapshot.removals = removals.sorted()
    return snapshot
  }

  /// An inode as a backing is given it.
  func storedNode(of inode: Inode, paths: inout [InodeID: [UInt8]]) -> StoredNode {
    let body: StoredNode.Body =
      switch inode.kind {
      case .regular: .regular(inode.incoming?.content ?? inode.file.stored)
      case .directory: .directory
      case .symbolicLink: .symbolicLink(target: inode.target)
      case .fifo, .socket: .fifo  // sockets are never due
      case .characterDevice(let major, let minor): .characterDevice(major: major, minor: minor)
      case .blockDevice(let major, let minor): .blockDevice(major: major, minor: minor)
      }
    return StoredNode(
      object: inode.object, body: body, paths: inode.links.map { path(of: $0, paths: &paths) }, mode: inode.mode,
      owner: inode.owner, group: inode.group, modified: inode.incoming?.modified ?? inode.modified,
      changed: inode.changed,
      extendedAttributes: inode.extendedAttributes)
  }

  /// A link's path from the root, with the directories' paths remembered.
  func path(of link: Inode.Link, paths: inout [InodeID: [UInt8]]) -> [UInt8] {
    let prefix: [UInt8]
    if let known = paths[link.parent.id] {
      prefix = known
    } else {
      prefix = link.parent.links.first.map { path(of: $0, paths: &paths) } ?? []
      paths[link.parent.id] = prefix
    }
    return prefix.isEmpty ? link.name.bytes : prefix + [0x2F] + link.name.bytes
  }

  /// The backing has a snapshot, but for what it refused: what did not change since is clean.
  ///
  /// - Returns: Why inodes were refused.
  mutating func apply(
    _ receipt: [ObjectID: [ContentReference?]], refused: [ObjectID: VFSError], of snapshot: Snapshot, durable: Bool
  ) -> [InodeID: VFSError] {
    removals.subtract(snapshot.removals)
    hasUndurableCommits = !durable && (hasUndurableCommits || !snapshot.isEmpty)
    lastCommitFailed = false
    var refusals: [InodeID: VFSError] = [:]
    for put in snapshot.puts where refused[put.object] == nil { setStoredPath(of: put) }
    for (item, put) in zip(snapshot.items, snapshot.puts) {
      if let error = refused[put.object] {
        restore(item, put, after: error)
        refusals[item.inode] = error
        continue
      }
      guard let inode = inodes[item.inode] else { continue }
      inode.isInFlight = false
      inode.refusal = nil
      inode.kept = nil
      // Otherwise another file took over the object meanwhile.
      guard objects[put.object] === inode else { continue }
      inode.isPersisted = inode.isLinked
      if let references = receipt[put.object] {
        settle(inode, item.blocks, as: references)
        if case .regular(let content) = put.body {
          let parts = references.map { $0.map(FileContent.Part.stored) ?? .hole }
          let isRewritten = inode.isRewritten && inode.version.content != item.version.content
          noteCommitted(FileContent(size: content.size, parts: parts), of: inode)
          inode.isRewritten = isRewritten
        }
      }
      if inode.version.content == item.version.content { inode.contentDirtySince = nil }
      if inode.version.attributes == item.version.attributes { inode.attributesDirtySince = nil }
      if inode.version.names == item.version.names { inode.namesAreDirty = false }
      if !inode.isDirty { dirty[inode.id] = nil }
    }
    return refusals
  }

  private mutating func setStoredPath(of put: StoredNode) {
    guard case .directory = put.body, let path = put.paths.first else { return }
    setStoredPath(of: put.object, inode: objects[put.object], to: path)
  }

  /// Turns the parts that are still as they were committed into stored ones.
  private mutating func settle(_ inode: Inode, _ blocks: [Block?], as references: [ContentReference?]) {
    for (index, block) in blocks.enumerated() where index < inode.file.parts.count && index < references.count {
      guard let block, case .fresh(let current) = inode.file.parts[index].content, current === block else { continue }
      settle(index, of: inode, as: references[index])
    }
  }

  /// A snapshot was not stored: all in it is as dirty as before.
  mutating func restore(_ snapshot: Snapshot, after error: VFSError? = nil) {
    for (item, put) in zip(snapshot.items, snapshot.puts) { restore(item, put, after: error) }
  }

  private mutating func restore(_ item: Snapshot.Item, _ put: StoredNode, after error: VFSError?) {
    guard let inode = inodes[item.inode], inode.isLinked else {
      // Born and deleted between two commits after all, unless it took over the object of a stored one.
      if !item.wasPersisted { removals.remove(put.object) }
      inodes[item.inode]?.isInFlight = false
      return
    }
    // It took over another object meanwhile, and its own was never stored.
    if inode.object != put.object, !item.wasPersisted { removals.remove(put.object) }
    inode.isInFlight = false
    inode.isRequested = inode.isRequested || item.wasRequested
    if let error { inode.refusal = error }
  }

  /// Takes all waiters, or ends the committer's duty if there are none.
  mutating func takeWaiters() -> [Waiter]? {
    guard !waiters.isEmpty else {
      isCommitting = false
      return nil
    }
    defer { waiters = [] }
    return waiters
  }

  /// Asks for the commit of all dirty content, or of that dirty since `deadline`; of temporary files, those that nobody had open since.
  func requestContent(dirtyBy deadline: UInt64 = .max) {
    for inode in dirty.values where !inode.isImplied {
      // Nothing came to the place of a file that was renamed: it was no editor's backup.
      if let place = inode.heldPlace, place.since <= deadline { inode.heldPlace = nil }
      if inode.isTemporary {
        // Nobody has it open, nor was it renamed: perhaps a person put it there, or an editor was killed.
        let isIdle = inode.openHandles == 0 && inode.idleSince <= deadline
        // One that is kept though its name is not temporary waits no longer than any open file.
        let isOverdue = !inode.hasTemporaryName && inode.contentDirtySince.map { $0 <= deadline } ?? false
        guard deadline == .max || isIdle || isOverdue else { continue }
        inode.isSettled = true
        inode.isRequested = true
      } else if !inode.isPersisted, inode.contentDirtySince == nil {
        inode.isRequested = deadline == .max || inode.isRequested
      } else if let since = inode.contentDirtySince, since <= deadline {
        inode.isRequested = true
      }
    }
  }

  /// Whether content was asked for, attributes have waited since `deadline`, or a failed commit is to be tried again.
  func hasOverdue(attributesBy deadline: UInt64) -> Bool {
    if lastCommitFailed { return true }
    return dirty.values.contains { inode in
      guard isDue(inode) else { return false }
      if inode.isRequested || inode.namesAreDirty { return true }
      return (inode.attributesDirtySince ?? .max) <= deadline
    }
  }
}

extension Inode {
  fileprivate var freshBlocks: [Block?] {
    guard isRegular, file.parts.contains(where: { if case .fresh = $0.content { true } else { false } }) else {
      return []
    }
    return file.parts.map { if case .fresh(let block) = $0.content { block } else { nil } }
  }
}

extension FileBody {
  /// The content as a backing is given it.
  var stored: FileContent {
    FileContent(
      size: size,
      parts: parts.map { part in
        switch part.content {
        case .hole: .hole
        case .stored(let reference): .stored(reference)
        case .fresh(let block): .fresh(block)
        }
      })
  }
}
