// Files that are durable without being a version: new ones whose names say that they are about to replace another.
//
// A program that saves carefully writes a new file, makes it durable, and renames it over the old one. The new file's name means
// nothing, so no version has it: until the rename the backing keeps the file beside the versions, and gives it to the next file
// system if this one ends before. A commit that has a kept file in it is durable, and the file is discarded after that.

extension VirtualFileSystem {
  /// Makes a file survive power loss, then replies: by a commit, or kept beside the versions.
  func makeDurable<Value: Sendable>(_ id: InodeID, thenReply value: Value, to reply: @escaping Reply<Value>) {
    switch state.withLock({ $0.planDurability(of: id) }) {
    case .nothing: return reply(.success(value))
    case .commit: break
    case .keep(let node, let version):
      let isKept = (try? backing.keep(node)) != nil
      let isDone = state.withLock { $0.finishKeeping(node, of: id, at: version, isKept: isKept) }
      if isDone { return reply(.success(value)) }
    }
    commit(durable: true, of: .inode(id), thenReply: value, to: reply)
  }

  /// Forgets what the backing keeps of files that are durable otherwise, or gone.
  func discardKept(_ objects: [ObjectID]) {
    guard !objects.isEmpty else { return }
    backing.discardKept(objects)
  }

  /// Takes over what the backing kept: as new files that are not stored yet, each at its place, or where that is taken as `NAME~XXXXXXXX`.
  ///
  /// Call it once, after ``populate(_:)``. Left out is what became a version after all: an object that is stored, and a file
  /// that another one in its directory has the same content as. All are committed by the next ``tick()``.
  ///
  /// While the file system is read-only it does nothing: all stays kept.
  public func restoreKept(_ nodes: [StoredNode]) {
    guard state.withLock({ !$0.isReadOnly }) else { return }
    let moment = moment()
    var obsolete: [ObjectID] = []
    for node in nodes {
      if hasTwin(of: node) {
        obsolete.append(node.object)
      } else {
        let stale = state.withLock { $0.restoreKept(node, at: moment) }
        if !stale.isEmpty { invalidate(stale) }
      }
    }
    discardKept(obsolete)
  }

  /// Whether a kept file was stored after all, under its own name or another in its directory.
  private func hasTwin(of node: StoredNode) -> Bool {
    let candidates = state.withLock { $0.twins(of: node) }
    guard let candidates else { return true }
    guard case .regular(let content) = node.body else { return false }
    return candidates.contains { isSame($0, content) }
  }

  private func isSame(_ twin: State.Twin, _ content: FileContent) -> Bool {
    zip(twin.content.parts, content.parts).allSatisfy { one, other in
      guard case .fresh(let kept) = other else { return false }
      guard case .stored(let reference) = one else {
        if case .hole = one { return kept.isZero }
        return false
      }
      guard let block = try? backing.load(reference, of: twin.object) else { return false }
      return block.hasSameBytes(as: kept)
    }
  }
}

extension State {
  /// How a file is made durable.
  enum Durability {
    /// It is, or nobody will ever find it again.
    case nothing
    case commit
    case keep(StoredNode, Inode.Versions)
  }

  /// Decides how a file is made durable, and asks for its commit if that is how.
  mutating func planDurability(of id: InodeID) -> Durability {
    guard let inode = inodes[id], inode.isLinked else { return .nothing }
    if inode.isTemporary, inode.isKeptAsItIs { return .nothing }
    if isReplacement(inode) {
      var paths: [InodeID: [UInt8]] = [.root: []]
      return .keep(storedNode(of: inode, paths: &paths), inode.version)
    }
    settle(inode)
    return .commit
  }

  private mutating func settle(_ inode: Inode) {
    guard inode.kind != .socket else { return }
    if inode.isTemporary { inode.isSettled = true }
    _ = request(inode)
  }

  /// Notes that a file is kept; if it is not, asks for its commit and returns false.
  mutating func finishKeeping(_ node: StoredNode, of id: InodeID, at version: Inode.Versions, isKept: Bool) -> Bool {
    if isKept { kept[node.object] = id }
    guard let inode = inodes[id], inode.isLinked else { return true }
    // If a commit took it along meanwhile, that may not be durable.
    guard isKept, inode.object == node.object, !inode.isPersisted, !inode.isInFlight else {
      settle(inode)
      return false
    }
    inode.kept = Inode.Kept(object: node.object, version: version)
    return true
  }

  /// Whether a new file is likely to be renamed over another, so that its name means nothing.
  private func isReplacement(_ inode: Inode) -> Bool {
    guard inode.isRegular, !inode.isPersisted, !inode.isInFlight, !inode.isSettled, inode.links.count == 1,
      inode.file.size <= options.keptSize, let link = inode.links.first
    else { return false }
    return link.isEphemeral || link.isProvisional || options.isReplacement(link.name) || surroundsSibling(link)
  }

  /// Whether a name has that of a stored file beside it in it, as `.passwords.kdbx.h4Gd7a` has.
  private func surroundsSibling(_ link: Inode.Link) -> Bool {
    let bytes = link.name.bytes
    for start in 0..<min(bytes.count, 16) {
      for end in stride(from: bytes.count, to: start + 1, by: -1) where end - start < bytes.count {
        guard let name = try? Name(bytes[start..<end]), let sibling = link.parent.directory[name] else { continue }
        if sibling.isRegular, sibling.isPersisted { return true }
      }
    }
    return false
  }

  /// What is kept and need not be any more, as it is a durable version since, or gone; these are noted as kept no more.
  mutating func obsoleteKept() -> [ObjectID] {
    guard !kept.isEmpty else { return [] }
    let obsolete = kept.filter { object, id in
      guard let inode = inodes[id], inode.isLinked else { return true }
      return inode.isPersisted && !inode.isInFlight && inode.contentDirtySince == nil && !inode.namesAreDirty
    }
    for object in obsolete.keys { kept[object] = nil }
    return obsolete.keys.sorted()
  }

  /// A file that is stored already.
  struct Twin: Sendable {
    let object: ObjectID
    let content: FileContent
  }

  /// Files in the directory of a kept one, of its size; nil if the kept object itself is stored.
  fileprivate func twins(of node: StoredNode) -> [Twin]? {
    if objects[node.object] != nil { return nil }
    guard case .regular(let content) = node.body, let path = node.paths.first.flatMap(Path.init) else { return [] }
    var directory = root
    for name in path.parents {
      guard let next = directory.directory[name] else { return [] }
      directory = next
    }
    return directory.directory.inodes.filter { $0.isRegular && $0.isPersisted && $0.file.size == content.size }
      .map { Twin(object: $0.object, content: $0.file.stored) }
  }

  /// Whether directories of these names are there, or can be made.
  private func canLead(_ names: some Sequence<Name>) -> Bool {
    var directory = root
    for name in names {
      guard let next = directory.directory[name] else { return true }
      guard next.isDirectory else { return false }
      directory = next
    }
    return true
  }

  /// Makes a kept node a new one; returns what a cache above must forget.
  fileprivate mutating func restoreKept(_ node: StoredNode, at moment: Moment) -> [Invalidation] {
    guard let path = node.paths.first.flatMap(Path.init) else { return [] }
    var merge = ExternalMerge([], moment: moment)
    // Where a file is in the way by now, it stays, and this one comes to the root directory.
    let parent = canLead(path.parents) ? makeDirectory(path.parents, &merge) : root
    let inode = makeInode(
      kind: node.body.kind, object: node.object, mode: node.mode, owner: node.owner, group: node.group,
      time: node.modified)
    inode.extendedAttributes = node.extendedAttributes
    switch node.body {
    case .regular(let content): setContent(of: inode, to: FileBody(content))
    case .symbolicLink(let target): inode.target = target
    case .directory, .fifo, .characterDevice, .blockDevice: break
    }
    let name = parent.directory[path.name] == nil ? path.name : freeName(like: path.name, for: inode, in: parent)
    merge.told.note(name, in: parent)
    establish(parent)
    link(inode, as: name, in: parent)
    inode.contentDirtySince = moment.monotonic
    inode.attributesDirtySince = moment.monotonic
    (inode.isSettled, inode.isRequested) = (true, true)
    kept[node.object] = inode.id
    inode.kept = Inode.Kept(object: node.object, version: inode.version)
    return merge.told.invalidations
  }
}

extension Block {
  /// Whether two blocks hold the same bytes, but for zeros at the end that one of them leaves out.
  fileprivate func hasSameBytes(as other: Block) -> Bool {
    let (one, two) = count < other.count ? (self, other) : (other, self)
    return unsafe one.withBytes { short in
      unsafe two.withBytes { long in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: long[short.count...])
        return unsafe short.elementsEqual(long.prefix(short.count)) && rest.allSatisfy { $0 == 0 }
      }
    }
  }
}
