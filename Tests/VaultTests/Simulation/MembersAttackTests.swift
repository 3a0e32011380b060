import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Membership commits that others send with bad intent.
@Suite("Attacks: members") struct MembersAttackTests {
  private static let members = BranchName.members

  /// Who attacks, in a vault of owner (the victim), writer, owner, reader and replica.
  enum Attacker: Int, CaseIterable {
    case writer = 1
    case reader = 3
    case replica = 4
  }

  @Test(arguments: Attacker.allCases)
  func `who is no owner cannot make itself one, nor change anything`(attacker: Attacker) throws {
    let scene = try AttackScene([.writer, .owner, .reader, .replica])
    let node = scene.nodes[attacker.rawValue].id
    let identity = scene.identity(attacker.rawValue)
    let promotion = try scene.membersCommit(by: identity) { $0.members[node]?.role = .owner }
    try scene.expectRefused(MembersAttackTests.members, promotion, .notAMember)
    let removal = try scene.membersCommit(by: identity) { $0.people = $0.constants.genesis }
    try AttackScene(now: scene.nodes).expectRefused(MembersAttackTests.members, removal, .notAMember)
    let forged = try scene.membersCommit(by: identity, claiming: scene.nodes[2].id) { $0.members[node]?.role = .owner }
    try AttackScene(now: scene.nodes).expectRefused(MembersAttackTests.members, forged, .signatureWrong)
    // What it says of itself does not help it either.
    let commit = try scene.commit(after: try scene.tip(1), by: identity) {
      $0.members = promotion[promotion.count - 1].name
    }
    let now = try AttackScene(now: scene.nodes)
    try now.expectRefused(BranchName.of(node), promotion + [commit], .notAMember)
  }

  @Test func `a stranger cannot make itself a member`() throws {
    let scene = try AttackScene([.writer])
    let stranger = try Identity()
    let commit = try scene.membersCommit(by: stranger) {
      $0.members[stranger.node] = Member(role: .owner, recipient: stranger.recipient)
    }
    try scene.expectRefused(MembersAttackTests.members, commit, .notAMember)
  }

  @Test func `an owner that was removed cannot undo it by a fork from before, and changes nothing`() throws {
    let scene = try AttackScene([.writer, .owner])
    let before = try scene.victim.membership.commit
    try scene.victim.remove(scene.nodes[2].id)
    try ExchangeTests.settle(Array(scene.nodes[..<2]))
    let now = try AttackScene(now: Array(scene.nodes[..<2]))
    let tip = try now.victim.membership
    // After its removal: it is no owner any more.
    let late = try now.membersCommit(by: scene.identity(2)) { $0.removed[scene.nodes[2].id] = nil }
    try now.expectRefused(MembersAttackTests.members, late, .notAMember)
    // As of before: that is a fork, and loses.
    let fork = try now.membersCommit(by: scene.identity(2), after: before) {
      $0.members[scene.nodes[0].id]?.role = .reader
      $0.removed[scene.nodes[0].id] = Frontier(tip: nil, view: nil)
    }
    _ = try now.offer([MembersAttackTests.members: fork[fork.count - 1].name], fork)
    #expect(try now.victim.membership.commit == tip.commit)
    #expect(try now.victim.membership.members == tip.members)
    // Nor does a version count that was written under the fork.
    let commit = try now.commit(after: try now.tip(0), by: scene.identity(2)) {
      $0.members = fork[fork.count - 1].name
    }
    let branch = BranchName.of(scene.nodes[2].id)
    #expect(try now.offer([branch: commit.name], [commit]).refused[branch] == CommitFlaw.notAMember.reason)
    try now.expectHonestUpdate()
  }

  /// Steps that no owner may make.
  enum Step: CaseIterable {
    case dropMember, dropReaderQuietly, lastOwner, dropFrontier, moveFrontier, keepFrontierOfWriter, removeKeys
    case otherRecipient, badRecipient, weakRecipient, sinceLater, sinceRaised, sinceOfNewcomer, tooMany, description

    /// What `state` becomes; `nodes` are the victim, an owner, a writer, a reader and one that was removed.
    func apply(to state: inout Membership, _ nodes: [NodeID]) throws {
      switch self {
      case .dropMember:
        state.members[nodes[3]] = nil
        state.keys[3] = state.keys[1]
      case .dropReaderQuietly:
        state.members[nodes[3]] = nil
        state.removed[nodes[3]] = Frontier(tip: nil, view: nil)
      case .lastOwner:
        for node in nodes[..<2] {
          state.members[node]?.role = .reader
          state.removed[node] = Frontier(tip: nil, view: nil)
        }
      case .dropFrontier: state.removed[nodes[4]] = nil
      case .moveFrontier: state.removed[nodes[4]]?.tip = nil
      case .keepFrontierOfWriter: state.removed[nodes[2]] = Frontier(tip: nil, view: nil)
      case .removeKeys: state.keys = [1: state.keys[1] ?? .zero]
      case .otherRecipient:
        let recipient = state.members[nodes[1]]?.recipient ?? ""
        state.members[nodes[2]]?.recipient = recipient
      case .badRecipient:
        state.members[try Identity().node] = Member(role: .reader, recipient: "age1nobody")
      case .weakRecipient:
        // The point of all zeros, with which no secret can be made: age refuses to.
        let zeros = "age1\(String(repeating: "q", count: 52))5cu47z"
        state.members[try Identity().node] = Member(role: .reader, recipient: zeros)
      case .sinceLater: state.members[nodes[3]]?.since = 1000
      case .sinceRaised: state.members[nodes[3]]?.since = 2
      case .sinceOfNewcomer:
        let identity = try Identity()
        state.members[identity.node] = Member(role: .reader, recipient: identity.recipient, since: state.epoch + 1)
      case .tooMany:
        let recipient = state.members[nodes[0]]?.recipient ?? ""
        while state.members.count <= Membership.limit {
          state.members[try Identity().node] = Member(role: .reader, recipient: recipient)
        }
      case .description: state.constants.description = state.people
      }
    }
  }

  @Test(arguments: Step.allCases)
  func `a step that no owner may make is refused, though an owner signed it`(step: Step) throws {
    let scene = try AttackScene([.owner, .writer, .reader, .writer])
    try scene.victim.remove(scene.nodes[4].id)
    let nodes = Array(scene.nodes[..<4])
    try ExchangeTests.settle(nodes)
    let now = try AttackScene(now: nodes)
    try #require(try now.victim.membership.removed[scene.nodes[4].id]?.tip != nil)
    let commit = try now.membersCommit(by: now.identity(1)) { try step.apply(to: &$0, scene.nodes.map(\.id)) }
    switch step {
    case .description: try now.expectRefused(MembersAttackTests.members, commit, "it is no vault")
    default: try now.expectRefused(MembersAttackTests.members, commit, .members)
    }
    // The owner that tried is still one; an honest act of its passes.
    try #require(now.nodes[1].vault).rotate()
    #expect(try now.nodes[1].push(to: now.nodes[0]))
    try now.expectSound()
  }

  @Test func `a vault is upgraded by an owner, once and for all, and every member goes on in it`() throws {
    let scene = try AttackScene([.owner, .writer])
    let old = Membership.description(of: try scene.victim.id, format: 1)
    // Back is refused.
    let back = try scene.membersCommit(by: scene.identity(1)) {
      ($0.constants.description, $0.format) = (old.name, 1)
    }
    try scene.expectRefused(MembersAttackTests.members, [old] + back, .members)
    #expect(try !scene.victim.upgrade())
    #expect(try scene.victim.membership.format == Membership.newestFormat)
  }

  @Test func `the genesis and the description are for ever`() throws {
    let scene = try AttackScene([.owner])
    let other = Genesis(
      nonce: [UInt8](repeating: 1, count: 32), owner: scene.nodes[1].id, recipient: scene.identity(1).recipient)
    let genesis = NewObject(kind: .blob, bytes: other.encoded)
    let text = "polykey vault\nformat 2\nid \(try scene.victim.id.hex)\nmore\n"
    let description = NewObject(kind: .blob, bytes: [UInt8](text.utf8))
    let first = try scene.membersCommit(by: scene.identity(1)) { $0.constants.genesis = genesis.name }
    try scene.expectRefused(MembersAttackTests.members, [genesis] + first, "it is no vault")
    let later = NewObject(kind: .blob, bytes: [UInt8](text.replacing("format 2", with: "format 3").utf8))
    let third = try scene.membersCommit(by: scene.identity(1)) { $0.constants.description = later.name }
    try AttackScene(now: scene.nodes).expectRefused(
      MembersAttackTests.members, [later] + third, "it has format 3, which is newer than ours")
    let second = try scene.membersCommit(by: scene.identity(1)) { $0.constants.description = description.name }
    try AttackScene(now: scene.nodes).expectRefused(MembersAttackTests.members, [description] + second, .members)
  }

  @Test func `another vault's log is refused, though its founder is the same`() throws {
    let scene = try AttackScene([.writer])
    let other = try scene.nodes[0].keynode.createVault(try VaultName("other"))
    var objects: [NewObject] = []
    let commit = try other.repository.loadCommit(other.log.tip)
    for item in try IntroducedObjects(in: commit.tree, since: [], from: other.repository).objects {
      objects.append(NewObject(kind: item.kind, bytes: try other.repository.load(item.name, item.kind)))
    }
    objects.append(NewObject(kind: .commit, bytes: commit.encode()))
    try scene.expectRefused(MembersAttackTests.members, objects, .otherVault)
  }

  @Test func `a membership commit whose key files are withheld is refused, and comes in whole later`() throws {
    let scene = try AttackScene([.writer, .owner])
    try #require(scene.nodes[2].vault).rotate()
    let vault = try #require(scene.nodes[2].vault)
    let tip = vault.log.tip
    let commit = try vault.repository.loadCommit(tip)
    let parent = try vault.repository.loadCommit(try #require(commit.parents.first))
    var objects: [NewObject] = []
    for item in try IntroducedObjects(in: commit.tree, since: [parent.tree], from: vault.repository).objects {
      objects.append(NewObject(kind: item.kind, bytes: try vault.repository.load(item.name, item.kind)))
    }
    objects.append(NewObject(kind: .commit, bytes: commit.encode()))
    for key in [try #require(vault.membership.keys[2]), vault.membership.people] {
      let rest = objects.filter { $0.name != key }
      try AttackScene(now: scene.nodes).expectRefused(
        MembersAttackTests.members, rest, "something that it needs is missing")
    }
    #expect(try scene.nodes[2].push(to: scene.nodes[0]))
    #expect(try scene.victim.membership.epoch == 2)
    try scene.expectSound()
  }

  @Test func `a flood of forks by a removed owner is bounded, and keeps no honest act out`() throws {
    let scene = try AttackScene([.owner, .owner])
    let before = try scene.victim.membership.commit
    try scene.victim.remove(scene.nodes[2].id)
    let nodes = Array(scene.nodes[..<2])
    try ExchangeTests.settle(nodes)
    let now = try AttackScene(now: nodes)
    var refused = 0
    for index in 0..<(MembershipLog.lostLimit + 20) {
      let fork = try now.membersCommit(by: scene.identity(2), after: before) {
        $0.members[try Identity().node] = Member(role: .replica, recipient: scene.identity(1).recipient)
      }
      let verdict = try now.offer([MembersAttackTests.members: fork[fork.count - 1].name], fork)
      refused += verdict.refused.count
      #expect(verdict.refused.isEmpty || index >= MembershipLog.lostLimit)
    }
    #expect(refused == 20)
    #expect(try now.victim.log.lost.count == MembershipLog.lostLimit)
    try #require(nodes[1].vault).rotate()
    let tip = nodes[1].vault?.membership.commit
    #expect(try nodes[1].push(to: nodes[0]))
    #expect(try now.victim.membership.commit == tip)
    try now.expectHonestUpdate()
  }

  @Test func `owners that a removed owner makes in its fork do not make the flood longer`() throws {
    let scene = try AttackScene([.owner, .owner])
    let before = try scene.victim.membership.commit
    try scene.victim.remove(scene.nodes[2].id)
    let nodes = Array(scene.nodes[..<2])
    try ExchangeTests.settle(nodes)
    let now = try AttackScene(now: nodes)
    let puppets = try (0..<3).map { _ in try Identity() }
    let start = try now.membersCommit(by: scene.identity(2), after: before) {
      for puppet in puppets { $0.members[puppet.node] = Member(role: .owner, recipient: puppet.recipient) }
    }
    let fork = start[start.count - 1].name
    #expect(try now.offer([MembersAttackTests.members: fork], start).refused.isEmpty)
    // The puppets take turns, so that each has made a third of it.
    var state = try #require(try now.victim.log.state(at: fork))
    var objects: [NewObject] = []
    var tip = fork
    for index in 1...MembershipLog.lostLimit {
      state.members[try Identity().node] = Member(role: .replica, recipient: scene.identity(1).recipient)
      let puppet = puppets[index % puppets.count]
      let tree = state.encodeTree()
      let message = MembersMessage(vault: try now.victim.id, node: puppet.node)
      let commit = try SignedCommit(
        tree: tree[tree.count - 1].name, parents: [tip], message: message.encoded, time: 1
      ).object(signedBy: puppet)
      objects += tree + [commit]
      let isTooMany = index == MembershipLog.lostLimit
      if index == MembershipLog.lostLimit - 1 || isTooMany {
        let verdict = try now.offer([MembersAttackTests.members: commit.name], objects)
        #expect(verdict.refused.isEmpty != isTooMany)
      }
      tip = commit.name
    }
    // What others do in forks counts as their own.
    let honest = try now.membersCommit(by: scene.identity(1), after: before) {
      $0.members[try Identity().node] = Member(role: .replica, recipient: scene.identity(1).recipient)
    }
    #expect(try !now.offer([MembersAttackTests.members: honest[honest.count - 1].name], honest).moved.isEmpty)
    try now.expectHonestUpdate()
  }
}
