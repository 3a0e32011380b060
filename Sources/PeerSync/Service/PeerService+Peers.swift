internal import Dispatch
internal import GitStore
package import Vault

extension PeerService {
  // MARK: Targets

  /// Keeps a connection to `target` from now on.
  package func connect(to target: PeerTarget) {
    let dialer = state.update { state -> Dialer? in
      guard !state.isStopping, state.dialers[target] == nil else { return nil }
      let dialer = Dialer(target, service: self)
      state.dialers[target] = dialer
      return dialer
    }
    dialer?.attempt()
  }

  /// No longer dials `target`, and ends the connection that was dialled so.
  package func disconnect(from target: PeerTarget) {
    let dialer = state.update { $0.dialers.removeValue(forKey: target) }
    guard let dialer else { return }
    if case .connected(let session) = dialer.status.phase, session.dial != nil { session.connection.close(.closed) }
    dialer.stop()
  }

  /// No longer dials `target`; a connection that there is goes on.
  package func forget(_ target: PeerTarget) { state.update { $0.dialers.removeValue(forKey: target) }?.stop() }

  // MARK: Sessions

  /// What we introduce ourselves with.
  func hello(toMember isMember: Bool, dial: UInt64) -> Frame.Hello {
    let own = configuration.advertised.isEmpty ? listening.filter { !$0.isWildcard } : configuration.advertised
    return Frame.Hello(
      instance: instance, dial: dial, program: isMember ? configuration.program : "", addresses: isMember ? own : [])
  }

  /// Makes `session` the one connection to its peer.
  ///
  /// - Throws: ``PeerSyncError/duplicate`` if another one goes on instead, ``PeerSyncError/resources`` if there is no room for one more,
  ///   ``PeerSyncError/stopped``.
  func register(_ session: Session, _ hello: Frame.Hello) throws(PeerSyncError) {
    guard session.connection.introduced(as: session.node) else { throw .resources }
    let key = PeerKey(node: session.node, instance: hello.instance)
    let (isRegistered, replaced) = state.update { state -> (Bool, Session?) in
      if state.isStopping { return (false, nil) }
      if let existing = state.sessions[key] {
        if existing.connection.error == nil, !session.isPreferred(to: existing) { return (false, nil) }
        state.sessions[key] = session
        return (true, existing)
      }
      state.sessions[key] = session
      return (true, nil)
    }
    guard isRegistered else { throw state.read(\.isStopping) ? .stopped : .duplicate }
    replaced?.connection.close(.duplicate)
    session.dial?.established(session)
    events.changed()
  }

  /// A session's receiver has ended.
  func ended(_ session: Session, _ error: PeerSyncError) {
    fetches.releaseAll(session)
    budget.release(session)
    arrived(Admission(), from: session)
    let key = session.state.read(\.hello).map { PeerKey(node: session.node, instance: $0.instance) }
    let (successor, dialers) = state.update { state -> (Session?, [Dialer]) in
      guard let key else { return (nil, [Dialer](state.dialers.values)) }
      if state.sessions[key] === session { state.sessions[key] = nil }
      return (state.sessions[key], [Dialer](state.dialers.values))
    }
    for dialer in dialers { dialer.lost(session, error, successor: successor) }
    session.dial?.ended(error)
    events.changed()
  }

  // MARK: Once

  /// Asks `node`, at the first of `addresses` that answers, to let us join; the connection then goes on exchanging.
  ///
  /// After ``JoinAnswer/joined(_:name:)`` make the vault and ``add(_:)`` it, and it will be fetched.
  /// - Throws: ``PeerSyncError/unreachable(errno:)``, ``PeerSyncError/wrongNode(_:)``, ``PeerSyncError/timedOut``, and what
  ///   else may end a connection. A refusal is an answer, and not thrown.
  package func join(
    _ request: JoinRequest, at addresses: [PeerAddress], expecting node: NodeID, timeout: Duration = .seconds(60)
  ) throws(PeerSyncError) -> JoinAnswer {
    let deadline = DispatchTime.after(timeout)
    var error = PeerSyncError.unreachable(errno: 0)
    for address in addresses {
      let result = Watched<Result<JoinAnswer, PeerSyncError>?>(nil)
      var dial = Dial(number: nextDial(), address: address, expected: node, join: request)
      dial.answered = { answer in result.update { $0 = $0 ?? answer } }
      dial.ended = { error in result.update { $0 = $0 ?? .failure(error) } }
      self.dial(dial)
      switch result.wait(until: deadline, { $0 }) {
      case .success(let answer): return answer
      case .failure(let reason): error = reason
      case nil: throw .timedOut
      }
    }
    throw error
  }

  /// Exchanges one vault with one peer until both have what they may, as ``PeerConfiguration/direction`` says.
  ///
  /// Uses a connection that there is, or makes one, which is left open. Also after an error, what was exchanged stays.
  /// - Throws: ``PeerSyncError/removed``, ``PeerSyncError/vaultNotShared`` if we or the peer do not have the vault or not admit the other,
  ///   ``PeerSyncError/timedOut``, and what else may end a connection.
  package func synchronize(
    _ id: VaultID, with target: PeerTarget, timeout: Duration
  ) throws(PeerSyncError) -> SyncReport {
    guard let vault = vault(id) else { throw .vaultNotShared }
    guard vault.isMember else { throw .removed }
    let deadline = DispatchTime.after(timeout)
    do throws(PeerSyncError) {
      return try synchronize(id, with: try session(with: target, until: deadline), until: deadline)
    } catch {
      // Which may have been what the peer had to say.
      throw vault.isMember ? error : .removed
    }
  }

  private func synchronize(
    _ id: VaultID, with session: Session, until deadline: DispatchTime
  ) throws(PeerSyncError) -> SyncReport {
    guard session.shared(id) != nil else { throw .vaultNotShared }
    // What the peer shares is known once it has said that this was all.
    guard
      let isShared = session.state.wait(
        until: deadline,
        { state in
          if session.connection.error != nil { return .some(false) }
          return state.isPeerReady ? state.vaults[id]?.theirs != nil : nil
        })
    else { throw .timedOut }
    if let error = session.connection.error { throw error }
    guard isShared else { throw .vaultNotShared }

    let before = session.state.update { state in
      state.jobs.pushed.include(id)
      return (fetches: state.vaults[id]?.fetches ?? 0, pushes: state.vaults[id]?.pushes ?? 0)
    }
    session.connection.enqueue(.check(id))
    let report = session.state.wait(until: deadline) { state -> Result<SyncReport, PeerSyncError>? in
      guard let known = state.vaults[id] else { return .failure(.vaultNotShared) }
      let hasPushed = known.pushes > before.pushes
      let hasFetched = known.fetches > before.fetches && known.asked == nil
      if hasPushed, hasFetched || self.configuration.direction == .push { return .success(known.report) }
      return session.connection.error.map { .failure($0) }
    }
    switch report {
    case .success(let report): return report
    case .failure(let error): throw error
    case nil: throw .timedOut
    }
  }

  private func session(with target: PeerTarget, until deadline: DispatchTime) throws(PeerSyncError) -> Session {
    if let node = target.node, let session = sessions.first(where: { $0.node == node }) { return session }
    let result = Watched<Result<Session, PeerSyncError>?>(nil)
    var dial = Dial(number: nextDial(), address: target.address, expected: target.node)
    dial.established = { session in result.update { $0 = $0 ?? .success(session) } }
    dial.ended = { error in result.update { $0 = $0 ?? .failure(error) } }
    self.dial(dial)
    switch result.wait(until: deadline, { $0 }) {
    case .success(let session): return session
    case .failure(let error): throw error
    case nil: throw .timedOut
    }
  }
}
