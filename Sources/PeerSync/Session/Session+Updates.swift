internal import GitStore
internal import Vault

/// Updates that come in.
extension Session {
  /// An update that is coming in.
  struct Update {
    let vault: VaultID
    let tips: Tips
    /// Nil once it is refused; the rest is then passed over.
    var receiver: (any UpdateReceiver)?
    var refusal = "not exchanged with you"
    var byteCount: UInt64 = 0
    /// Counts the updates of the connection.
    let number: UInt64
    /// Bytes since it was last looked at how fast they come.
    var recentCount = 0
  }

  func begin(_ id: VaultID, _ tips: Tips, number: UInt64) throws(PeerSyncError) -> Update {
    service.fetches.touch(id, self, byteCount: 0)
    state.update { $0.vaults[id]?.incoming = 0 }
    // Before our branches move: else our sender could take these commits for news to the peer, or for ours.
    guard state.update({ $0.learnMore(id, tips) }) else { throw .violation(.tooMany) }
    service.arriving(id, tips, from: self)
    var update = Update(vault: id, tips: tips, number: number)
    lookAtPace(of: number)
    guard service.configuration.direction != .push, let vault = shared(id) else { return update }
    do throws(VaultError) { update.receiver = try vault.receive(from: node) } catch {
      update.refusal = "cannot be taken now"
      note("an update could not be taken")
    }
    return update
  }

  func feed(_ bytes: [UInt8], _ update: inout Update?) {
    guard let current = update, let receiver = current.receiver else { return }
    service.fetches.touch(current.vault, self, byteCount: bytes.count)
    state.update { $0.vaults[current.vault]?.incoming += UInt64(bytes.count) }
    update?.byteCount += UInt64(bytes.count)
    update?.recentCount += bytes.count
    do throws(VaultError) { try receiver.feed(bytes) } catch {
      let why: String =
        switch error {
        case .repository(.outOfSpace): Verdict.noRoom
        case .repository(.packTooLarge): Session.tooLarge
        default: "not a sound pack"
        }
      return giveUp(&update, why)
    }
    guard service.budget.allows(self, received: current.byteCount + UInt64(bytes.count), inflated: receiver.inflated)
    else { return giveUp(&update, Session.tooLarge) }
    progress(current.vault, isOutgoing: false, current.byteCount + UInt64(bytes.count), isComplete: false)
  }

  /// Passes over the rest of an update, and keeps nothing of it.
  private func giveUp(_ update: inout Update?, _ why: String) {
    update?.receiver = nil
    update?.refusal = why
    service.budget.release(self)
  }

  private static let tooLarge = "it becomes more than so few bytes may become"

  private func lookAtPace(of number: UInt64) {
    service.schedule(after: service.configuration.timing.updateWindow) { [weak self] in
      self?.connection.enqueue(.pace(number))
    }
  }

  /// Gives an update up that does not come, so that what came of it need not be kept; who has to write gets more time than who passes on.
  func judgePace(_ update: inout Update?) {
    guard let current = update, current.receiver != nil else { return }
    let rates = service.configuration.leastUpdateRate
    let rate = service.vault(current.vault)?.isWriter(node) == true ? rates.writers : rates.others
    let window = service.configuration.timing.updateWindow
    let needed = Double(rate) * (window / Duration.seconds(1))
    guard Double(current.recentCount) >= needed else {
      return giveUp(&update, "it comes too slowly")
    }
    update?.recentCount = 0
    lookAtPace(of: current.number)
  }

  func finish(_ update: Update) {
    defer { service.budget.release(self) }
    var admission = Admission(refused: update.tips.mapValues { _ in update.refusal })
    if let receiver = update.receiver {
      do throws(VaultError) { admission = try receiver.finish(update.tips) } catch {
        let why = error == .repository(.outOfSpace) ? Verdict.noRoom : "the update could not be verified"
        admission = Admission(refused: update.tips.mapValues { _ in why })
      }
    }
    state.update { state in
      guard var known = state.vaults[update.vault] else { return }
      known.report.received.merge(admission.moved) { $1 }
      known.report.note(refused: admission.refused)
      known.report.bytesReceived += update.byteCount
      state.vaults[update.vault] = known
      state.lastExchange = wallClock()
      if admission.callsForAnswer { state.jobs.pushed.include(update.vault) }
      if let (name, why) = admission.refused.first { state.lastError = "refused \(name): \(why)" }
    }
    if !admission.moved.isEmpty { service.fetches.progressed(update.vault, self) }
    if admission.refused.values.contains(Verdict.noRoom) { awaitRoom(for: update.vault) }
    // First the news to others, then the answer: who waits for it may look here at once.
    service.admitted(update.vault, admission, from: self)
    connection.send(.updateResult(admission))
    progress(update.vault, isOutgoing: false, update.byteCount, isComplete: true)
  }

  /// Asks again later for what was refused: somebody may make room.
  private func awaitRoom(for id: VaultID) {
    let isFirst = state.update { state in
      guard state.vaults[id]?.awaitsRoom == false else { return false }
      state.vaults[id]?.awaitsRoom = true
      return true
    }
    guard isFirst else { return }
    service.schedule(after: service.configuration.timing.room) { [weak self] in
      self?.state.update { state in
        state.vaults[id]?.awaitsRoom = false
        state.vaults[id]?.fruitless = [:]
      }
      self?.connection.enqueue(.check(id))
    }
  }

  /// The peer says what became of our update.
  func note(_ admission: Admission) throws(PeerSyncError) {
    let isAwaited = state.update { state in
      guard state.isAwaitingResult else { return false }
      state.isAwaitingResult = false
      state.result = admission
      return true
    }
    guard isAwaited else { throw .violation(.unexpected) }
  }

  func progress(_ vault: VaultID, isOutgoing: Bool, _ byteCount: UInt64, isComplete: Bool) {
    service.events.progressed(
      TransferProgress(
        vault: vault, node: node, isOutgoing: isOutgoing, byteCount: byteCount, isComplete: isComplete))
  }
}
