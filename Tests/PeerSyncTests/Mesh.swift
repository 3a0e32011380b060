import GitStore
import Testing
import Vault

@testable import PeerSync

/// Peers of a test's own, each with a service on 127.0.0.1 and a vault in memory; stopped with the test.
final class Mesh {
  struct Peer: Sendable {
    let identity: Identity
    let service: PeerService
    let vault: FakeVault
    let address: PeerAddress
    let log: Watched<Log>

    var node: NodeID { service.node }

    /// A new commit of this peer, announced.
    @discardableResult
    func write(_ payload: [UInt8]) -> ObjectName {
      let name = vault.commit(payload, by: node)
      service.vaultChanged(vault.vault)
      return name
    }

    /// Waits until so many peers are connected.
    func waitForPeers(_ count: Int) -> Bool { wait { [service] _ in service.sessions.count == count } }

    /// Waits until `condition` holds, looked at after each event.
    func wait(seconds: Int = 20, _ condition: @escaping @Sendable (Log) -> Bool) -> Bool {
      log.wait(until: .after(.seconds(seconds))) { condition($0) ? true : nil } ?? false
    }
  }

  /// What a service reported.
  struct Log: Sendable {
    var admitted: [(VaultID, NodeID, Admission)] = []
    var learned: [NodeID: [PeerAddress]] = [:]
    var progress: [TransferProgress] = []
    var changes = 0
  }

  private(set) var peers: [Peer] = []

  /// So many peers, all members of the vault, none connected yet.
  init(_ count: Int, configure: (inout PeerConfiguration) -> Void = { _ in }) throws {
    let identities = try (0..<count).map { _ in try Identity() }
    let members = Set(identities.map(\.node))
    for identity in identities { try add(identity, FakeVault(members: members), configure: configure) }
  }

  deinit { for peer in peers { peer.service.stop() } }

  @discardableResult
  func add(
    _ identity: Identity, _ vault: FakeVault, listens: Bool = true, sharing: Bool = true,
    configure: (inout PeerConfiguration) -> Void = { _ in }
  ) throws -> Peer {
    let log = Watched(Log())
    var configuration = PeerConfiguration()
    configuration.timing = .fast
    configure(&configuration)
    var events = PeerEvents()
    events.admitted = { vault, node, admission in log.update { $0.admitted.append((vault, node, admission)) } }
    events.learned = { node, addresses in log.update { $0.learned[node] = addresses } }
    events.changed = { log.update { $0.changes += 1 } }
    events.progressed = { progress in log.update { $0.progress.append(progress) } }
    let service = try PeerService(identity: identity, configuration: configuration, events: events)
    let address = try listens ? service.listen(at: .loopback) : .loopback
    if sharing { service.add(vault) }
    let peer = Peer(identity: identity, service: service, vault: vault, address: address, log: log)
    peers.append(peer)
    return peer
  }

  subscript(index: Int) -> Peer { peers[index] }

  /// Lets `index` dial `other`.
  func connect(_ index: Int, to other: Int) {
    peers[index].service.connect(to: PeerTarget(address: peers[other].address, node: peers[other].node))
  }

  /// Connects each with each, and waits until they are and nobody waits for anything.
  func connectAll() throws {
    for index in peers.indices { for other in 0..<index { connect(index, to: other) } }
    for peer in peers { #expect(peer.waitForPeers(peers.count - 1)) }
    for peer in peers { #expect(settled(peer)) }
  }

  /// Waits until each peer of `peer` has announced all, and is known to be up to date.
  func settled(_ peer: Peer) -> Bool {
    for session in peer.service.sessions {
      let isSettled = session.state.wait(until: .after(.seconds(20))) { state in
        state.isPeerReady && state.vaults[peer.vault.vault]?.isCaughtUp == true ? true : nil
      }
      if isSettled == nil { return false }
    }
    return true
  }
}

extension PeerConfiguration.Timing {
  /// Short where a test waits for the end of it, long where it would be in the way.
  static var fast: PeerConfiguration.Timing {
    var timing = PeerConfiguration.Timing()
    timing.backoff = .milliseconds(5) ... .milliseconds(100)
    return timing
  }
}

extension PeerAddress {
  /// Any free port of 127.0.0.1.
  static var loopback: PeerAddress { get throws { try PeerAddress("127.0.0.1:0") } }
}

/// `count` bytes that a seed stands for, fast.
func blob(_ count: Int, seed: UInt8 = 7) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) ^ seed } }
