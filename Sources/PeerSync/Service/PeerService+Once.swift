internal import Dispatch
internal import GitStore
package import Vault

/// What is done once, and waited for.
extension PeerService {
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

  /// The same with several peers at the same time, so that none that is slow, or wants to be, keeps away what others have.
  ///
  /// Those of whom the node is not known come after the others, one by one: two of them might be the same. Calls `done` with what became of
  /// each, on this thread.
  package func synchronize(
    _ id: VaultID, with targets: [PeerTarget], timeout: Duration,
    done: (PeerTarget, Result<SyncReport, PeerSyncError>) -> Void
  ) {
    let groups = Dictionary(grouping: targets.filter { $0.node != nil }) { $0.node }
    let waiting = Watched(groups.values.sorted { ($0[0].node?.text ?? "") < ($1[0].node?.text ?? "") })
    let results = Watched<[(PeerTarget, Result<SyncReport, PeerSyncError>)]>([])
    @Sendable func attempt(_ target: PeerTarget) -> Result<SyncReport, PeerSyncError> {
      do throws(PeerSyncError) { return .success(try synchronize(id, with: target, timeout: timeout)) } catch {
        return .failure(error)
      }
    }
    @Sendable func work() {
      while let group = waiting.update({ $0.popLast() }) {
        for target in group {
          let result = attempt(target)
          results.update { $0.append((target, result)) }
        }
      }
    }
    var hasThread = false
    for _ in 0..<min(groups.count, PeerService.togetherLimit) {
      do throws(PeerSyncError) {
        try threads.start("pk-sync", work)
        hasThread = true
      } catch {
        break
      }
    }
    if !hasThread { work() }
    var missing = targets.count { $0.node != nil }
    while missing > 0 {
      // A peer that is slow is given up in time, so this ends.
      let some = results.wait { results in
        defer { results = [] }
        return results.isEmpty ? nil : results
      }
      for (target, result) in some ?? [] { done(target, result) }
      missing -= some?.count ?? missing
    }
    for target in targets where target.node == nil { done(target, attempt(target)) }
  }

  /// Peers that one vault is exchanged with at the same time.
  private static let togetherLimit = 32

  private func synchronize(
    _ id: VaultID, with session: Session, until deadline: DispatchTime
  ) throws(PeerSyncError) -> SyncReport {
    guard session.shared(id) != nil else { throw .vaultNotShared }
    // What the peer shares is known once it has said that this was all.
    let answer = wait(for: id, session, until: deadline) { state -> Bool? in
      if session.connection.error != nil { return false }
      return state.isPeerReady ? state.vaults[id]?.theirs != nil : nil
    }
    guard let isShared = answer else { throw .timedOut }
    if let error = session.connection.error { throw error }
    guard isShared else { throw .vaultNotShared }

    let before = session.state.update { state in
      state.jobs.pushed.include(id)
      return (fetches: state.vaults[id]?.fetches ?? 0, pushes: state.vaults[id]?.pushes ?? 0)
    }
    session.connection.enqueue(.check(id))
    let report = wait(for: id, session, until: deadline) { state -> Result<SyncReport, PeerSyncError>? in
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

  /// Waits until `body` has a result; nil at the deadline, or if next to nothing has gone either way for some minutes, but for a peer
  /// that is not asked yet.
  private func wait<R: Sendable>(
    for id: VaultID, _ session: Session, until deadline: DispatchTime, _ body: (inout SessionState) -> R?
  ) -> R? {
    let window = configuration.timing.fetch
    let needed = Double(configuration.leastUpdateRate.writers) * (window / Duration.seconds(1))
    var before = session.connection.byteCount
    while true {
      if let result = session.state.wait(until: min(deadline, .after(window)), body) { return result }
      let now = session.connection.byteCount
      let awaitsTurn = session.state.read { $0.vaults[id]?.awaitsTurn == true }
      if DispatchTime.now() >= deadline || !awaitsTurn && Double(now - before) < needed { return nil }
      before = now
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
