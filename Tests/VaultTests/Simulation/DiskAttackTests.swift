import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Branches that somebody moved on the disk, or in a repository that was put in the place of ours.
@Suite("Attacks: the disk") struct DiskAttackTests {
  private func plant(_ commit: NewObject, on branch: String, _ scene: AttackScene) throws {
    let repository = try scene.victim.repository
    try repository.add([commit], durable: false)
    try Program.check(["git", "-C", repository.path, "update-ref", branch, commit.name.hex])
  }

  @Test func `another member's commit on our branch is not shown`() throws {
    let scene = try AttackScene([.writer])
    // It is sound, but on no branch of its own.
    let commit = try scene.commit(after: try scene.tip(0), by: scene.identity(1))
    try plant(commit, on: try scene.victim.branch, scene)
    let opened = try scene.nodes[0].keynode.openVault(scene.nodes[0].name)
    #expect(throws: VaultError.commitInvalid(commit.name, .author)) { try opened.view() }
    var findings: [VaultError] = []
    _ = try opened.verify { findings.append($0.reason) }
    #expect(findings.contains(.commitInvalid(commit.name, .author)))
  }

  @Test func `a stranger's branch, and a reader's, count for nothing`() throws {
    let scene = try AttackScene([.writer, .reader])
    let view = try scene.victim.view()
    for identity in [try Identity(), scene.identity(2)] {
      let commit = try scene.commit(after: try scene.tip(1), by: identity)
      try plant(commit, on: Vault.branch(of: identity.node), scene)
      let opened = try scene.nodes[0].keynode.openVault(scene.nodes[0].name)
      #expect(try opened.view() == view)
      #expect(try VaultExchange(opened).tips()[BranchName.of(identity.node)] == nil)
    }
    try scene.expectHonestUpdate()
  }
}
