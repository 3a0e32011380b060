// Where things are now, for those who tell of external changes. Nothing here changes anything but counts of lookups.

extension VirtualFileSystem {
  /// Finds an inode by its number, also one that has no name any more, and counts one lookup.
  ///
  /// - Throws: ``VFSError/Code/stale`` for an unknown inode.
  public func lookup(_ inode: InodeID) throws(VFSError) -> Entry {
    try state.withLock { state throws(VFSError) in state.enter(try state.inode(inode)) }
  }

  /// What an entry leads to; nil if there is none.
  ///
  /// Counts no lookup.
  public func inode(named name: Name, in parent: InodeID) -> InodeID? {
    state.withLock { $0.inodes[parent]?.directory[name]?.id }
  }

  /// An entry that leads to `inode`, in a directory that a cache above knows if there is one; nil for the root and for
  /// what has no name.
  public func place(of inode: InodeID) -> (parent: InodeID, name: Name)? {
    state.withLock { state in
      guard let links = state.inodes[inode]?.links else { return nil }
      return (links.first { $0.parent.isKnown } ?? links.first).map { ($0.parent.id, $0.name) }
    }
  }

  /// The names from the root to `directory`; nil if it is none, or no path leads to it.
  public func path(to directory: InodeID) -> [Name]? {
    state.withLock { state in
      guard var node = state.inodes[directory], node.isDirectory else { return nil }
      var names: [Name] = []
      while let link = node.links.first {
        names.append(link.name)
        node = link.parent
      }
      return node.isRoot ? names.reversed() : nil
    }
  }
}
