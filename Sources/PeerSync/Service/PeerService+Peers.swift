internal import Dispatch
internal import GitStore
internal import Vault

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
}
