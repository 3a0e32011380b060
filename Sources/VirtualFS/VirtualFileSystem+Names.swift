// Calls that make, move and remove names. Each replies after the commit; entries that are returned count one lookup.

extension VirtualFileSystem {
  /// Finds an entry and counts one lookup of its inode.
  ///
  /// - Throws: ``VFSError/Code/notFound``, ``VFSError/Code/notDirectory``, ``VFSError/Code/stale`` for an unknown inode.
  public func lookup(_ name: Name, in parent: InodeID) throws(VFSError) -> Entry {
    try state.withLock { state throws(VFSError) in
      guard let inode = try state.directory(parent).directory[name] else { throw VFSError(.notFound) }
      return state.enter(inode)
    }
  }

  /// The directory that holds `directory`; the root's is the root; counts no lookup.
  public func parent(of directory: InodeID) throws(VFSError) -> InodeID {
    try state.withLock { state throws(VFSError) in
      let inode = try state.directory(directory)
      return inode.links.first?.parent.id ?? .root
    }
  }

  /// Takes back lookups that were counted; unknown inodes are ignored.
  public func forget(_ inode: InodeID, lookups: UInt64) {
    state.withLock { $0.forget(inode, lookups: lookups) }
  }

  /// mkdir(2).
  public func makeDirectory(
    _ name: Name, in parent: InodeID, mode: UInt16, by: Credentials, reply: @escaping Reply<Entry>
  ) {
    make(name, in: parent, kind: .directory, mode: mode & 0o1777, by: by, reply: reply)
  }

  /// mknod(2): a regular file, FIFO, socket or device; sockets live in memory only.
  public func makeNode(
    _ name: Name, in parent: InodeID, kind: FileKind, mode: UInt16, by: Credentials, reply: @escaping Reply<Entry>
  ) {
    guard kind != .directory, kind != .symbolicLink else { return reply(.failure(VFSError(.invalidArgument))) }
    make(name, in: parent, kind: kind, mode: mode, by: by, reply: reply)
  }

  /// symlink(2); a target has 1...4095 bytes.
  public func makeSymbolicLink(
    _ name: Name, in parent: InodeID, target: [UInt8], by: Credentials, reply: @escaping Reply<Entry>
  ) {
    guard !target.isEmpty else { return reply(.failure(VFSError(.notFound))) }
    guard target.count <= VirtualFileSystem.maximumTarget else { return reply(.failure(VFSError(.nameTooLong))) }
    make(name, in: parent, kind: .symbolicLink, mode: 0o777, target: target, by: by, reply: reply)
  }

  /// PATH_MAX of limits.h without its NUL.
  private static var maximumTarget: Int { 4095 }

  private func make(
    _ name: Name, in parent: InodeID, kind: FileKind, mode: UInt16, target: [UInt8] = [], by: Credentials,
    reply: @escaping Reply<Entry>
  ) {
    let moment = moment()
    let available = backing.availableBytes()
    let made = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) -> (Entry, Bool) in
        let parent = try state.writableDirectory(parent, by: by)
        guard parent.directory[name] == nil else { throw VFSError(.exists) }
        try state.checkSpace(available: available)
        let inode = try state.make(
          name, in: parent, kind: kind, mode: mode, target: target, by: by, at: moment)
        inode.isRequested = true
        return (state.enter(inode), inode.isTemporary)
      }
    }
    finish(made, reply: reply)
  }

  private func finish(_ made: Result<(Entry, Bool), VFSError>, reply: @escaping Reply<Entry>) {
    switch made {
    case .failure(let error): reply(.failure(error))
    case .success((let entry, let isInMemory)):
      if isInMemory { reply(.success(entry)) } else { commit(thenReply: entry, to: reply) }
    }
  }

  /// link(2).
  public func makeLink(
    _ name: Name, in parent: InodeID, to inode: InodeID, by: Credentials, reply: @escaping Reply<Entry>
  ) {
    let moment = moment()
    let available = backing.availableBytes()
    let made = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) -> (Entry, Bool) in
        try state.checkSpaceForNames(available: available)
        let (entry, outcome) = try state.makeLink(name, in: parent, to: inode, by: by, at: moment)
        if case .inMemory = outcome { return (entry, true) }
        return (entry, false)
      }
    }
    finish(made, reply: reply)
  }

  /// unlink(2) of anything but a directory.
  public func removeFile(_ name: Name, in parent: InodeID, by: Credentials, reply: @escaping Reply<Void>) {
    let moment = moment()
    change(reply) { state throws(VFSError) in try state.removeFile(name, in: parent, by: by, at: moment) }
  }

  /// rmdir(2).
  public func removeDirectory(_ name: Name, in parent: InodeID, by: Credentials, reply: @escaping Reply<Void>) {
    let moment = moment()
    change(reply) { state throws(VFSError) in try state.removeDirectory(name, in: parent, by: by, at: moment) }
  }

  /// renameat2(2).
  ///
  /// A file that replaces another goes on as that one's object, if neither has a second name: a secret keeps its history, and peers' mounts
  /// their inode, when a program saves it by renaming.
  public func rename(
    _ name: Name, in parent: InodeID, to newName: Name, in newParent: InodeID, flags: RenameFlags, by: Credentials,
    reply: @escaping Reply<Void>
  ) {
    let moment = moment()
    change(reply) { state throws(VFSError) in
      try state.rename(name, in: parent, to: newName, in: newParent, flags: flags, by: by, at: moment)
    }
  }

  private func change(
    _ reply: @escaping Reply<Void>, _ body: (inout State) throws(VFSError) -> State.Outcome
  ) {
    let available = backing.availableBytes()
    let outcome = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) in
        try state.checkSpaceForNames(available: available)
        return (try body(&state), state.obsoleteKept())
      }
    }
    switch outcome {
    case .failure(let error): reply(.failure(error))
    case .success((let outcome, let obsolete)):
      // What was removed must not come back with the next file system.
      discardKept(obsolete)
      switch outcome {
      case .inMemory: reply(.success(()))
      case .needsCommit(let subject): commit(of: subject, thenReply: (), to: reply)
      }
    }
  }
}
