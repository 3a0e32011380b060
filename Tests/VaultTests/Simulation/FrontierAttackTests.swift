import GitStore
import TestSupport
import Testing

@testable import Vault

/// What removal says of the removed node's last commit that counts, with bad intent or by mistake.
@Suite("Attacks: frontiers") struct FrontierAttackTests {
  @Test(arguments: [0, 1, 2])
  func `a frontier that is no commit of the removed node's counts for nothing`(kind: Int) throws {
    let scene = try AttackScene([.owner, .writer])
    let node = scene.nodes[2].id
    let frontier = [try scene.tip(1).name, try scene.victim.log.tip, Vault.readme.name][kind]
    let commit = try scene.membersCommit(by: scene.identity(1)) {
      $0.members[node]?.role = .reader
      $0.removed[node] = Frontier(tip: frontier, view: nil)
    }
    let verdict = try scene.offer([BranchName.members: commit[commit.count - 1].name], commit)
    #expect(!verdict.moved.isEmpty)
    let tips = try scene.nodes[..<2].map { try #require(try scene.victim.nodeTips()[$0.id]) }
    #expect(try scene.victim.countingTips() == Set(tips))
    try #require(scene.nodes[0].exchange).vault.rotate()
    try scene.expectSound()
  }

  @Test func `a frontier that is another node's commit, which does not count itself, counts for nothing`() throws {
    let scene = try AttackScene([.owner, .writer, .writer])
    let nodes = scene.nodes.map(\.id)
    let foreign = try scene.tip(3).name
    let commit = try scene.membersCommit(by: scene.identity(1)) { state in
      for node in nodes[2...] { state.members[node]?.role = .reader }
      state.removed[nodes[2]] = Frontier(tip: foreign, view: nil)
      state.removed[nodes[3]] = Frontier(tip: nil, view: nil)
    }
    let verdict = try scene.offer([BranchName.members: commit[commit.count - 1].name], commit)
    #expect(!verdict.moved.isEmpty)
    #expect(try scene.victim.nodeTips()[nodes[3]] == foreign)
    #expect(try scene.victim.countingTips() == Set([try scene.tip(0).name, try scene.tip(1).name]))
    try scene.expectSound()
  }

  @Test func `a writer made a reader and then removed keeps the frontier that it had`() throws {
    let scene = try AttackScene([.owner, .writer])
    let node = scene.nodes[2].id
    let frontier = try scene.tip(2).name
    try scene.victim.setRole(of: node, to: .reader)
    // The other owner did not know yet, and took more of it.
    let late = try scene.commit(after: try scene.tip(2), by: scene.identity(2)) {
      $0.members = try #require(scene.nodes[1].vault).membership.commit
    }
    let other = try #require(scene.nodes[1].exchange)
    let quarantine = Quarantine(for: other.vault.repository)
    try quarantine.add(late)
    #expect(try !other.admit([scene.branch(2): late.name], from: quarantine).moved.isEmpty)
    try ExchangeTests.settle(Array(scene.nodes[..<2]))
    try other.vault.remove(node)
    try ExchangeTests.settle(Array(scene.nodes[..<2]))
    for member in scene.nodes[..<2] {
      let vault = try #require(member.vault)
      #expect(vault.membership.removed[node]?.tip == frontier)
      #expect(try !vault.countingTips().contains(late.name))
    }
    try scene.expectSound()
  }
}
