import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// A victim, which is the founder, and what others send it by hand, with whatever keys they have.
struct AttackScene {
  /// The victim, then members with the roles that were asked for, who know all that it does.
  let nodes: [SimulatedNode]
  private let repository: Repository
  /// All references of the victim before the attack.
  private let before: [String: ObjectName]

  /// A vault with these members, in which each that may write has written once.
  init(_ roles: [Role]) throws {
    let nodes = try ExchangeTests.network(roles)
    for node in nodes { try AttackScene.write("of \(node.id.short)", by: node) }
    try ExchangeTests.settle(nodes)
    try self.init(now: nodes)
  }

  /// The same nodes as they are now.
  init(now nodes: [SimulatedNode]) throws {
    self.nodes = nodes
    repository = try #require(nodes[0].vault).repository
    before = try AttackScene.references(of: repository)
  }

  var victim: Vault {
    get throws { try #require(nodes[0].vault) }
  }

  /// A member's identity.
  func identity(_ index: Int) -> Identity { nodes[index].keynode.identity }

  /// The branch of a member.
  func branch(_ index: Int) -> String { BranchName.of(nodes[index].id) }

  /// The end of a member's branch, as the victim knows it.
  func tip(_ index: Int) throws -> GraphCommit {
    try victim.graph.commit(try #require(try victim.nodeTips()[nodes[index].id]))
  }

  static func references(of repository: Repository) throws -> [String: ObjectName] {
    Dictionary(uniqueKeysWithValues: try repository.references(under: "refs/").map { ($0.name, $0.object) })
  }

  private static func write(_ path: String, by node: SimulatedNode) throws {
    let salt = node.id.publicKey.prefix(7).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    var generator = SeededGenerator(seed: salt + UInt64(node.acknowledged.count))
    try node.commit(CommitBatch(puts: [.file([path], generator.bytes(8), object: .random(&generator))]))
  }

  // MARK: forging

  /// A data commit as `identity` would make it next, but for what `change` does to its message.
  func commit(
    after parent: GraphCommit?, tree: ObjectName? = nil, by identity: Identity, parents: [ObjectName]? = nil,
    _ change: (inout CommitMessage) throws -> Void = { _ in }
  ) throws -> NewObject {
    var message = CommitMessage(
      vault: try victim.id, node: identity.node, clock: (parent?.clock ?? 0) + 1,
      members: try victim.membership.commit, epoch: try victim.membership.epoch)
    try change(&message)
    return try SignedCommit(
      tree: try #require(tree ?? parent?.tree), parents: parents ?? parent.map { [$0.name] } ?? [],
      message: message.encoded, time: 1_700_000_000
    ).object(signedBy: identity)
  }

  /// A commit that is not in the repository.
  func parsed(_ commit: NewObject) throws -> GraphCommit {
    try GraphCommit(try CommitObject(parsing: commit.bytes), named: commit.name, of: try victim.id)
  }

  /// A tree with one more object than a commit's, whose first blob is `blob`.
  func tree(of commit: GraphCommit, adding blob: NewObject) throws -> [NewObject] {
    var generator = SeededGenerator(seed: 77)
    var tree = try victim.graph.tree(commit)
    let key = ObjectKey(.random(&generator))
    tree.replace(key, with: [.init(slot: .header(of: key), blob: blob.name)])
    return [blob] + tree.encode(readme: Vault.readme.name).objects
  }

  /// A membership commit of `identity` after the victim's, or after `parent`, of which the last object is the commit.
  func membersCommit(
    by identity: Identity, after parent: ObjectName? = nil, claiming node: NodeID? = nil,
    _ change: (inout Membership) throws -> Void
  ) throws -> [NewObject] {
    let parent = try parent ?? victim.log.tip
    var state = try #require(try victim.log.state(at: parent))
    try change(&state)
    let tree = state.encodeTree()
    let message = MembersMessage(vault: try victim.id, node: node ?? identity.node)
    let commit = try SignedCommit(
      tree: try #require(tree.last).name, parents: [parent], message: message.encoded, time: 1_700_000_000
    ).object(signedBy: identity)
    return tree + [commit]
  }

  // MARK: what comes of it

  /// Sends the victim branches and objects.
  func offer(_ tips: [String: ObjectName], _ objects: [NewObject]) throws -> Verdict {
    let quarantine = Quarantine(for: repository)
    for object in objects { try quarantine.add(object) }
    return try #require(nodes[0].exchange).admit(tips, from: quarantine)
  }

  /// Expects that `branch` does not move to the last of `objects`, for this reason, and that nothing of it all stays.
  func expectRefused(_ branch: String, _ objects: [NewObject], _ flaw: CommitFlaw) throws {
    try expectRefused(branch, objects, flaw.reason)
  }

  func expectRefused(_ branch: String, _ objects: [NewObject], _ reason: String) throws {
    let tip = try #require(objects.last).name
    let stay = try Set(objects.map(\.name).filter { try repository.contains($0) })
    let verdict = try offer([branch: tip], objects)
    #expect(verdict.refused[branch] == reason)
    #expect(verdict.moved.isEmpty)
    try expectUnchanged()
    for object in objects where !stay.contains(object.name) {
      #expect(try !repository.contains(object.name), "something that was refused is in the repository")
    }
    try expectHonestUpdate()
  }

  func expectUnchanged() throws { #expect(try AttackScene.references(of: repository) == before) }

  /// Expects that what an honest member writes arrives, and that git and we find the repository sound.
  func expectHonestUpdate(from index: Int = 1) throws {
    let node = nodes[index]
    let writer = node.vault?.role?.mayWrite == true ? node : nodes[0]
    try AttackScene.write("honest", by: writer)
    if writer !== nodes[0] {
      #expect(try writer.push(to: nodes[0]), "an honest update was refused")
    }
    let own = try #require(try writer.vault?.ownTip())
    #expect(try victim.nodeTips()[writer.id] == own)
    try expectSound()
  }

  /// Expects that git and we find the repository sound, and that it opens.
  func expectSound() throws {
    _ = try Program.check(["git", "-C", repository.path, "fsck", "--strict", "--no-dangling"])
    let opened = try nodes[0].keynode.openVault(nodes[0].name)
    _ = try opened.verify { Issue.record("\($0.reason)") }
    #expect(try opened.view() == victim.view())
  }
}
