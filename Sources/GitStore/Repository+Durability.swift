internal import Glibc
internal import Synchronization

// What survives a power loss, and why.
//
// 1. Objects are synced (file, then directory) before a reference that leads to them is even renamed into place, and the new reference's file is
//    synced before that rename: so whichever of the renames reached the disk, a reference whose durable update returned finds its
//    objects. This needs no more than POSIX promises.
// 2. On ext4 (data=ordered) one journal transaction holds all files of a commit: their blocks are allocated by starting the writeback of each first,
//    the first fdatasync commits the transaction after their data, and the others find it done. A durable commit so waits
//    for the journal twice: for objects and reference file, and for the reference's rename.
// 3. Commits that are not durable yet may vanish. Delayed allocation could leave their objects empty, and the reference's file with an older value,
//    although the journal has their names. The file with the last durable value is therefore kept (`polykey/durable`, or in the window of a
//    crash `NAME.lock`) and recovery goes back to it, or to the newest commit since that is complete. Where there is no such record, the
//    present value is durable: so each process knows which of two values of another's it has to keep.
// 4. An object is never renamed over one that is there: a durable file would be replaced by one that is not.
// 5. What others wrote, and this instance has seen, is synced before anything built on it counts as durable: it may be the work of a process
//    that has not synced it, and the journal has only our own.
// 6. Syncing more than a few files one by one costs a disk flush each; beyond that one syncfs(2) is cheaper, where it reaches the disk.

extension Repository {
  /// Above this many files, syncing the file system is cheaper than syncing each.
  private static let individualLimit = 12

  /// Makes everything that this instance wrote so far survive a power loss.
  ///
  /// - Throws: ``GitError/io(_:)``; after a failed sync every later one fails too, until the repository is opened anew, since the
  ///   kernel forgets what it could not write.
  package func makeDurable() throws(GitError) {
    try durability.withLock { _ throws(GitError) -> Void in
      let taken = pending.withLock { pending in
        let taken = pending
        pending.flying = Array(pending.objects[pending.journaled...])
        pending.isFlyingEverything = pending.everything
        pending.objects = []
        pending.journaled = 0
        pending.generation += 1
        pending.everything = false
        return taken
      }
      do throws(GitError) {
        try syncing { () throws(GitError) in try sync(taken) }
      } catch {
        pending.withLock {
          ($0.flying, $0.isFlyingEverything) = ([], false)
          $0.objects += taken.objects
          $0.everything = $0.everything || taken.everything
        }
        throw error
      }
      pending.withLock { ($0.flying, $0.isFlyingEverything) = ([], false) }
      try noteDurable(taken.references)
      pending.withLock { pending in
        for (name, value) in taken.references where pending.references[name] == value { pending.references[name] = nil }
      }
    }
  }

  /// Whether there is anything for ``makeDurable()`` to do.
  package var hasPendingWrites: Bool {
    pending.withLock { !$0.objects.isEmpty || !$0.references.isEmpty || $0.everything }
  }

  private func sync(_ taken: Pending) throws(GitError) {
    if taken.everything || taken.objects.count + taken.references.count > Self.individualLimit {
      return try syncEverything()
    }
    var directories: Set<String> = []
    for path in taken.objects.map(Self.loosePath) + taken.references.keys {
      // One that is gone was packed by git meanwhile, which syncs its packs, or deleted.
      if try root.sync(path) { directories.insert(Directory.parent(of: path)) }
    }
    for directory in directories { try root.sync(directory) }
  }

  /// Puts all that anybody wrote to the repository so far on the disk.
  func syncEverything() throws(GitError) {
    try root.syncFileSystem()
    // Without our files' names, which nobody reads after a power loss.
    if !syncReachesDisk { for directory in ["objects", "refs", "polykey/durable", "."] { try syncTree(directory) } }
  }

  private func syncTree(_ directory: String) throws(GitError) {
    for name in try root.names(in: directory) {
      let path = directory == "." ? name : "\(directory)/\(name)"
      guard let status = try root.status(path) else { continue }
      if status.isFile { try root.sync(path) } else if status.isDirectory, directory != "." { try syncTree(path) }
    }
    try root.sync(directory)
  }

  /// Before a reference moves durably: makes earlier objects durable, and everything if `expected` is another process's work.
  func makeObjectsDurable(buildingOn expected: Reference?, of name: String) throws(GitError) {
    let isNeeded = pending.withLock { pending in
      if let expected, pending.known[name] != expected { pending.everything = true }
      return pending.everything || !pending.objects.isEmpty || !pending.references.isEmpty
    }
    if isNeeded { try makeDurable() }
  }

  /// Runs a sync, unless one failed before; remembers its failure.
  func syncing(_ body: () throws(GitError) -> Void) throws(GitError) {
    if let failure = pending.withLock({ $0.failure }) { throw failure }
    do {
      try body()
    } catch {
      if case .io(EIO) = error { pending.withLock { $0.failure = error } }
      throw error
    }
  }
}
