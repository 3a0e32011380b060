import GitStore
import TestSupport
import Testing

@testable import Vault

/// What others send as acknowledgements with bad intent.
@Suite("Attacks: acknowledgements") struct AcknowledgementAttackTests {
  private static func commit(
    in scene: AttackScene, by identity: Identity, number: UInt64 = 1000, tree: NewObject? = nil,
    parents: [ObjectName] = [], change: (inout AcknowledgementMessage) throws -> Void = { _ in }
  ) throws -> [NewObject] {
    var message = AcknowledgementMessage(
      vault: try scene.victim.id, node: identity.node, number: number, members: try scene.victim.log.tip)
    try change(&message)
    let tree = tree ?? Acknowledgement.tree
    let commit = SignedCommit(tree: tree.name, parents: parents, message: message.encoded, time: 1_700_000_000)
    return [tree, try commit.object(signedBy: identity)]
  }

  @Test func `forged, foreign, malformed and outdated acknowledgements are refused`() throws {
    let scene = try AttackScene([.writer, .reader])
    let branch = BranchName.acknowledgement(of: scene.nodes[1].id)
    func expect(_ flaw: CommitFlaw, _ objects: [NewObject]) throws {
      try AttackScene(now: scene.nodes).expectRefused(branch, objects, flaw)
    }
    let other = scene.identity(2)
    let own = scene.identity(1)
    try expect(.author, try Self.commit(in: scene, by: other))
    try expect(.signatureWrong, try Self.commit(in: scene, by: other) { $0.node = own.node })
    try expect(
      .otherVault, try Self.commit(in: scene, by: own) { $0.vault = VaultID(bytes: [UInt8](repeating: 7, count: 32)) })
    try expect(.notAMember, try Self.commit(in: scene, by: own) { $0.members = try scene.tip(0).name })
    try expect(.message, try Self.commit(in: scene, by: own, number: 0))
    try expect(.message, try Self.commit(in: scene, by: own, number: UInt64.max))
    try expect(.parents, try Self.commit(in: scene, by: own, parents: [try scene.tip(1).name]))
    try expect(
      .tree,
      try Self.commit(
        in: scene, by: own,
        tree: NewObject(
          kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "x", object: Vault.readme.name)]))))
    let stranger = try Identity()
    let foreign = try Self.commit(in: scene, by: stranger)
    let verdict = try scene.offer([BranchName.acknowledgement(of: stranger.node): foreign[1].name], foreign)
    #expect(verdict.moved.isEmpty && verdict.refused.count == 1)
  }

  @Test func `an older acknowledgement moves nothing, and of a removed node none is taken`() throws {
    let scene = try AttackScene([.writer, .reader])
    let branch = BranchName.acknowledgement(of: scene.nodes[1].id)
    let first = try Self.commit(in: scene, by: scene.identity(1), number: 50)
    let second = try Self.commit(in: scene, by: scene.identity(1), number: 51)
    #expect(try scene.offer([branch: second[1].name], second).moved == [branch: second[1].name])
    let verdict = try scene.offer([branch: first[1].name], first)
    #expect(verdict.moved.isEmpty && verdict.refused.isEmpty)
    #expect(try !scene.victim.repository.contains(first[1].name), "what was not taken is not kept")
    let state = try scene.victim.log.tip
    try scene.victim.remove(scene.nodes[1].id)
    let late = try Self.commit(in: scene, by: scene.identity(1), number: 52) { $0.members = state }
    #expect(try scene.offer([branch: late[1].name], late).refused.count == 1)
    #expect(try scene.nodes[0].tips[branch] == nil)
  }
}
