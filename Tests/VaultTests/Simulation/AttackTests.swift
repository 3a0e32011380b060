import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Data commits that others send with bad intent: each is refused for its own reason, moves nothing and leaves nothing behind.
@Suite("Attacks: data commits") struct AttackTests {
  @Test func `a commit of the same node's other vault is refused, as it is and as the parent of another`() throws {
    let scene = try AttackScene([.writer])
    let other = try scene.nodes[1].keynode.createVault(try VaultName("other"))
    var generator = SeededGenerator(seed: 1)
    _ = try VaultBacking(other).commit(CommitBatch(puts: [.file(["x"], [1], object: .random(&generator))]))
    let tip = try other.graph.commit(try #require(try other.ownTip()))
    var objects: [NewObject] = []
    for item in try IntroducedObjects(in: tip.tree, since: [], from: other.repository).objects {
      objects.append(NewObject(kind: item.kind, bytes: try other.repository.load(item.name, item.kind)))
    }
    objects.append(NewObject(kind: .commit, bytes: try other.repository.load(tip.name, .commit)))
    try scene.expectRefused(scene.branch(1), objects, .otherVault)
    objects.append(try scene.commit(after: tip, by: scene.identity(1)))
    try AttackScene(now: scene.nodes).expectRefused(scene.branch(1), objects, .otherVault)
  }

  @Test func `an older end of a branch, sent again, moves nothing`() throws {
    let scene = try AttackScene([.writer])
    let old = try scene.tip(1)
    try scene.expectHonestUpdate()
    let now = try AttackScene(now: scene.nodes)
    for tip in [old.name] + old.parents {
      let verdict = try now.offer([now.branch(1): tip], [])
      #expect(verdict.moved.isEmpty)
      try now.expectUnchanged()
    }
    try now.expectHonestUpdate()
  }

  @Test func `who was removed cannot write as of before, neither on its own branch nor on another's`() throws {
    let scene = try AttackScene([.writer, .writer])
    let frontier = try scene.tip(2)
    let members = try scene.victim.membership.commit
    try scene.victim.remove(scene.nodes[2].id)
    try ExchangeTests.settle(Array(scene.nodes[..<2]))
    for (branch, parent, flaw) in [(2, frontier, CommitFlaw.notAMember), (1, try scene.tip(1), .author)] {
      let now = try AttackScene(now: scene.nodes)
      let late = try now.commit(after: parent, by: now.identity(2)) {
        $0.members = members
        $0.epoch = 1
      }
      try now.expectRefused(now.branch(branch), [late], flaw)
    }
  }

  @Test(arguments: [Role.reader, .replica])
  func `who may not write cannot, on any branch`(role: Role) throws {
    let scene = try AttackScene([.writer, role])
    let own = try scene.commit(after: try scene.tip(1), by: scene.identity(2))
    try scene.expectRefused(scene.branch(2), [own], .notAMember)
    // Below a commit of somebody who may.
    let covering = try AttackScene(now: scene.nodes)
    let hidden = try covering.commit(after: try covering.tip(1), by: covering.identity(2))
    let over = try covering.commit(after: try covering.parsed(hidden), by: covering.identity(1))
    try covering.expectRefused(covering.branch(1), [hidden, over], .notAMember)
    // In another's name, and on another's branch.
    let other = try AttackScene(now: scene.nodes)
    let forged = try other.commit(after: try other.tip(1), by: other.identity(2)) { $0.node = other.nodes[1].id }
    try other.expectRefused(other.branch(1), [forged], .signatureWrong)
    let now = try AttackScene(now: scene.nodes)
    try now.expectRefused(
      now.branch(1), [try now.commit(after: try now.tip(1), by: now.identity(2))], .author)
  }

  @Test func `a stranger's branch is refused, and so is a member's that builds on it`() throws {
    let scene = try AttackScene([.writer])
    let stranger = try Identity()
    let first = try scene.commit(after: try scene.tip(1), by: stranger)
    try scene.expectRefused(BranchName.of(stranger.node), [first], .notAMember)
    let now = try AttackScene(now: scene.nodes)
    let parent = try scene.commit(after: try now.tip(1), by: stranger)
    let next = try now.commit(after: try now.parsed(parent), by: now.identity(1))
    try now.expectRefused(now.branch(1), [parent, next], .notAMember)
  }

  @Test func `a member's branch takes no commit that another signed, though the other may write`() throws {
    let scene = try AttackScene([.writer, .writer])
    let other = try scene.commit(after: try scene.tip(1), by: scene.identity(2))
    try scene.expectRefused(scene.branch(1), [other], .author)
  }

  @Test func `a member's branch takes no merge commit`() throws {
    let scene = try AttackScene([.writer, .writer])
    let heads = try Divergence.heads(of: try scene.victim.countingTips(), in: try scene.victim.graph)
    let merge = try ViewMerge(graph: try scene.victim.graph).merge(heads)
    try scene.expectRefused(scene.branch(1), merge.objects, .author)
  }

  @Test(arguments: [0, 1, 5, UInt64.max - 1, UInt64.max])
  func `a clock that is not the parent's next is refused`(clock: UInt64) throws {
    let scene = try AttackScene([.writer])
    let commit = try scene.commit(after: try scene.tip(1), by: scene.identity(1)) { $0.clock = clock }
    try scene.expectRefused(scene.branch(1), [commit], .clock)
  }

  @Test func `a forged clock deeper down is refused too`() throws {
    let scene = try AttackScene([.writer])
    let low = try scene.commit(after: try scene.tip(1), by: scene.identity(1)) { $0.clock = 1 }
    let next = try scene.commit(after: try scene.parsed(low), by: scene.identity(1))
    try scene.expectRefused(scene.branch(1), [low, next], .clock)
  }

  @Test func `a second continuation of a branch is refused`() throws {
    let scene = try AttackScene([.writer])
    let parent = try scene.tip(1)
    let first = try scene.commit(after: parent, by: scene.identity(1))
    #expect(try scene.offer([scene.branch(1): first.name], [first]).moved == [scene.branch(1): first.name])
    let now = try AttackScene(now: [scene.nodes[0]])
    let second = try now.commit(after: parent, tree: try scene.tip(0).tree, by: scene.identity(1))
    let verdict = try now.offer([scene.branch(1): second.name], [second])
    #expect(verdict.refused[scene.branch(1)] == CommitFlaw.fork.reason && verdict.callsForAnswer)
    try now.expectUnchanged()
    try now.expectHonestUpdate(from: 0)
  }

  @Test func `an epoch that the members seen do not have, and members that nobody knows, are refused`() throws {
    let scene = try AttackScene([.writer])
    let old = try scene.victim.membership.commit
    try scene.victim.rotate()
    try ExchangeTests.settle(scene.nodes)
    let later = try scene.commit(after: try scene.tip(1), by: scene.identity(1)) {
      $0.members = old
      $0.epoch = 2
    }
    try AttackScene(now: scene.nodes).expectRefused(scene.branch(1), [later], .message)
    let unknown = try scene.commit(after: try scene.tip(1), by: scene.identity(1)) { $0.members = later.name }
    try AttackScene(now: scene.nodes).expectRefused(scene.branch(1), [unknown], .notAMember)
  }

  @Test(arguments: [0, 1, 2])
  func `a commit whose author line names another, or that has more headers, is refused`(kind: Int) throws {
    let scene = try AttackScene([.writer])
    let parent = try scene.tip(1)
    let message = CommitMessage(
      vault: try scene.victim.id, node: scene.nodes[1].id, clock: parent.clock + 1,
      members: try scene.victim.membership.commit, epoch: 1)
    func person(_ node: NodeID) -> Person {
      Person(name: node.short, address: SignedCommit.principal(of: node), seconds: 1)
    }
    var commit = CommitObject(
      tree: parent.tree, parents: [parent.name], author: person(scene.nodes[kind == 0 ? 0 : 1].id),
      committer: person(scene.nodes[kind == 1 ? 0 : 1].id), message: message.encoded,
      otherHeaders: kind == 2 ? [.init(name: "encoding", value: [0x78])] : [])
    var signature = try scene.identity(1).sign(commit.signedPayload, namespace: SignedCommit.namespace)
    if signature.last == 0x0A { signature.removeLast() }
    commit.signature = signature
    try scene.expectRefused(scene.branch(1), [NewObject(kind: .commit, bytes: commit.encode())], .author)
  }

  @Test func `a branch that a vault does not have is refused`() throws {
    let scene = try AttackScene([.writer])
    let commit = try scene.commit(after: try scene.tip(1), by: scene.identity(1))
    for branch in ["main", "nodes/", "nodes/\(scene.nodes[1].id.text.uppercased())", "nodes/../members", "x"] {
      try AttackScene(now: scene.nodes).expectRefused(branch, [commit], "a vault has no such branch")
    }
  }
}
