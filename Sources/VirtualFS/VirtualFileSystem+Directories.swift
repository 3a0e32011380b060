extension VirtualFileSystem {
  /// Entries copied under the lock at once.
  private static var listingSize: Int { 64 }

  /// Opens a directory; ``release(_:)`` closes it.
  public func openDirectory(_ inode: InodeID) throws(VFSError) -> HandleID {
    try state.withLock { state throws(VFSError) in
      state.openHandle(try state.directory(inode), options: OpenOptions(), keepsSetID: false, at: 0)
    }
  }

  /// Calls `body` for each entry after `offset` (0: from the start) until it returns false.
  ///
  /// With `plus` each entry but "." and ".." has attributes, and counts one lookup if `body` took it, that is returned true. No lock is
  /// held meanwhile. Offsets stay valid while entries come and go, and a renamed entry keeps its place in its directory.
  public func readDirectory(
    _ inode: InodeID, from offset: UInt64, plus: Bool, body: (DirectoryEntry) -> Bool
  ) throws(VFSError) {
    var offset = offset
    let time = now()
    while true {
      let entries = try state.withLock { state throws(VFSError) in
        try state.list(
          inode, after: offset, limit: VirtualFileSystem.listingSize, plus: plus, time: time)
      }
      for (index, entry) in entries.enumerated() {
        offset = entry.nextOffset
        guard body(entry) else {
          if plus { takeBack(entries[index...]) }
          return
        }
      }
      if entries.count < VirtualFileSystem.listingSize { return }
    }
  }

  private func takeBack(_ entries: ArraySlice<DirectoryEntry>) {
    state.withLock { state in
      for entry in entries where entry.attributes != nil { state.forget(entry.inode, lookups: 1) }
    }
  }

  /// fsync(2) of a directory.
  public func synchronizeDirectory(_ inode: InodeID, reply: @escaping Reply<Void>) {
    let found = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) in _ = try state.directory(inode) }
    }
    if case .failure(let error) = found { return reply(.failure(error)) }
    commit(durable: true, of: .none, thenReply: (), to: reply)
  }
}

extension State {
  fileprivate func list(
    _ id: InodeID, after offset: UInt64, limit: Int, plus: Bool, time: Timestamp
  ) throws(VFSError) -> [DirectoryEntry] {
    let directory = try directory(id)
    // Nothing is left of a removed directory, not even "." and "..".
    guard directory.isLinked else { return [] }
    touchAccess(of: directory, at: time)
    var entries: [DirectoryEntry] = []
    entries.reserveCapacity(min(limit, directory.directory.count + 2))
    if offset < 1 {
      entries.append(
        DirectoryEntry(
          name: [0x2E], inode: id, number: directory.number, kind: .directory, nextOffset: 1, attributes: nil))
    }
    if offset < 2 {
      let parent = directory.links.first?.parent
      entries.append(
        DirectoryEntry(
          name: [0x2E, 0x2E], inode: parent?.id ?? .root, number: parent?.number ?? InodeNumbers.root, kind: .directory,
          nextOffset: 2, attributes: nil))
    }
    directory.directory.visit(after: max(offset, Directory.firstCookie - 1)) { name, entry in
      guard entries.count < limit else { return false }
      entries.append(
        DirectoryEntry(
          name: name.bytes, inode: entry.inode.id, number: entry.inode.number, kind: entry.inode.kind,
          nextOffset: entry.cookie,
          attributes: plus ? enter(entry.inode).attributes : nil))
      return true
    }
    return entries
  }
}
