internal import Dispatch
internal import GitStore
internal import NIOCore
internal import NIOPosix
internal import Synchronization
package import Vault

/// Exchanges vaults with peers: listens, dials, lets new members join, and passes on every change at once.
///
/// All methods may block and come from any thread but an event loop and the service's own; ``stop()`` must be the last.
///
/// Threads: one event loop, which moves bytes and never waits; and two for each connection (see ``Session``).
/// Lock order: `state` is held for look-ups only, and nothing is called under it.
package final class PeerService: Sendable {
  struct State: Sendable {
    var isStopping = false
    var vaults: [VaultID: any ExchangedVault] = [:]
    var listeners: [any Channel] = []
    var dialers: [PeerTarget: Dialer] = [:]
    /// All that are open, with who introduced themselves and who did not.
    var connections: [ObjectIdentifier: Connection] = [:]
    /// The one connection to each process of a peer.
    var sessions: [PeerKey: Session] = [:]
    /// Tips that came from peers, so are not news of ours.
    var relayed: [VaultID: Tips] = [:]
    /// Where the updates lead that are coming in: at most one from each session.
    var arriving: [ObjectIdentifier: (vault: VaultID, tips: Tips)] = [:]
    var dialCount: UInt64 = 0
    var joinHandler: JoinHandler?
  }

  /// A process of a node: copies of one keynode are different peers.
  struct PeerKey: Hashable, Sendable {
    let node: NodeID
    let instance: Instance
  }

  package let configuration: PeerConfiguration
  package let node: NodeID
  let events: PeerEvents
  let instance = Instance.random()
  let state = Watched(State())
  let tls: TLS
  let group: MultiThreadedEventLoopGroup
  let limits: ConnectionLimits
  let joinLimiter: JoinLimiter
  let fetches: FetchLedger
  let budget = UpdateBudget()
  let threads = ThreadPark()

  /// A service of this identity, which does nothing yet.
  ///
  /// - Throws: ``PeerSyncError/resources``, ``PeerSyncError/vault(_:)``.
  package init(
    identity: Identity, configuration: PeerConfiguration = PeerConfiguration(), events: PeerEvents = PeerEvents()
  ) throws(PeerSyncError) {
    tls = try TLS(identity: identity)
    node = identity.node
    self.configuration = configuration
    self.events = events
    limits = ConnectionLimits(configuration)
    joinLimiter = JoinLimiter(configuration)
    fetches = FetchLedger(configuration)
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  }

  /// Ends all connections and waits until no thread or socket of the service is left; whoever waits for something from it
  /// gets ``PeerSyncError/stopped``.
  package func stop() {
    let (isFirst, listeners, dialers, connections) = state.update { state in
      defer { state.isStopping = true }
      return (!state.isStopping, state.listeners, state.dialers.values, state.connections.values)
    }
    guard isFirst else { return }
    for dialer in dialers { dialer.stop() }
    for listener in listeners { listener.close(promise: nil) }
    for connection in connections { connection.close(.stopped) }
    threads.joinAll()
    // Also closes what is still open.
    try? group.syncShutdownGracefully()
    threads.joinAll()
    state.update { state in
      state.vaults = [:]
      state.dialers = [:]
      state.listeners = []
      state.joinHandler = nil
    }
  }

  // MARK: Vaults

  /// Exchanges `vault` from now on, on live connections, too.
  package func add(_ vault: any ExchangedVault) {
    state.update { $0.vaults[vault.vault] = vault }
    refresh()
  }

  /// No longer exchanges a vault.
  package func remove(_ id: VaultID) {
    state.update { state in
      state.vaults[id] = nil
      state.relayed[id] = nil
    }
    vaultChanged(id)
  }

  /// Tells peers of a vault's new commits, or of whom it admits now.
  ///
  /// Returns at once.
  package func vaultChanged(_ id: VaultID, membersChanged: Bool = true) {
    for session in sessions { session.changed(id) }
    guard membersChanged else { return }
    // Who was no member may be one now.
    for dialer in state.read(\.dialers.values) where dialer.isShunned && dialer.target.node.map(knows) == true {
      dialer.hurry()
    }
  }

  /// Announces on all connections what is not announced yet.
  func refresh() {
    for session in sessions { session.announce() }
    for dialer in state.read(\.dialers.values) { dialer.hurry() }
  }

  func vault(_ id: VaultID) -> (any ExchangedVault)? { state.read { $0.vaults[id] } }

  func sharedVaults(with node: NodeID) -> [any ExchangedVault] {
    state.read { [any ExchangedVault]($0.vaults.values) }.filter { $0.admits(node) }
  }

  /// Whether a vault of ours admits `node`.
  func knows(_ node: NodeID) -> Bool { !sharedVaults(with: node).isEmpty }

  /// Whether a vault of ours admitted `node` once, and no more.
  func hasRemoved(_ node: NodeID) -> Bool {
    state.read { [any ExchangedVault]($0.vaults.values) }.contains { $0.hasRemoved(node) }
  }

  /// Whether this tip of a branch came from a peer.
  func isRelayed(_ id: VaultID, _ branch: String, _ tip: ObjectName) -> Bool {
    state.read { state in
      if state.relayed[id]?[branch] == tip { return true }
      return state.arriving.values.contains { $0.vault == id && $0.tips[branch] == tip }
    }
  }

  /// An update that leads to these tips is coming from a peer: our branches may move there at any moment.
  func arriving(_ id: VaultID, _ tips: Tips, from session: Session) {
    state.update { if $0.vaults[id] != nil { $0.arriving[ObjectIdentifier(session)] = (id, tips) } }
  }

  /// The update of `session` is over, and moved these branches of ours.
  func arrived(_ admission: Admission, from session: Session) {
    state.update { state in
      guard let (id, _) = state.arriving.removeValue(forKey: ObjectIdentifier(session)) else { return }
      state.relayed[id, default: [:]].merge(admission.moved) { $1 }
    }
  }

  /// A peer's update was taken: the others hear of it.
  func admitted(_ id: VaultID, _ admission: Admission, from session: Session) {
    arrived(admission, from: session)
    events.admitted(id, session.node, admission)
    guard !admission.moved.isEmpty else { return }
    for other in sessions where other !== session {
      other.changed(id)
      // It may have been what the other waited for.
      if other.state.read({ $0.vaults[id]?.patience }) != nil { other.connection.enqueue(.check(id)) }
    }
  }

  // MARK: Joining

  /// Lets nodes join with what `handler` decides; nil: nobody can.
  package func setJoinHandler(_ handler: JoinHandler?) { state.update { $0.joinHandler = handler } }

  /// What to answer a node that wants to join, on its session's thread.
  func join(_ request: JoinRequest, by session: Session) -> JoinAnswer {
    let network = ConnectionLimits.Origin(session.connection.channel.remoteAddress).widest
    guard joinLimiter.allows(network) else {
      return .refused(JoinRefusal(.tooManyAttempts, "Too many wrong codes were tried; try again in a minute."))
    }
    guard let handler = state.read(\.joinHandler) else {
      joinLimiter.failed(network)
      return .refused(JoinRefusal(.unknownToken, "There is no such invitation."))
    }
    let answer = handler(request, session.node)
    switch answer {
    case .joined: refresh()
    case .refused: joinLimiter.failed(network)
    }
    return answer
  }

  // MARK: Small things

  var sessions: [Session] { state.read { [Session]($0.sessions.values) } }

  func isConnected(_ node: NodeID) -> Bool { state.read { $0.sessions.keys.contains { $0.node == node } } }

  func nextDial() -> UInt64 {
    state.update { state in
      state.dialCount += 1
      return state.dialCount
    }
  }

  /// Runs `body` later, on the event loop, which it must not hold up.
  @discardableResult
  func schedule(after delay: Duration, _ body: @escaping @Sendable () -> Void) -> Scheduled<Void>? {
    guard !state.read(\.isStopping) else { return nil }
    return group.next().scheduleTask(in: TimeAmount(delay), body)
  }
}
