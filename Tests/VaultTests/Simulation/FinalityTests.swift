import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// A removal that a more senior owner has accepted stays, whatever the removed owner signs on an older state, and whenever.
@Suite("Finality") struct FinalityTests {
  /// A founder, an owner who is removed, the junior owner who removes it, and a reader; `accepting` know of the removal.
  private struct Scene {
    let nodes: [SimulatedNode]
    let scene: AttackScene
    /// The state before the removal.
    let before: ObjectName
    var removed: Identity { scene.identity(1) }
    var remover: SimulatedNode { nodes[2] }

    init(founderAccepts: Bool) throws {
      nodes = try ExchangeTests.network([.owner, .owner, .reader])
      try ExchangeTests.settle(nodes)
      before = try #require(nodes[0].vault).log.tip
      try #require(nodes[2].vault).remove(nodes[1].id)
      if founderAccepts { try ExchangeTests.settle([nodes[0], nodes[2], nodes[3]]) }
      scene = try AttackScene(now: nodes)
    }

    /// The removed owner acts on the state before, `count` times, removing its remover if it may.
    func fork(removesRemover: Bool = false) throws -> [NewObject] {
      try scene.membersCommit(by: removed, after: before) { state in
        state.members[try Identity().node] = Member(role: .replica, recipient: removed.recipient)
        guard removesRemover else { return }
        state.members[nodes[2].id] = nil
        state.removed[nodes[2].id] = Frontier(tip: nil, view: nil)
        state.keys[state.epoch + 1] = state.keys[1]
      }
    }

    /// Hands objects and branches to a node.
    static func offer(_ tips: [String: ObjectName], _ objects: [NewObject], to node: SimulatedNode) throws -> Verdict {
      let exchange = try #require(node.exchange)
      let quarantine = Quarantine(for: exchange.vault.repository)
      for object in objects { try quarantine.add(object) }
      return try exchange.admit(tips, from: quarantine)
    }
  }

  @Test func `a removal that the founder accepted stays, though the removed owner is senior to its remover`() throws {
    let scene = try Scene(founderAccepts: true)
    let tip = try #require(scene.nodes[0].vault).log.tip
    let fork = try scene.fork(removesRemover: true)
    for node in [scene.nodes[0], scene.nodes[2], scene.nodes[3]] {
      _ = try Scene.offer([BranchName.members: try #require(fork.last).name], fork, to: node)
      let vault = try #require(node.vault)
      #expect(vault.log.tip == tip)
      #expect(vault.membership.members[scene.nodes[1].id] == nil)
      #expect(try vault.setbacks().isEmpty)
    }
    try ExchangeTests.settle([scene.nodes[0], scene.nodes[2], scene.nodes[3]])
    #expect(try #require(scene.nodes[0].vault).log.tip == tip)
  }

  @Test func `who learns of the fork first, and of the acceptance later, ends at the same log`() throws {
    // A reader that was cut off since before the removal meets the removed owner.
    let nodes = try ExchangeTests.network([.owner, .owner, .reader])
    try ExchangeTests.settle(nodes)
    let before = try #require(nodes[0].vault).log.tip
    try #require(nodes[2].vault).remove(nodes[1].id)
    try ExchangeTests.settle([nodes[0], nodes[2]])
    let attack = try AttackScene(now: nodes)
    let fork = try attack.membersCommit(by: nodes[1].keynode.identity, after: before) {
      $0.members[try Identity().node] = Member(role: .replica, recipient: nodes[1].keynode.identity.recipient)
    }
    _ = try Scene.offer([BranchName.members: try #require(fork.last).name], fork, to: nodes[3])
    #expect(try #require(nodes[3].vault).membership.members[nodes[1].id] != nil)
    try ExchangeTests.settle([nodes[0], nodes[2], nodes[3]])
    let logs = try [nodes[0], nodes[2], nodes[3]].map { try #require($0.vault).log }
    #expect(Set(logs.map(\.tip)).count == 1)
    #expect(logs[0].current.members[nodes[1].id] == nil)
    try nodes[3].restart()
    #expect(try #require(nodes[3].vault).log.tip == logs[0].tip)
  }

  @Test
  func `a removal that nobody senior accepted can be undone, which is told, and the fork's keys stay where they were`()
    throws
  {
    let scene = try Scene(founderAccepts: false)
    // What the remover writes in the belief that the other is gone.
    var generator = SeededGenerator(seed: 5)
    try scene.remover.refresh()
    try scene.remover.commit(
      CommitBatch(puts: [.file(["after"], generator.bytes(8), object: .random(&generator))]))
    let remover = try #require(scene.remover.vault)
    let newest = try #require(remover.membership.keys[remover.membership.epoch])
    let key = try #require(
      KeyFiles(identity: scene.remover.keynode.identity).recipients(newest, in: remover.repository).first)
    // A reader has accepted the removal, and the founder has not heard of it.
    try ExchangeTests.settle([scene.nodes[2], scene.nodes[3]])
    let reader = try #require(scene.nodes[3].vault)
    try reader.flush()
    let fork = try scene.fork(removesRemover: true)
    _ = try Scene.offer([BranchName.members: try #require(fork.last).name], fork, to: scene.nodes[0])
    try ExchangeTests.settle([scene.nodes[0], scene.nodes[2], scene.nodes[3]])
    let founder = try #require(scene.nodes[0].vault)
    #expect(founder.membership.members[scene.nodes[1].id] != nil)
    for _ in 0..<2 {
      #expect(try reader.setbacks().contains(.returned(scene.nodes[1].id)))
      var findings: [VaultError] = []
      _ = try reader.verify { findings.append($0.reason) }
      #expect(findings.contains { if case .memberReturned = $0 { true } else { false } })
      // The marks follow, and what was told is told again.
      try reader.flush()
    }
    // Nothing that the returned owner can open has the key that was not for it.
    let files = KeyFiles(identity: scene.removed)
    for state in founder.log.commits.compactMap({ founder.log.state(at: $0) }) {
      for blob in state.keys.values {
        #expect(try !files.recipients(blob, in: founder.repository).contains(key))
      }
    }
    // The founder removes it anew: all is well, and the fork's keys are kept for those who are left.
    try founder.remove(scene.nodes[1].id)
    try ExchangeTests.settle([scene.nodes[0], scene.nodes[3]])
    try reader.flush()
    #expect(try reader.setbacks().isEmpty)
    let last = try #require(founder.membership.keys[founder.membership.epoch])
    let kept = try KeyFiles(identity: scene.nodes[0].keynode.identity).recipients(last, in: founder.repository)
    #expect(kept.contains(key))
  }

  @Test func `each node that accepted the members has said so, once for each state and once a day`() throws {
    let nodes = try ExchangeTests.network([.owner, .writer, .reader, .replica])
    try ExchangeTests.settle(nodes)
    let founder = try #require(nodes[0].vault)
    var generator = SeededGenerator(seed: 1)
    try nodes[0].commit(CommitBatch(puts: [.file(["a"], generator.bytes(8), object: .random(&generator))]))
    let all = try founder.acknowledgements()
    #expect(Set(all.keys) == Set(nodes.map(\.id)))
    #expect(Set(all.values.map(\.members)) == [founder.log.tip])
    let number = try #require(all[nodes[0].id]).number
    for node in nodes { #expect(try node.vault?.acknowledge() == false) }
    #expect(try founder.acknowledgements()[nodes[0].id]?.number == number)
    #expect(try Set(founder.lastHeard().keys) == Set(nodes.map(\.id)))
    try Program.check(["git", "-C", founder.repository.path, "fsck", "--strict", "--no-dangling"])
  }
}
