/// What an external change is to be told as: collected while it is applied, summed up at its end.
struct ExternalNews {
  private struct Place: Hashable {
    let parent: InodeID
    let name: Name
  }

  /// Entries that were touched, with what they were before the first time; in the order of that.
  private var touched: [(parent: Inode, name: Name, before: Inode?)] = []
  private var places: Set<Place> = []
  private var inodes: [Invalidation] = []

  /// Notes that an inode is other than it was.
  mutating func note(_ inode: Inode, _ aspect: Invalidation.Aspect) {
    guard inode.isKnown else { return }
    inodes.append(.inode(inode.id, aspect, isOpen: inode.openHandles > 0))
  }

  /// Notes that an inode's new content waits.
  mutating func noteWaiting(_ inode: Inode) {
    if !inodes.contains(.waiting(inode.id)) { inodes.append(.waiting(inode.id)) }
  }

  /// Notes that an entry is about to change; what it is when all is applied counts.
  mutating func note(_ name: Name, in parent: Inode) {
    // Of a directory that the cache does not know it knows no entry, neither that one is absent.
    guard parent.isKnown, places.insert(Place(parent: parent.id, name: name)).inserted else { return }
    touched.append((parent, name, parent.directory[name]))
  }

  /// All that was noted.
  ///
  /// Attributes and contents come first.
  var invalidations: [Invalidation] {
    var result = ExternalNews()
    var known: Set<InodeID> = []
    func noteNames(_ inode: Inode?) {
      if let inode, known.insert(inode.id).inserted { result.note(inode, .names) }
    }
    var entries: [Invalidation] = []
    for (parent, name, before) in touched {
      let after = parent.directory[name]
      guard before !== after else { continue }
      for inode in [parent, before, after] { noteNames(inode) }
      entries.append(
        .entry(
          EntryChange(
            parent: parent.id, name: name, before: before.map(EntryChange.Node.init),
            after: after.map(EntryChange.Node.init), isGone: before.map { !$0.isLinked } ?? false)))
    }
    return inodes + result.inodes + entries
  }
}

extension EntryChange.Node {
  fileprivate init(_ inode: Inode) { self.init(inode: inode.id, kind: inode.kind) }
}

extension Inode {
  /// Whether a cache above may hold it.
  var isKnown: Bool { lookups > 0 || openHandles > 0 || isRoot }
}
