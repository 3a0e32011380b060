internal import Dispatch
internal import GitStore
internal import Vault

extension Session {
  // MARK: The sender's thread

  /// Does what there is to send until the connection ends.
  func send() {
    defer { state.update { $0.isSending = false } }
    var isReady = false
    while let job = nextJob() {
      do throws(PeerSyncError) {
        switch job {
        case .announce:
          announceAll()
          if !isReady { connection.send(.ready) }
          isReady = true
        case .change(let id): try change(id)
        case .answer(let id):
          // Before passing, so that the peer gets no less than this says.
          let tips = shared(id).flatMap { try? $0.tips() }
          if service.configuration.direction != .pull { try pass(id) }
          if let tips { state.update { $0.vaults[id]?.announced = tips } }
          // Of a vault that is not the peer's it learns nothing, not even that it exists here.
          connection.send(.current(id, tips ?? [:]))
        case .answerMembers(let id):
          let tips = shared(id).flatMap { try? $0.tips() }
          if service.configuration.direction != .pull { try passMembers(id) }
          connection.send(.current(id, tips ?? [:]))
        case .dismiss(let id): try dismiss(id, state.read { $0.vaults[id]?.theirs } ?? [:])
        case .push(let id):
          if service.configuration.direction != .pull { try pass(id) }
          state.update { $0.vaults[id]?.pushes += 1 }
        }
      } catch {
        connection.close(error)
      }
    }
  }

  /// The next thing to do; nil once the connection has ended.
  private func nextJob() -> SessionState.Job? {
    state.wait { state -> SessionState.Job?? in
      if self.connection.error != nil { return .some(nil) }
      return state.nextJob().map { .some($0) }
    } ?? nil
  }

  /// Announces what the peer may see and has not been told of, and looks anew at what it announced before.
  private func announceAll() {
    for vault in service.sharedVaults(with: node) {
      let id = vault.vault
      guard state.read({ $0.vaults[id]?.announced }) == nil, let tips = try? vault.tips() else { continue }
      state.update { state in
        state.vaults[id, default: SharedVault()].announced = tips
        state.dismissed.remove(id)
      }
      connection.send(.announce(id, tips))
      connection.enqueue(.check(id))
    }
  }

  /// Lets the peer know of a vault's change: our own commits by sending them, others' by telling that we have them.
  private func change(_ id: VaultID) throws(PeerSyncError) {
    guard let vault = shared(id) else { return try forget(id) }
    let ours: Tips
    do throws(VaultError) { ours = try vault.tips() } catch { return note("the vault's branches cannot be read here") }
    guard let known = state.read({ $0.vaults[id] }), known.announced != nil else {
      return announce()
    }
    if !known.fruitless.isEmpty, known.fruitlessMembers != ours["members"] {
      state.update { $0.vaults[id]?.fruitless = [:] }
      connection.enqueue(.check(id))
    }
    let theirs = known.theirs ?? [:]
    let lacking = ours.filter { theirs[$0.key] != $0.value && known.refusedByPeer[$0.key] != $0.value }
    if lacking.isEmpty { return }
    // Others' commits among them come to the peer from their authors, so it must say what it has.
    let isOwn = lacking.allSatisfy { !service.isRelayed(id, $0.key, $0.value) }
    if isOwn, known.isCaughtUp, service.configuration.direction != .pull { return try pass(id) }
    if known.announced != ours {
      state.update { $0.vaults[id]?.announced = ours }
      connection.send(.announce(id, ours))
    }
  }

  /// The peer may no longer see a vault; without any it is a stranger.
  private func forget(_ id: VaultID) throws(PeerSyncError) {
    let theirs = state.read { $0.vaults[id]?.theirs } ?? [:]
    let wasShared = state.update { $0.forget(id) }
    service.fetches.release(id, self)
    guard wasShared else { return }
    let isStranger = !service.knows(node)
    if isStranger {
      // However slowly it takes the last thing that it gets.
      service.schedule(after: service.configuration.timing.handshake) { [connection] in connection.close(.stranger) }
    }
    try dismiss(id, theirs)
    if isStranger { throw .stranger }
  }

  /// Tells the peer that it was removed from a vault, if it was, once: nothing of what came later, and no data.
  private func dismiss(_ id: VaultID, _ theirs: Tips) throws(PeerSyncError) {
    guard let vault = service.vault(id), vault.hasRemoved(node),
      state.update({ $0.dismissed.insert(id).inserted })
    else { return }
    let sink = SessionSink(self, id)
    do {
      try vault.farewell(to: node, have: theirs, sink: sink)
    } catch let error as PeerSyncError {
      throw error
    } catch is SessionSink.Refused {
      // It knows already, or does not want to.
    } catch {
      note("the members cannot be read here")
    }
    sink.abort()
  }

  /// Sends what the peer lacks of a vault; news of the members that comes meanwhile goes first.
  private func pass(_ id: VaultID) throws(PeerSyncError) {
    while try passOnce(id) == .overtaken {}
  }

  private enum Passage { case done, overtaken }

  private func passOnce(_ id: VaultID) throws(PeerSyncError) -> Passage {
    guard let vault = shared(id), let theirs = state.read({ $0.vaults[id]?.theirs }) else { return .done }
    let sink = SessionSink(self, id)
    defer { sink.abort() }
    do {
      let ours = try vault.tips()
      sink.yields(to: vault, from: ours["members"])
      if ours != theirs { try vault.outgoing(to: node, have: theirs, sink: sink) }
      if !sink.wasRefused { state.update { $0.vaults[id]?.isCaughtUp = true } }
    } catch let error as PeerSyncError {
      throw error
    } catch is SessionSink.Refused {
      // The peer took nothing of an update, so what builds on it would be for nothing.
    } catch is SessionSink.Overtaken {
      return .overtaken
    } catch {
      note("an update could not be read here")
    }
    return .done
  }

  /// Sends what the peer lacks of the members' branches.
  private func passMembers(_ id: VaultID) throws(PeerSyncError) {
    guard let vault = shared(id) else { return }
    let sink = SessionSink(self, id)
    defer { sink.abort() }
    do {
      try vault.outgoingMembers(to: node, have: state.read { $0.vaults[id]?.theirs } ?? [:], sink: sink)
    } catch let error as PeerSyncError {
      throw error
    } catch is SessionSink.Refused {
      // It has them, or does not believe them.
    } catch {
      note("the members cannot be read here")
    }
  }
}

/// Sends the updates of one vault to the peer, one after the other.
private final class SessionSink: UpdateSink {
  /// The peer took nothing of an update.
  struct Refused: Error {}
  /// The members have changed, which the peer must know before anything else.
  struct Overtaken: Error {}

  private let session: Session
  private let vault: VaultID
  /// Where the update leads that was begun and not ended.
  private var tips: Tips?
  private var byteCount: UInt64 = 0
  private(set) var wasRefused = false
  /// The vault whose news of the members goes before what is sent here, and the members that the peer gets by it.
  private var first: (vault: any ExchangedVault, members: ObjectName?)?
  private var lastLook = DispatchTime.now()

  init(_ session: Session, _ vault: VaultID) {
    self.session = session
    self.vault = vault
  }

  /// From now on ``Overtaken`` is thrown when the members of `vault` are others than these.
  func yields(to vault: any ExchangedVault, from members: ObjectName?) { first = (vault, members) }

  private var isOvertaken: Bool {
    guard let first, let now = try? first.vault.tips()["members"] else { return false }
    return now != first.members
  }

  /// Breaks an update off if there is news of the members; not again soon, so that what is large gets through some time.
  private func breakOff() throws {
    guard first != nil, session.state.read({ $0.jobs.changed.contains(vault) }),
      .now() >= lastLook + .milliseconds(200)
    else { return }
    lastLook = .now()
    guard session.state.read({ $0.vaults[vault]?.nextAbort ?? .now() }) <= .now(), isOvertaken else { return }
    let next = DispatchTime.after(session.service.configuration.timing.abort)
    session.state.update { $0.vaults[vault]?.nextAbort = next }
    throw Overtaken()
  }

  func begin(_ tips: [String: ObjectName]) throws {
    precondition(self.tips == nil, "an update ends before the next begins")
    guard !tips.isEmpty else { return }
    if isOvertaken { throw Overtaken() }
    self.tips = tips
    byteCount = 0
    try session.connection.sendPatiently(.updateBegin(vault, tips))
  }

  func chunk(_ bytes: [UInt8]) throws {
    for start in stride(from: 0, to: bytes.count, by: Frame.dataLimit) {
      let end = min(start + Frame.dataLimit, bytes.count)
      let part = start == 0 && end == bytes.count ? bytes : [UInt8](bytes[start..<end])
      try session.connection.sendPatiently(.updateData(part))
      byteCount += UInt64(part.count)
      try breakOff()
      session.progress(vault, isOutgoing: true, byteCount, isComplete: false)
    }
  }

  func end() throws {
    guard let tips = tips.take() else { return }
    session.state.update { state in
      state.result = nil
      state.isAwaitingResult = true
    }
    try session.connection.sendPatiently(.updateEnd)
    let admission = try result()
    session.state.update { [vault, byteCount] state in
      state.lastExchange = wallClock()
      guard var known = state.vaults[vault] else { return }
      // Of branches that were not in the update the peer has nothing to say.
      for (name, tip) in tips {
        if let why = admission.refused[name] {
          known.refusedByPeer[name] = tip
          known.report.refusedByPeer[name] = why
          state.lastError = "the peer refused \(name): \(why)"
        } else if let moved = admission.moved[name] {
          known.report.sent[name] = moved
        }
      }
      known.report.bytesSent += byteCount
      state.vaults[vault] = known
      // What it did not refuse it has, even if it had it before and nothing moved.
      _ = state.learnMore(vault, tips.filter { admission.refused[$0.key] == nil })
    }
    session.progress(vault, isOutgoing: true, byteCount, isComplete: true)
    if !admission.refused.isEmpty { wasRefused = true }
    if tips.keys.allSatisfy({ admission.refused[$0] != nil }) { throw Refused() }
  }

  private func result() throws -> Admission {
    let answer = session.state.wait { [session] state -> Result<Admission, PeerSyncError>? in
      if let result = state.result.take() { return .success(result) }
      return session.connection.error.map { .failure($0) }
    }
    return try (answer ?? .failure(.closed)).get()
  }

  /// Ends an update that was begun, for nothing.
  func abort() { if tips.take() != nil { session.connection.send(.updateAbort) } }
}
