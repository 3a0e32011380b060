import GitStore
import TestSupport
import Testing
import Vault
import VirtualFS

@testable import PeerSync

/// A keynode with a real vault and a service on 127.0.0.1; stopped with the test.
final class VaultPeer {
  let directory: TemporaryDirectory
  let keynode: Keynode
  let service: PeerService
  let address: PeerAddress
  let log = Watched(Mesh.Log())
  private(set) var vault: Vault?

  var node: NodeID { service.node }
  var target: PeerTarget { PeerTarget(address: address, node: node) }

  init(home: String? = nil, configure: (inout PeerConfiguration) -> Void = { _ in }) throws {
    directory = try TemporaryDirectory(inMemory: true)
    keynode = Keynode(at: KeynodePaths(home: home ?? directory.path), identity: try Identity())
    var configuration = PeerConfiguration()
    configuration.timing = .fast
    configure(&configuration)
    var events = PeerEvents()
    events.admitted = { [log] vault, node, admission in log.update { $0.admitted.append((vault, node, admission)) } }
    events.changed = { [log] in log.update { $0.changes += 1 } }
    service = try PeerService(identity: keynode.identity, configuration: configuration, events: events)
    address = try service.listen(at: .loopback)
  }

  deinit { service.stop() }

  /// Makes a vault, and shares it.
  func found(_ name: String = "v") throws -> Vault {
    let vault = try keynode.createVault(try VaultName(name))
    service.add(ReplicatedVault(VaultExchange(vault)))
    self.vault = vault
    return vault
  }

  /// Is admitted to the vault of `owner`, gets it, and shares it.
  func join(_ owner: VaultPeer, as role: Role = .writer) throws -> Vault {
    let theirs = try #require(owner.vault)
    try theirs.admit(node, as: role, recipient: keynode.identity.recipient)
    owner.service.vaultChanged(theirs.id)
    return try fetch(theirs.id, from: owner)
  }

  /// Gets a vault that `owner` has admitted it to.
  func fetch(_ id: VaultID, from owner: VaultPeer) throws -> Vault {
    let clone = try VaultClone(of: id, as: try VaultName("v"), at: keynode)
    service.add(ReplicatedVault(clone, from: owner.node))
    _ = try service.synchronize(id, with: owner.target, timeout: .seconds(20))
    let exchange = try #require(clone.vault)
    service.add(ReplicatedVault(exchange))
    vault = exchange.vault
    return exchange.vault
  }

  /// Writes a new secret of so many bytes, at most 1 MiB; returns the branches then; peers are told.
  @discardableResult
  func write(_ name: String, count: Int = 1) throws -> [String: ObjectName] {
    let vault = try #require(vault)
    let content = FileContent(
      size: Int64(count),
      parts: [.fresh(unsafe Block(count: count) { unsafe $0.initializeMemory(as: UInt8.self, repeating: 0x61) })])
    let file = StoredNode(
      object: ObjectID(high: .random(in: 0...(.max)), low: 0), body: .regular(content), paths: [[UInt8](name.utf8)],
      mode: 0o600, owner: 0, group: 0, modified: Timestamp(seconds: 0, nanoseconds: 0))
    _ = try VaultBacking(vault).commit(CommitBatch(puts: [file]))
    service.vaultChanged(vault.id, membersChanged: false)
    return try tips()
  }

  func tips() throws -> [String: ObjectName] { try VaultExchange(try #require(vault)).tips() }

  func has(_ name: ObjectName) throws -> Bool { try #require(vault).repository.contains(name) }

  /// Waits until `condition` holds, looked at after each event.
  func wait(seconds: Int = 20, _ condition: () -> Bool) -> Bool {
    log.wait(until: .after(.seconds(seconds))) { _ in condition() ? true : nil } ?? false
  }
}
