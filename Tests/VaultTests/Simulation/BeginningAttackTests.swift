import GitStore
import TestSupport
import Testing

@testable import Vault

/// How a vault and its log begin: what a node takes that has nothing yet, and second beginnings for those that have.
@Suite("Attacks: beginnings") struct BeginningAttackTests {
  /// What is wrong with another first commit of the same vault.
  enum Beginning: CaseIterable {
    case otherSigner, otherNode, moreOwners, twoKeys, removed, genesisText

    var reason: String {
      switch self {
      case .otherSigner: CommitFlaw.signatureWrong.reason
      case .otherNode, .moreOwners, .twoKeys, .removed: CommitFlaw.notAMember.reason
      case .genesisText: "it is no vault"
      }
    }
  }

  /// A first commit with the victim's genesis, as it can be forged; all but the first two need the founder's key.
  private func forge(_ beginning: Beginning, _ scene: AttackScene) throws -> [NewObject] {
    let vault = try scene.victim
    var first = vault.log.tip
    while let parent = try vault.repository.loadCommit(first).parents.first { first = parent }
    var state = try #require(vault.log.state(at: first))
    let other = scene.identity(1)
    var (signer, node) = (scene.identity(0), scene.identity(0).node)
    var objects: [NewObject] = []
    switch beginning {
    case .otherSigner: signer = other
    case .otherNode: (signer, node) = (other, other.node)
    case .moreOwners: state.members[other.node] = Member(role: .owner, recipient: other.recipient)
    case .twoKeys: state.keys[2] = state.keys[1]
    case .removed: state.removed[other.node] = Frontier(tip: nil, view: nil)
    case .genesisText:
      let bytes = try vault.repository.loadBlob(state.constants.genesis) + [UInt8]("more\n".utf8)
      objects.append(NewObject(kind: .blob, bytes: bytes))
      state.constants.genesis = objects[0].name
    }
    objects += state.encodeTree()
    let message = MembersMessage(vault: vault.id, node: node)
    let commit = try SignedCommit(
      tree: objects[objects.count - 1].name, parents: [], message: message.encoded, time: 1_700_000_001
    ).object(signedBy: signer)
    return objects + [commit]
  }

  @Test(arguments: Beginning.allCases)
  func `a second beginning of the log is refused`(beginning: Beginning) throws {
    let scene = try AttackScene([.writer])
    try scene.expectRefused(BranchName.members, try forge(beginning, scene), beginning.reason)
  }

  /// Sends a node that expects the vault of `founder` the members' log of `sent`.
  private func join(_ id: VaultID, receiving sent: SimulatedNode) throws -> (SimulatedNode, Verdict) {
    let joiner = try SimulatedNode()
    try joiner.expect(id)
    let message = try #require(try sent.messages(to: [:]).first { $0.tips[BranchName.members] != nil })
    return (joiner, try joiner.receive(message))
  }

  @Test func `a joiner takes no other vault than it was invited to, and none in which it is no member`() throws {
    let (wanted, other) = (try SimulatedNode(), try SimulatedNode())
    try wanted.found()
    try other.found()
    let ids = try [wanted, other].map { try #require($0.vault).id }
    let stranger = try join(ids[0], receiving: wanted)
    #expect(stranger.1.moved.isEmpty && stranger.1.refused[""]?.contains("notAMember") == true)
    #expect(!Files.exists(stranger.0.keynode.paths.repository(of: stranger.0.name)))
    let joiner = try SimulatedNode()
    for node in [wanted, other] {
      try #require(node.vault).admit(joiner.id, as: .writer, recipient: joiner.keynode.identity.recipient)
    }
    try joiner.expect(ids[0])
    for (node, isTaken) in [(other, false), (wanted, true)] {
      let message = try #require(try node.messages(to: [:]).first { $0.tips[BranchName.members] != nil })
      let verdict = try joiner.receive(message)
      #expect(verdict.moved.isEmpty != isTaken)
      #expect(isTaken || verdict.refused[""]?.contains("otherVault") == true)
      // Nothing half-made is left.
      let names = try Program.check(["ls", "-A", joiner.keynode.paths.vaults]).text.split(separator: "\n")
      #expect(names == (isTaken ? ["v.git"] : []))
    }
    #expect(joiner.vault?.id == ids[0])
    // A name that is taken is given to no other vault.
    #expect(throws: VaultError.vaultExists) { try joiner.expect(ids[1]) }
  }

  @Test func `a bundle makes no vault for who is no member`() throws {
    let owner = try SimulatedNode()
    try owner.found()
    final class Bytes { var bytes: [UInt8] = [] }
    let sink = Bytes()
    _ = try #require(owner.exchange).writeBundle(since: nil) { sink.bytes += $0 }
    let stranger = try SimulatedNode()
    let clone = try BundleClone(as: stranger.name, at: stranger.keynode)
    try clone.feed(sink.bytes)
    #expect(throws: VaultError.notAMember) { try clone.finish() }
    #expect(!Files.exists(stranger.keynode.paths.repository(of: stranger.name)))
  }

  @Test func `only members hear of a vault`() throws {
    let scene = try AttackScene([.writer, .replica])
    let exchange = try #require(scene.nodes[0].exchange)
    #expect(scene.nodes.allSatisfy { exchange.admits($0.id) })
    #expect(!exchange.admits(try Identity().node))
    try scene.victim.remove(scene.nodes[1].id)
    #expect(!exchange.admits(scene.nodes[1].id) && exchange.admits(scene.nodes[2].id))
  }
}
