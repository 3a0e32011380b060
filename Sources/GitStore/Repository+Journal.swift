internal import Dispatch
internal import Synchronization

extension Repository {
  /// Objects beyond which, and bytes beyond which, a durable call syncs the files themselves.
  private static let journalObjectLimit = 64

  /// Makes everything that this instance wrote so far survive a power loss, by the journal if there is one and it has room.
  ///
  /// What the journal holds is repeated by recovery (``PowerLossRecovery``), which the first to open the repository after a power loss runs.
  /// A second later ``makeDurable()`` is called, as only after it stock git finds all without us.
  /// - Throws: As ``makeDurable()``.
  package func makeDurableQuickly() throws(GitError) {
    let isDone = try journal.withLock { journal throws(GitError) -> Bool in
      guard journal != nil else { return false }
      let taken = pending.withLock { pending -> (Pending, [ObjectName])? in
        // What is being synced just now is not on the disk yet either, and what is new may be built on it.
        let new = pending.flying + pending.objects[pending.journaled...]
        guard !pending.everything, !pending.isFlyingEverything, pending.failure == nil,
          new.count <= Self.journalObjectLimit
        else { return nil }
        return (pending, new)
      }
      guard let (state, names) = taken else { return false }
      if names.isEmpty && state.references.isEmpty { return true }
      var objects: [[UInt8]] = []
      var size = 0
      for name in names {
        // One that git packed meanwhile is not read from the pack, nor one that is too large: syncing covers it.
        let path = Self.loosePath(name)
        guard let length = try root.status(path)?.size, length < Journal.halfSize / 2,
          let file = try root.read(path, limit: Journal.halfSize)
        else { return false }
        objects.append(file)
        size += file.count
        guard size < Journal.halfSize / 2 else { return false }
      }
      let references = state.references.map { (name: $0.key, value: $0.value.encoded) }
      guard
        try journal?.append(generation: state.generation, objects: objects, references: references) ?? false
      else { return false }
      let isFirst = pending.withLock { pending in
        if pending.generation == state.generation {
          pending.journaled = state.objects.count
          pending.flying = []
        }
        defer { pending.isSyncing = true }
        return !pending.isSyncing
      }
      if isFirst { syncSoon() }
      return true
    }
    if !isDone { try makeDurable() }
  }

  /// Makes durable without the journal what it has, a second from now; if that fails, whoever writes or closes next is told.
  private func syncSoon() {
    Self.syncing.asyncAfter(deadline: .now() + .seconds(1)) { [weak self] in
      guard let self else { return }
      pending.withLock { $0.isSyncing = false }
      try? makeDurable()
    }
  }

  private static let syncing = DispatchQueue(label: "polykey.journal", qos: .utility)

  /// Makes the journal for ``makeDurableQuickly()``; costs a few ms.
  func openJournal() {
    // Without a journal everything still works, only slower.
    let made = try? Journal(in: root)
    journal.withLock { $0 = made ?? nil }
  }
}

extension PowerLossRecovery {
  /// Writes the journal's objects where they are missing or damaged.
  func repeatObjects(of records: [Journal.Record]) throws(GitError) {
    for file in records.flatMap(\.objects) {
      guard let (kind, bytes) = LooseFormat.decode(file) else { continue }
      let object = NewObject(kind: kind, bytes: bytes)
      if (try? repository.read(object.name)) == nil { try repository.write([object], durability: .processCrash) }
    }
  }
}
