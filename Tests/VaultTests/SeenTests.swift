import Foundation
import GitStore
import Synchronization
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// A repository that goes back, or is exchanged for another, is found out by what the keynode remembers outside of it.
@Suite("High-water marks") struct SeenTests {
  /// A keynode that keeps what it is told.
  private final class Told: Sendable {
    let setbacks = Mutex<[Setback]>([])
    func take() -> [Setback] {
      setbacks.withLock { all in
        defer { all = [] }
        return all
      }
    }
  }

  private let told = Told()
  private let directory: TemporaryDirectory
  private let keynode: Keynode
  private let name: VaultName

  init() throws {
    directory = try TemporaryDirectory(inMemory: true)
    let told = told
    keynode = Keynode(
      at: KeynodePaths(home: directory.path), identity: try Identity(),
      onSetback: { _, setbacks in told.setbacks.withLock { $0 += setbacks } })
    name = try VaultName("v")
  }

  private func write(_ vault: Vault, _ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let node = StoredNode.file(["f\(seed)"], [1], object: .random(&generator))
    _ = try VaultBacking(vault).commit(CommitBatch(puts: [node]))
    try vault.finish()
  }

  private func copy(_ from: String, _ to: String) throws {
    try Program.check(["rm", "-rf", to])
    try Program.check(["cp", "-a", from, to])
  }

  private var repository: String { keynode.paths.repository(of: name) }

  private func findings() throws -> [VaultError] {
    var reasons: [VaultError] = []
    _ = try keynode.openVault(name).verify { reasons.append($0.reason) }
    return reasons
  }

  @Test func `nothing of a keynode that was removed meanwhile comes back`() throws {
    try keynode.createVault(name)
    let vault = try keynode.openVault(name)
    try Program.check(["rm", "-rf", directory.path])
    // As it is done a moment after an update came, or at the end of a mount.
    try? vault.flush()
    #expect(!FileManager.default.fileExists(atPath: directory.path))
  }

  @Test func `an older copy of the repository is reported until it has caught up`() throws {
    try write(try keynode.createVault(name), 1)
    try copy(repository, directory("older"))
    try write(try keynode.openVault(name), 2)
    try copy(repository, directory("newer"))
    #expect(told.take().isEmpty)
    try copy(directory("older"), repository)
    let vault = try keynode.openVault(name)
    guard case .branch(keynode.identity.node, at: let commit, clock: 2)? = told.take().first else {
      Issue.record("it is not reported")
      return
    }
    #expect(try !vault.repository.contains(commit))
    #expect(try findings() == [.setBack])
    // What is written now does not make it forget.
    try write(vault, 3)
    _ = told.take()
    _ = try keynode.openVault(name)
    #expect(told.take().count == 1)
    try copy(directory("newer"), repository)
    #expect(try findings().isEmpty)
    #expect(told.take().isEmpty)
  }

  @Test func `a branch that was moved back, or removed, is reported though its commits are there`() throws {
    let vault = try keynode.createVault(name)
    try write(vault, 1)
    let first = try #require(try vault.ownTip())
    try write(vault, 2)
    let second = try #require(try vault.ownTip())
    for move in [["update-ref", vault.branch, first.hex], ["update-ref", "-d", vault.branch]] {
      try Program.check(["git", "-C", vault.repository.path] + move)
      _ = try keynode.openVault(name)
      #expect(told.take() == [.branch(keynode.identity.node, at: second, clock: 2)])
    }
  }

  @Test func `members that went back are reported`() throws {
    let vault = try keynode.createVault(name)
    try vault.finish()
    try copy(repository, directory("older"))
    try vault.rotate()
    try vault.finish()
    try copy(directory("older"), repository)
    _ = try keynode.openVault(name)
    #expect(told.take() == [.members(vault.log.tip)])
  }

  @Test func `two vaults exchanged for one another are reported, and names that were changed by us are not`() throws {
    let other = try VaultName("other")
    let ids = [try keynode.createVault(name).id, try keynode.createVault(other).id]
    try Program.check(["mv", repository, directory("x")])
    try Program.check(["mv", keynode.paths.repository(of: other), repository])
    try Program.check(["mv", directory("x"), keynode.paths.repository(of: other)])
    _ = try keynode.openVault(name)
    _ = try keynode.openVault(other)
    #expect(told.take() == [.exchanged(was: ids[0]), .exchanged(was: ids[1])])
    #expect(try findings() == [.setBack])
    _ = told.take()
    try Program.check(["mv", repository, directory("x")])
    try Program.check(["mv", keynode.paths.repository(of: other), repository])
    try Program.check(["mv", directory("x"), keynode.paths.repository(of: other)])
    let third = try VaultName("third")
    try keynode.renameVault(name, to: third)
    try keynode.removeVault(other)
    try keynode.createVault(other)
    try keynode.createVault(name)
    for name in [name, other, third] { _ = try keynode.openVault(name) }
    #expect(told.take().isEmpty)
  }

  @Test func `what a peer sent is remembered, and a member set back to its frontier is no setback`() throws {
    let nodes = try ExchangeTests.network([.writer])
    var generator = SeededGenerator(seed: 9)
    try nodes[1].commit(CommitBatch(puts: [.file(["x"], [1], object: .random(&generator))]))
    try ExchangeTests.settle(nodes)
    let vault = try #require(nodes[0].vault)
    try vault.finish()
    let tip = try #require(try vault.nodeTips()[nodes[1].id])
    try Program.check(["git", "-C", vault.repository.path, "update-ref", "-d", Vault.branch(of: nodes[1].id)])
    #expect(try vault.setbacks() == [.branch(nodes[1].id, at: tip, clock: 1)])
    // It comes again with the next exchange.
    try ExchangeTests.settle(nodes)
    #expect(try vault.setbacks().isEmpty)
    try vault.remove(nodes[1].id)
    try Program.check(["git", "-C", vault.repository.path, "update-ref", "-d", Vault.branch(of: nodes[1].id)])
    #expect(try vault.setbacks().isEmpty)
  }

  @Test func `marks that are damaged, deleted or cannot be written keep nobody from the vault`() throws {
    let vault = try keynode.createVault(name)
    try write(vault, 1)
    _ = try directory.write([0xFF, 0x0A], to: "state/\(vault.id.hex)/seen-v")
    _ = try keynode.openVault(name)
    try Program.check(["rm", "-rf", keynode.paths.state])
    try Program.check(["touch", keynode.paths.state])
    try write(try keynode.openVault(name), 2)
    #expect(told.take().isEmpty)
  }

  @Test func `who removed a vault and gets it from others is not told that it went back`() throws {
    try keynode.createVault(name)
    let vault = try keynode.openVault(name)
    try write(vault, 1)
    try copy(repository, directory("others"))
    try write(vault, 2)
    try keynode.removeVault(name)
    try Program.check(["cp", "-a", directory("others"), repository])
    let again = try keynode.openNewVault(name)
    #expect(told.take().isEmpty)
    // From then on as ever.
    try write(again, 3)
    try copy(directory("others"), repository)
    _ = try keynode.openVault(name)
    #expect(told.take().count == 1)
  }

  @Test func `a copy under a second name is refused and changes no mark, and a new name is no new beginning`()
    throws
  {
    try keynode.createVault(name)
    let vault = try keynode.openVault(name)
    try write(vault, 1)
    try copy(repository, directory("old"))
    let (other, third) = (try VaultName("other"), try VaultName("third"))
    try Program.check(["cp", "-a", repository, keynode.paths.repository(of: other)])
    // A vault has one name here; the copy's is refused, and harms the first one's marks as little.
    #expect(throws: VaultError.vaultNamed(name)) { _ = try keynode.openNewVault(other) }
    try write(vault, 2)
    #expect(throws: VaultError.vaultNamed(name)) { _ = try keynode.openVault(other) }
    #expect(told.take().isEmpty)
    try keynode.removeVault(other)
    // Renamed by its user, then moved by hand.
    try keynode.renameVault(name, to: other)
    try copy(directory("old"), keynode.paths.repository(of: other))
    _ = try keynode.openVault(other)
    #expect(told.take().count == 1)
    try Program.check(["mv", keynode.paths.repository(of: other), keynode.paths.repository(of: third)])
    _ = try keynode.openVault(third)
    #expect(told.take().count == 1)
  }
}
