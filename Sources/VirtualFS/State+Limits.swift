// What the backing could never store is refused before anything is changed: it would fail every later commit.

extension State {
  /// Refuses a new name whose path would be too long.
  ///
  /// - Throws: ``VFSError/Code/nameTooLong``.
  func checkPath(_ name: Name, in parent: Inode) throws(VFSError) {
    guard length(below: parent) + name.bytes.count <= limits.path else { throw VFSError(.nameTooLong) }
  }

  /// Refuses a further name of a file whose names would be too many.
  ///
  /// - Throws: ``VFSError/Code/tooManyLinks``.
  func checkLinks(of inode: Inode, adding name: Name, in parent: Inode) throws(VFSError) {
    guard inode.links.count < State.maximumLinks,
      cost(of: inode, adding: length(below: parent) + name.bytes.count) <= limits.total
    else { throw VFSError(.tooManyLinks) }
  }

  /// Each further link stores all of them anew: 255 of a small file take some 50 MB of history, 1,000 would take 770.
  static var maximumLinks: Int { 255 }

  /// Refuses an extended attribute that does not fit beside the node's names.
  ///
  /// - Throws: ``VFSError/Code/noSpace``.
  func checkAttributes(of inode: Inode, setting name: [UInt8], to value: [UInt8]) throws(VFSError) {
    let old = inode.extendedAttributes[name].map { limits.cost(names: [], attributes: [(name.count, $0.count)]) } ?? 0
    let new = limits.cost(names: [], attributes: [(name.count, value.count)])
    guard new <= old || cost(of: inode) - old + new <= limits.total else { throw VFSError(.noSpace) }
  }

  /// Refuses a rename that would make a path of the node, or of one below it, too long.
  ///
  /// - Throws: ``VFSError/Code/nameTooLong``.
  func checkMove(
    of inode: Inode, from place: (parent: Inode, name: Name), to new: (parent: Inode, name: Name)
  ) throws(VFSError) {
    let length = length(below: new.parent) + new.name.bytes.count
    let growth = length - self.length(below: place.parent) - place.name.bytes.count
    guard growth > 0 else { return }
    var checked: Set<InodeID> = []
    var pending = [(inode: inode, length: length)]
    while let (next, length) = pending.popLast() {
      guard length <= limits.path else { throw VFSError(.nameTooLong) }
      next.directory.visit(after: 0) { name, entry in
        pending.append((entry.inode, length + 1 + name.bytes.count))
        return true
      }
      guard next.links.count > 1 || !next.extendedAttributes.isEmpty, checked.insert(next.id).inserted else { continue }
      let isTooMuch =
        cost(of: next) { link in
          let isMoved = link.parent === place.parent && link.name == place.name || link.parent.isInside(inode)
          return isMoved ? growth : 0
        } > limits.total
      if isTooMuch { throw VFSError(.nameTooLong) }
    }
  }

  /// Bytes that stand before a name in a directory's paths.
  func length(below directory: Inode) -> Int {
    var length = 0
    var node = directory
    while let link = node.links.first {
      length += link.name.bytes.count + 1
      node = link.parent
    }
    return length
  }

  /// What a node takes of ``NodeLimits/total``, with a path of `length` bytes more, or with paths that grow.
  private func cost(
    of inode: Inode, adding length: Int? = nil, growth: (Inode.Link) -> Int = { _ in 0 }
  ) -> Int {
    var names = inode.links.map { self.length(below: $0.parent) + $0.name.bytes.count + growth($0) }
    if let length { names.append(length) }
    return limits.cost(
      names: names, target: inode.target.count,
      attributes: inode.extendedAttributes.lazy.map { ($0.key.count, $0.value.count) })
  }
}
