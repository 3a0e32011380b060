internal import GitStore
package import Vault

/// A peer as `polykey peers` shows it: a connection, or a target that is not connected.
package struct PeerStatus: Hashable, Sendable {
  package enum State: Hashable, Sendable {
    case connecting
    case connected
    /// Until the next attempt.
    case waiting
  }

  /// What is being waited for.
  package enum Wait: Hashable, Sendable {
    /// The peer's answer: it was asked at this time (seconds since 1970), and so many bytes of an update have come.
    case answer(since: Int64, byteCount: UInt64)
    /// This other peer's, which is being asked for the vault; it is this one's turn next.
    case turn(after: NodeID)
  }

  /// How far the exchange of one vault is.
  package struct Vault: Hashable, Sendable {
    package let vault: VaultID
    /// Branches of ours that the peer is not known to have at their tips; 0: nothing waits to be sent.
    package let branchesWaiting: Int
    /// What we wait for, of what the peer has and we lack; nil if for nothing.
    package let wait: Wait?
    package let report: SyncReport
  }

  /// Nil for an address whose node is not known.
  package let node: NodeID?
  package let address: PeerAddress?
  /// Whether we dialled.
  package let isDialled: Bool
  package let state: State
  /// Since when it is in this state, in seconds since 1970.
  package let since: Int64
  /// The peer's program and version; empty if unknown.
  package let program: String
  package let roundTrip: Duration?
  /// When an update last went either way, in seconds since 1970.
  package let lastExchange: Int64?
  /// Bytes on their way to the peer that the network has not taken.
  package let bytesWaiting: Int
  /// By id; empty unless connected.
  package let vaults: [Vault]
  /// Why the last connection or attempt ended.
  package let error: PeerSyncError?
  /// What was last refused, by the peer or here, or went wrong; one sentence.
  package let refusal: String?
}

extension PeerService {
  /// All connected peers, then the targets that are not connected.
  ///
  /// Reads the vaults' branches.
  package var peers: [PeerStatus] {
    let connected = sessions.map(status).sorted { ($0.node?.text ?? "") < ($1.node?.text ?? "") }
    let others = state.read { [Dialer]($0.dialers.values) }.compactMap(status)
    return connected + others.sorted { ($0.address?.description ?? "") < ($1.address?.description ?? "") }
  }

  private func status(_ session: Session) -> PeerStatus {
    let state = session.state.read { $0 }
    let vaults = state.vaults.compactMap { id, known -> PeerStatus.Vault? in
      guard known.announced != nil, let ours = session.shared(id).flatMap({ try? $0.tips() }) else { return nil }
      let waiting = ours.count { known.theirs?[$0.key] != $0.value }
      return PeerStatus.Vault(
        vault: id, branchesWaiting: waiting, wait: wait(id, known), report: known.report)
    }
    return PeerStatus(
      node: session.node, address: session.connection.remote, isDialled: session.dial != nil, state: .connected,
      since: session.started, program: state.hello?.program ?? "", roundTrip: session.connection.roundTrip,
      lastExchange: state.lastExchange, bytesWaiting: session.connection.backlog,
      vaults: vaults.sorted { $0.vault.hex < $1.vault.hex }, error: nil, refusal: state.lastError)
  }

  private func wait(_ id: VaultID, _ known: SharedVault) -> PeerStatus.Wait? {
    if known.asked != nil { return .answer(since: known.askedSince, byteCount: known.incoming) }
    return known.awaitsTurn ? fetches.asked(for: id).map { .turn(after: $0) } : nil
  }

  private func status(_ dialer: Dialer) -> PeerStatus? {
    let (phase, since, error) = dialer.status
    let state: PeerStatus.State
    switch phase {
    case .connecting: state = .connecting
    case .idle, .waiting: state = .waiting
    case .connected, .stopped: return nil
    }
    return PeerStatus(
      node: dialer.target.node, address: dialer.target.address, isDialled: true, state: state, since: since,
      program: "", roundTrip: nil, lastExchange: nil, bytesWaiting: 0, vaults: [], error: error, refusal: nil)
  }
}
