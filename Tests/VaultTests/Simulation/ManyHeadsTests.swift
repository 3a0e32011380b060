import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// A view of any number of branches: what an owner can do who admits and removes more nodes than a merge can join.
@Suite("Many heads") struct ManyHeadsTests {
  /// Nodes that were admitted, wrote one version each that nobody built on, and were removed together.
  private static func generation(_ count: Int, in scene: AttackScene, seed: UInt64) throws -> Set<ObjectName> {
    let puppets = try (0..<count).map { _ in try Identity() }
    let admission = try scene.membersCommit(by: scene.identity(1)) { state in
      for puppet in puppets { state.members[puppet.node] = Member(role: .writer, recipient: puppet.recipient) }
    }
    _ = try scene.offer([BranchName.members: try #require(admission.last).name], admission)
    var generator = SeededGenerator(seed: seed)
    var tips: [NodeID: ObjectName] = [:]
    var objects: [NewObject] = []
    for puppet in puppets {
      let key = ObjectKey(.random(&generator))
      let node = StoredNode.file(["of \(puppet.node.short)"], generator.bytes(8), object: key.id)
      let sealed = try ObjectSealer(scene.victim).seal(node, as: key)
      var tree = DataTree()
      tree.replace(key, with: sealed.entries)
      let (root, trees) = tree.encode(readme: Vault.readme.name)
      let commit = try scene.commit(after: nil, tree: root, by: puppet)
      objects += sealed.blobs + [Vault.readme] + trees + [commit]
      tips[puppet.node] = commit.name
    }
    let verdict = try scene.offer(
      Dictionary(uniqueKeysWithValues: tips.map { (BranchName.of($0.key), $0.value) }), objects)
    #expect(verdict.moved.count == count && verdict.refused.isEmpty)
    let removal = try scene.membersCommit(by: scene.identity(1)) { state in
      for (node, tip) in tips {
        state.members[node] = nil
        state.removed[node] = Frontier(tip: tip, view: nil)
      }
      state.keys[state.epoch + 1] = state.keys[1]
    }
    _ = try scene.offer([BranchName.members: try #require(removal.last).name], removal)
    return Set(tips.values)
  }

  @Test func `more heads than a merge can join leave a vault readable, writable, and the same everywhere`() throws {
    let scene = try AttackScene([.owner, .writer])
    let victim = try scene.victim
    let older = try ManyHeadsTests.generation(66, in: scene, seed: 1)
    let newer = try ManyHeadsTests.generation(66, in: scene, seed: 2)
    let branches = try victim.countingBranches()
    #expect(try Divergence.heads(of: branches.tips, in: victim.graph).count > CountingBranches.limit)
    let chosen = Set(try branches.heads(in: victim.graph).heads.map(\.name))
    #expect(chosen.count == CountingBranches.limit)
    #expect(newer.isSubset(of: chosen), "the newest removals come before older ones")
    #expect(!older.isSubset(of: chosen))
    for tip in branches.writing.values {
      let reached = try Divergence.heads(of: chosen.union([tip]), in: victim.graph).map(\.name)
      #expect(Set(reached) == chosen, "what a member writes counts first")
    }

    // Another node that gets all of it shows the same.
    try scene.nodes[0].push(to: scene.nodes[1])
    #expect(try scene.nodes[1].vault?.view() == victim.view())
    // Whoever writes goes on, and takes up the rest.
    try scene.nodes[0].restart()
    for _ in 0..<2 { try scene.expectHonestUpdate(from: 0) }
    let now = try #require(scene.nodes[0].vault)
    let heads = try now.countingBranches().heads(in: now.graph)
    #expect(heads.isWhole)
    #expect(try now.graph.tree(try now.graph.commit(try #require(try now.view()).commit)).keys.count >= 132)
  }

  @Test func `tips that others have behind them are no heads, however many they are`() throws {
    let scene = try AttackScene([.owner])
    let victim = try scene.victim
    var known: Set<ObjectName> = []
    for seed in 0..<2 {
      known.formUnion(try ManyHeadsTests.generation(70, in: scene, seed: UInt64(seed)))
      // Each generation is built upon before the next one comes.
      try scene.nodes[0].restart()
      try scene.expectHonestUpdate(from: 0)
    }
    #expect(known.count > CountingBranches.limit)
    let (heads, isWhole) = try victim.countingBranches().heads(in: victim.graph)
    #expect(isWhole && heads.count == 1)
    #expect(try victim.view() == Head(try #require(heads.first)))
  }
}
