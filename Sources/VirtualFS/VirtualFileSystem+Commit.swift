// Commits by flat combining: the first thread with something to commit does it for all that come meanwhile.

extension VirtualFileSystem {
  /// Rounds of "outdated" before a commit gives up.
  private static let maximumRounds = 100

  /// Waits, without blocking, for a commit of all that is due now; `reply` gets nil or the error, also that of a refused `subject`.
  ///
  /// If nobody commits, the calling thread does, and goes on until nobody waits.
  func commit(
    durable: Bool, forced: Bool = false, of subject: Waiter.Subject = .none,
    reply: @escaping @Sendable (VFSError?) -> Void
  ) {
    let isLeader = state.withLock { state -> Bool in
      state.waiters.append(Waiter(durable: durable, forced: forced, subject: subject, reply: reply))
      defer { state.isCommitting = true }
      return !state.isCommitting
    }
    guard isLeader else { return }
    while let waiters = state.withLock({ $0.takeWaiters() }) {
      let outcome = commitRound(
        durable: waiters.contains(where: \.durable), forced: waiters.contains(where: \.forced))
      for waiter in waiters { waiter.reply(waiter.answer(to: outcome)) }
    }
  }

  /// A commit point whose request succeeded in memory already.
  func commit<Value: Sendable>(
    durable: Bool = false, of subject: Waiter.Subject, thenReply value: Value, to reply: @escaping Reply<Value>
  ) {
    commit(durable: durable, of: subject) { error in
      if let error { reply(.failure(error)) } else { reply(.success(value)) }
    }
  }

  /// The same for an entry, whose lookup does not count if the reply is an error.
  func commit(thenReply entry: Entry, to reply: @escaping Reply<Entry>) {
    commit(durable: false, of: .inode(entry.attributes.inode)) { error in
      if let error {
        self.forget(entry.attributes.inode, lookups: 1)
        reply(.failure(error))
      } else {
        reply(.success(entry))
      }
    }
  }

  private func commitRound(durable: Bool, forced: Bool) -> CommitRound {
    for _ in 0..<VirtualFileSystem.maximumRounds {
      var (snapshot, rewritings) = state.withLock { state in
        let snapshot = state.takeSnapshot()
        return (snapshot, state.rewritings(in: snapshot))
      }
      rewritings = rewritings.isEmpty ? [] : unchanged(rewritings)
      if !rewritings.isEmpty { state.withLock { $0.withdraw(rewritings, from: &snapshot) } }
      if snapshot.isEmpty, !durable, !forced { return CommitRound() }
      snapshot.dropZeroParts()
      let durable = durable || snapshot.hasKept
      let batch = CommitBatch(puts: snapshot.puts, removals: snapshot.removals, durable: durable)
      do throws(VFSError) {
        switch try backing.commit(batch) {
        case .committed(let receipt, let refused):
          let (refusals, obsolete) = state.withLock { state in
            (state.apply(receipt, refused: refused, of: snapshot, durable: durable), state.obsoleteKept())
          }
          discardKept(obsolete)
          return CommitRound(refused: refusals)
        case .outdated(let changes):
          let moment = moment()
          let stale = state.withLock { state in
            state.restore(snapshot)
            return state.apply(changes, at: moment)
          }
          if !stale.isEmpty { invalidate(stale) }
        }
      } catch {
        fail(snapshot, error)
        return CommitRound(error: error)
      }
    }
    fail(Snapshot(), VFSError(.io))
    return CommitRound(error: VFSError(.io))
  }

  private func fail(_ snapshot: Snapshot, _ error: VFSError) {
    state.withLock { state in
      state.restore(snapshot, after: error)
      state.lastCommitFailed = true
    }
  }
}

// MARK: the whole
extension VirtualFileSystem {
  /// Commits what has waited long enough: attributes 1 s, files dirty for 5 s, temporary ones closed for 5 s, failed commits again.
  ///
  /// It also makes earlier commits durable. Call it about once a second.
  public func tick() {
    let now = monotonic()
    let discarded = state.withLock { state in
      defer { state.discarded = [] }
      return state.discarded
    }
    if !discarded.isEmpty { backing.discard(discarded) }
    let (isDue, durable) = state.withLock { state -> (Bool, Bool) in
      state.requestContent(dirtyBy: now < 5_000_000_000 ? 0 : now - 5_000_000_000)
      let overdue = state.hasOverdue(attributesBy: now < 1_000_000_000 ? 0 : now - 1_000_000_000)
      defer { state.hasUndurableCommits = false }
      return (overdue, state.hasUndurableCommits)
    }
    if isDue { commit(durable: false) { _ in } }
    // Not as a commit: others go on committing while the disk works.
    if durable, (try? backing.makeDurable()) == nil { state.withLock { $0.hasUndurableCommits = true } }
  }

  /// Commits all that is dirty, durably, temporary files too; for syncfs, unmount and exit.
  ///
  /// It fails if anything could not be stored, though all else is: ``unstored()`` tells what.
  public func synchronizeAll(reply: @escaping Reply<Void>) {
    state.withLock { $0.requestContent() }
    commit(durable: true, of: .all, thenReply: (), to: reply)
  }

  /// Asks the backing whether others committed, and applies it; `invalidate` is told before it replies.
  public func refresh(reply: @escaping Reply<Void>) {
    commit(durable: false, forced: true) { error in
      if let error { reply(.failure(error)) } else { reply(.success(())) }
    }
  }

  /// Refuses all changes from now on, or allows them again, unless the file system was made read-only.
  public func setReadOnly(_ isReadOnly: Bool) { state.withLock { $0.isReadOnly = isReadOnly || options.isReadOnly } }

  /// Drops clean decrypted contents (lock, idle); returns the bytes freed.
  public func dropCaches() -> Int { cache.removeAll() }

  /// Capacity and use; a full disk below makes the file system full.
  public func statistics() -> FileSystemStatistics {
    let available = backing.availableBytes()
    return state.withLock { state in
      let room = min(
        options.capacity - state.usedBytes, available - options.diskReserve - Int64(state.freshBytes))
      return FileSystemStatistics(
        capacity: min(options.capacity, state.usedBytes + max(0, room)), available: max(0, room),
        inodes: Int64(options.maximumInodes),
        availableInodes: Int64(max(0, options.maximumInodes - state.inodes.count)))
    }
  }
}
