import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Members are changed in a vault whose data cannot be merged or read, as somebody may have to be removed for that.
@Suite("Members without a view") struct UnreadableVaultTests {
  /// A vault of two heads that cannot be merged, as a subtree of one is gone.
  private static func broken() throws -> AttackScene {
    let scene = try AttackScene([.owner, .writer])
    try scene.nodes[2].write("poison")
    try scene.nodes[0].write("own")
    try scene.nodes[2].push(to: scene.nodes[0])
    let vault = try scene.victim
    let tree = try vault.repository.entries(ofTree: try scene.tip(2).tree).filter { $0.mode == .directory }
    for entry in tree {
      let hex = entry.object.hex
      try Program.check(["rm", "-f", "\(vault.repository.path)/objects/\(hex.prefix(2))/\(hex.dropFirst(2))"])
    }
    try scene.nodes[0].reopen()
    #expect(throws: VaultError.self) { _ = try scene.victim.view() }
    return try AttackScene(now: scene.nodes)
  }

  @Test func `roles, removal, rotation and the list of members need no view`() throws {
    let scene = try UnreadableVaultTests.broken()
    let vault = try scene.victim
    try vault.setRole(of: scene.nodes[2].id, to: .reader)
    try vault.setRole(of: scene.nodes[2].id, to: .writer)
    try vault.rotate()
    try vault.remove(scene.nodes[2].id)
    #expect(vault.membership.members[scene.nodes[2].id] == nil)
    #expect(vault.membership.removed[scene.nodes[2].id]?.view != nil, "what was shown last is noted")
    #expect(try vault.progress()[scene.nodes[2].id] != nil)
  }

  @Test func `news of the members are taken in by a vault that shows nothing`() throws {
    let scene = try UnreadableVaultTests.broken()
    let other = try #require(scene.nodes[1].vault)
    try other.remove(scene.nodes[2].id)
    try scene.nodes[1].pushMembers(to: scene.nodes[0])
    #expect(try scene.victim.membership.members[scene.nodes[2].id] == nil)
  }

  @Test func `a removal before a version cuts off what nobody built upon, and says who built upon the rest`() throws {
    let scene = try AttackScene([.owner, .writer])
    let good = try scene.tip(2)
    try scene.nodes[2].write("poison")
    try scene.nodes[2].write("more poison")
    try scene.nodes[2].push(to: scene.nodes[0])
    let vault = try scene.victim
    let bad = try #require(try vault.lastVersion(of: scene.nodes[2].id, before: try scene.tip(2).name))
    #expect(try vault.version(namedInBranches: String(bad.hex.prefix(12))) == bad)
    try vault.remove(scene.nodes[2].id, before: bad)
    #expect(vault.membership.removed[scene.nodes[2].id]?.tip == good.name)
    #expect(try vault.members(buildingOnCutVersionsOf: scene.nodes[2].id) == [])
    let view = try #require(try vault.view())
    let shown = try vault.graph.tree(try vault.graph.commit(view.commit))
    let poisoned = try vault.graph.tree(try vault.graph.commit(bad))
    let before = try vault.graph.treeBefore(try vault.graph.commit(bad))
    for key in DataTree.differences(before, poisoned) { #expect(shown.entries(of: key).isEmpty) }
    // Everybody else agrees.
    let nodes = Array(scene.nodes[..<2])
    try ExchangeTests.settle(nodes)
    #expect(try nodes[1].vault?.view() == vault.view())
    try scene.expectSound()
  }

  @Test func `what an honest member has built upon counts, and it is said who did`() throws {
    let scene = try AttackScene([.owner, .writer])
    try scene.nodes[2].write("poison")
    let bad = try #require(try scene.nodes[2].vault?.ownTip())
    try scene.nodes[2].push(to: scene.nodes[1])
    try scene.nodes[1].write("on top of it")
    try scene.nodes[1].push(to: scene.nodes[0])
    let vault = try scene.victim
    try vault.remove(scene.nodes[2].id, before: bad)
    #expect(try vault.members(buildingOnCutVersionsOf: scene.nodes[2].id) == [scene.nodes[1].id])
    let view = try #require(try vault.view())
    #expect(try Divergence(of: [bad, view.commit], in: vault.graph).tips(reaching: bad) == 3)
  }
}

extension SimulatedNode {
  /// Writes a new secret of 8 bytes.
  fileprivate func write(_ path: String) throws {
    var generator = SeededGenerator(seed: UInt64(acknowledged.count) + 1000)
    try commit(CommitBatch(puts: [.file([path], generator.bytes(8), object: .random(&generator))]))
  }

  /// Opens the vault anew without showing it.
  fileprivate func reopen() throws { try open() }

  /// Sends what the other lacks of the members only.
  fileprivate func pushMembers(to other: SimulatedNode) throws {
    let tips = try other.tips
    for message in try messages(to: tips) where message.tips.keys.contains(BranchName.members) {
      _ = try other.take(message)
    }
  }
}
