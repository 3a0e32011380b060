internal import Dispatch
internal import GitStore
internal import Vault

extension Session {
  /// Works on frames until the connection ends, first on those that came `early`.
  func receive(_ early: [Connection.Item]) throws(PeerSyncError) {
    var update: Update?
    var updateCount: UInt64 = 0
    var early = early[...]
    while true {
      let event: Connection.Item
      if let first = early.popFirst() { event = first } else { event = try connection.next() }
      switch event {
      case .check(let id): consider(id)
      case .pace(let number): if update?.number == number { judgePace(&update) }
      case .frame(let frame):
        switch frame {
        case .ready: state.update { $0.isPeerReady = true }
        case .announce(let id, let tips):
          try learn(id, tips)
          if service.vault(id)?.hasRemoved(node) == true { state.update { $0.jobs.dismissed.include(id) } }
          consider(id)
        case .want(let id, let tips):
          try learn(id, tips)
          state.update { $0.jobs.wanted.include(id) }
        case .wantMembers(let id, let tips):
          guard state.update({ $0.vaults[id]?.theirs == nil ? $0.learn(id, tips) : $0.learnMore(id, tips) }) else {
            throw .violation(.tooMany)
          }
          state.update { $0.jobs.wantedMembers.include(id) }
        case .current(let id, let tips): try fetched(id, tips)
        case .updateBegin(let id, let tips):
          guard update == nil else { throw .violation(.unexpected) }
          updateCount += 1
          update = try begin(id, tips, number: updateCount)
        case .updateData(let bytes):
          guard update != nil else { throw .violation(.unexpected) }
          feed(bytes, &update)
        case .updateEnd:
          guard let ended = update.take() else { throw .violation(.unexpected) }
          finish(ended)
        case .updateAbort:
          guard update.take() != nil else { throw .violation(.unexpected) }
          service.arrived(Admission(), from: self)
          service.budget.release(self)
        case .updateResult(let admission): try note(admission)
        case .join(let request): _ = answer(request)
        // The answers to a JOIN come before anything else, and PING, PONG and HELLO never get here.
        case .joined, .refused, .hello, .ping, .pong: throw .violation(.unexpected)
        }
      }
    }
  }

  // MARK: What the peer has

  /// Notes that the peer has a vault up to these tips.
  private func learn(_ id: VaultID, _ tips: Tips) throws(PeerSyncError) {
    guard state.update({ $0.learn(id, tips) }) else { throw .violation(.tooMany) }
  }

  /// Asks for what the peer has and we lack, unless it comes from elsewhere.
  ///
  /// One peer at a time is asked for a vault, so that an update that all of them have travels once. Commits whose author
  /// is connected are awaited from there for a moment: it sends them unasked. News of the members waits for no fetch, and for no author.
  func consider(_ id: VaultID) {
    let known = state.read { $0.vaults[id] }
    if known?.asked != nil { return }
    guard service.configuration.direction != .push, let vault = shared(id), let known, let theirs = known.theirs else {
      return service.fetches.release(id, self)
    }
    let ours: Tips
    do throws(VaultError) { ours = try vault.tips() } catch {
      note("the vault's branches cannot be read here")
      return service.fetches.release(id, self)
    }
    let lacking = theirs.filter { ours[$0.key] != $0.value && known.fruitless[$0.key] != $0.value }
    guard !lacking.isEmpty else {
      state.update { state in
        if ours == theirs { state.vaults[id]?.isCaughtUp = true }
        state.vaults[id]?.patience = nil
        state.vaults[id]?.awaitsTurn = false
        state.vaults[id]?.fetches += 1
      }
      return service.fetches.release(id, self)
    }
    let isOfMembers = lacking.keys.contains(where: Frame.isOfMembers)
    if !isOfMembers, lacking.keys.contains(where: { comesFromItsAuthor($0) }) {
      let patience = service.configuration.timing.patience
      let deadline = known.patience ?? .after(patience)
      if .now() < deadline {
        if known.patience == nil {
          state.update { $0.vaults[id]?.patience = deadline }
          check(id, after: patience)
        }
        return
      }
    }
    switch service.fetches.claim(id, self, ofMembers: isOfMembers) {
    case .all: ask(for: .all, of: id, ours)
    case .members: ask(for: .members, of: id, ours.filter { Frame.isOfMembers($0.key) })
    case .later(let delay): lookAgain(id, after: delay)
    }
  }

  private func ask(for question: SharedVault.Question, of id: VaultID, _ ours: Tips) {
    let now = wallClock()
    state.update { state in
      state.vaults[id]?.asked = question
      state.vaults[id]?.askedSince = now
      state.vaults[id]?.incoming = 0
      state.vaults[id]?.patience = nil
      state.vaults[id]?.awaitsTurn = false
    }
    switch question {
    case .all: connection.send(.want(id, ours))
    case .members: connection.send(.wantMembers(id, ours))
    }
  }

  /// Looks again when whoever is asked in our place may have lost the right to be the only one; when it is done, the ledger says so.
  private func lookAgain(_ id: VaultID, after delay: Duration) {
    let due = DispatchTime.after(delay)
    let isNew = state.update { state in
      state.vaults[id]?.awaitsTurn = true
      if let next = state.vaults[id]?.turn, .now() < next, next <= due { return false }
      state.vaults[id]?.turn = due
      return true
    }
    if isNew { check(id, after: delay) }
  }

  private func check(_ id: VaultID, after delay: Duration) {
    service.schedule(after: delay) { [weak self] in self?.connection.enqueue(.check(id)) }
  }

  private func comesFromItsAuthor(_ branch: String) -> Bool {
    guard let author = Frame.author(of: branch), author != node, author != service.node else { return false }
    return service.isConnected(author)
  }

  /// The peer has answered our WANT, or WANT-MEMBERS.
  private func fetched(_ id: VaultID, _ tips: Tips) throws(PeerSyncError) {
    guard let question = state.read({ $0.vaults[id]?.asked }) else { throw .violation(.unexpected) }
    let ours = shared(id).flatMap { try? $0.tips() } ?? [:]
    state.update { state in
      guard var known = state.vaults[id] else { return }
      let missing = (known.theirs ?? [:]).merging(tips) { $1 }.filter { ours[$0.key] != $0.value }
      switch question {
      case .all: known.fruitless = missing
      case .members:
        known.fruitless = known.fruitless.filter { !Frame.isOfMembers($0.key) }
        known.fruitless.merge(missing.filter { Frame.isOfMembers($0.key) }) { $1 }
      }
      known.fruitlessMembers = ours["members"]
      known.asked = nil
      if question == .all { known.fetches += 1 }
      if ours == tips { known.isCaughtUp = true }
      state.vaults[id] = known
    }
    if !tips.isEmpty { try learn(id, tips) }
    service.fetches.release(id, self)
    // What else there is has its turn.
    if question == .members { consider(id) }
  }
}
