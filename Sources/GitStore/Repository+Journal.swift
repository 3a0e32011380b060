internal import Synchronization

extension Repository {
  /// Objects beyond which, and bytes beyond which, a durable call syncs the files themselves.
  private static let journalObjectLimit = 64

  /// Makes everything that this instance wrote so far survive a power loss, by the journal if there is one and it has room.
  ///
  /// What the journal holds is repeated by recovery (``PowerLossRecovery``), which the first to open the repository after a power loss runs.
  /// ``makeDurable()`` is still to be called within a second or so, as only after it stock git finds all without us.
  /// - Throws: As ``makeDurable()``.
  package func makeDurableQuickly() throws(GitError) {
    let isDone = try journal.withLock { journal throws(GitError) -> Bool in
      guard journal != nil else { return false }
      let taken = pending.withLock { pending -> (Pending, ArraySlice<ObjectName>)? in
        let new = pending.objects[pending.journaled...]
        guard !pending.everything, pending.failure == nil, new.count <= Self.journalObjectLimit else { return nil }
        return (pending, new)
      }
      guard let (state, names) = taken else { return false }
      if names.isEmpty && state.references.isEmpty { return true }
      var objects: [[UInt8]] = []
      var size = 0
      for name in names {
        // One that git packed meanwhile is not read from the pack: syncing covers it.
        guard let file = try root.read(Self.loosePath(name)) else { return false }
        objects.append(file)
        size += file.count
        guard size < Journal.halfSize / 2 else { return false }
      }
      let references = state.references.map { (name: $0.key, value: $0.value.encoded) }
      guard
        try journal?.append(generation: state.generation, objects: objects, references: references) ?? false
      else { return false }
      pending.withLock { pending in
        if pending.generation == state.generation { pending.journaled = names.endIndex }
      }
      return true
    }
    if !isDone { try makeDurable() }
  }

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

  /// Moves the references forward to where the journal says that they were.
  func repeatReferences(of records: [Journal.Record]) throws(GitError) {
    for (name, value) in records.flatMap(\.references) {
      guard let target = try? Reference(parsing: value), case .direct(let object) = target,
        (try? repository.read(object, expecting: .commit)) != nil
      else { continue }
      let current = try repository.reference(name)
      switch current {
      case .symbolic: continue
      case .direct(let old) where old == object: continue
      case .direct(let old): guard try repository.isAncestor(old, of: object) else { continue }
      case nil: break
      }
      try repository.replaceReference(name, from: current, to: target, durability: .powerLoss)
    }
  }
}
