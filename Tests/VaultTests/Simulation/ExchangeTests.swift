import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Two and three nodes by hand: what they give each other, and what they show.
@Suite("Exchange") struct ExchangeTests {
  /// An owner, and others that it admitted, who have all that it has.
  static func network(_ roles: [Role], history: Bool = true) throws -> [SimulatedNode] {
    let owner = try SimulatedNode()
    try owner.found()
    var nodes = [owner]
    for role in roles {
      let node = try SimulatedNode(skew: Int64(nodes.count) * 10_000_000)
      try #require(owner.vault).admit(
        node.id, as: role, recipient: node.keynode.identity.recipient, history: history)
      try node.expect(try #require(owner.vault?.id))
      try owner.push(to: node)
      try owner.push(to: node)
      nodes.append(node)
    }
    return nodes
  }

  static func settle(_ nodes: [SimulatedNode]) throws {
    for _ in 0..<40 {
      var moved = false
      for from in nodes {
        for to in nodes where try from !== to && from.tips != to.tips { moved = try from.push(to: to) || moved }
        moved = try from.vault?.redoLostActs() ?? false || moved
        try from.refresh()
      }
      if !moved { return }
    }
    Issue.record("they never come to rest")
  }

  private func text(_ node: SimulatedNode, _ path: String) throws -> String? {
    guard let backing = node.backing,
      let found = node.shown.values.first(where: { $0.paths.contains([UInt8](path.utf8)) }),
      case .regular(let content) = found.body, case .stored(let reference)? = content.parts.first
    else { return nil }
    var bytes: [UInt8] = []
    let block = try backing.load(reference, of: found.object)
    unsafe block.withBytes { unsafe bytes.append(contentsOf: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func put(_ node: SimulatedNode, _ path: String, _ text: String, _ object: ObjectID) throws {
    try node.commit(CommitBatch(puts: [.file([path], [UInt8](text.utf8), object: object)]))
  }

  @Test func `a member gets what is there, and each sees what the other writes`() throws {
    var generator = SeededGenerator(seed: 1)
    let owner = try SimulatedNode()
    try owner.found()
    try put(owner, "first", "1", .random(&generator))
    let vault = try #require(owner.vault)
    let member = try SimulatedNode()
    try vault.admit(member.id, as: .writer, recipient: member.keynode.identity.recipient)
    try member.expect(vault.id)
    try ExchangeTests.settle([owner, member])
    #expect(try text(member, "first") == "1")
    try put(member, "second", "2", .random(&generator))
    try member.push(to: owner)
    #expect(try text(owner, "second") == "2")
    try put(owner, "third", "3", .random(&generator))
    // One small secret: four objects, of which the root tree is a few bytes.
    let messages = try owner.messages(to: try member.tips)
    #expect(messages.count == 1 && messages[0].pack.count < 4096)
    try owner.push(to: member)
    #expect(try text(member, "third") == "3")
    #expect(try owner.vault?.view() == member.vault?.view())
    for node in [owner, member] {
      _ = try node.vault?.verify { Issue.record("\($0)") }
      _ = try Program.check(["git", "-C", try #require(node.vault).repository.path, "fsck", "--strict"])
    }
  }

  @Test func `changes at the same time are merged alike, and what loses is shown aside`() throws {
    var generator = SeededGenerator(seed: 2)
    let nodes = try ExchangeTests.network([.writer, .replica])
    let object = ObjectID.random(&generator)
    try put(nodes[0], "shared", "before", object)
    try ExchangeTests.settle(nodes)
    try put(nodes[0], "shared", "owner", object)
    try put(nodes[1], "shared", "writer", object)
    try put(nodes[1], "other", "x", .random(&generator))
    try ExchangeTests.settle(nodes)
    let views = try nodes.map { try $0.vault?.view() }
    #expect(views[0] == views[1] && views[1] == views[2])
    #expect(nodes[2].shown.isEmpty)
    for node in nodes[..<2] {
      let aside = try #require(node.shown.values.flatMap(\.paths).first { $0.starts(with: ".conflicts/shared~".utf8) })
      let values = [try text(node, "shared"), try text(node, String(decoding: aside, as: UTF8.self))]
      #expect(Set(values) == ["owner", "writer"])
      #expect(try text(node, "other") == "x")
    }
    // Taking the other one is a rename.
    var taken = try #require(nodes[0].shown.values.first { $0.paths[0].starts(with: ".conflicts/".utf8) })
    taken.paths = [[UInt8]("shared".utf8)]
    try nodes[0].commit(CommitBatch(puts: [taken], removals: [object]))
    try ExchangeTests.settle(nodes)
    #expect(nodes[1].shown.values.allSatisfy { !$0.paths[0].starts(with: ".conflicts/".utf8) })
    #expect(try text(nodes[0], "shared") == text(nodes[1], "shared"))
    for node in nodes[..<2] { _ = try node.vault?.verify { Issue.record("\($0)") } }
  }

  @Test func `two secrets of one name are both there, and the one that is given up does not bring the other back`()
    throws
  {
    var generator = SeededGenerator(seed: 3)
    let nodes = try ExchangeTests.network([.writer])
    let objects = [ObjectID.random(&generator), .random(&generator)].sorted()
    try put(nodes[0], "x", "low", objects[0])
    try put(nodes[1], "x", "high", objects[1])
    try ExchangeTests.settle(nodes)
    for node in nodes {
      #expect(try text(node, "x") == "high")
      let aside = try #require(node.shown[objects[0]]?.paths.first)
      #expect(String(decoding: aside, as: UTF8.self) == ".conflicts/x~\(objects[0].hex.prefix(8))")
    }
    try nodes[0].commit(CommitBatch(removals: [objects[1]]))
    try ExchangeTests.settle(nodes)
    for node in nodes {
      #expect(try text(node, "x") == nil)
      #expect(try text(node, ".conflicts/x~\(objects[0].hex.prefix(8))") == "low")
    }
  }

  @Test func `who was removed writes no more, and reads nothing that is newer`() throws {
    var generator = SeededGenerator(seed: 4)
    let nodes = try ExchangeTests.network([.writer, .writer])
    try put(nodes[1], "mine", "1", .random(&generator))
    try ExchangeTests.settle(nodes)
    try #require(nodes[0].vault).remove(nodes[1].id)
    // It does not know yet.
    try put(nodes[1], "late", "2", .random(&generator))
    try put(nodes[0], "new", "3", .random(&generator))
    let verdicts = try nodes[1].messages(to: try nodes[0].tips).map { try nodes[0].receive($0) }
    #expect(verdicts.contains { !$0.refused.isEmpty } && verdicts.allSatisfy(\.moved.isEmpty))
    try ExchangeTests.settle([nodes[0], nodes[2]])
    #expect(try text(nodes[2], "mine") == "1" && text(nodes[2], "new") == "3" && text(nodes[2], "late") == nil)
    // All that it ever gets, by whatever way.
    for message in try nodes[0].messages(to: try nodes[1].tips) { _ = try nodes[1].receive(message) }
    #expect(nodes[1].vault?.role == nil)
    #expect(try text(nodes[1], "mine") == "1" && text(nodes[1], "new") == nil)
    // What it made before it knew stays with it.
    #expect(try text(nodes[1], "late") == "2")
    #expect(try nodes[1].commit(CommitBatch(removals: [.random(&generator)])) == false)
  }

  @Test func `two owners act at once, and both acts stand in the end`() throws {
    let nodes = try ExchangeTests.network([.owner, .writer])
    let (first, second) = (try SimulatedNode(), try SimulatedNode())
    let recipients = [first, second].map(\.keynode.identity.recipient)
    try #require(nodes[0].vault).admit(first.id, as: .reader, recipient: recipients[0])
    try #require(nodes[1].vault).admit(second.id, as: .writer, recipient: recipients[1])
    try ExchangeTests.settle(nodes)
    for node in nodes {
      let members = try #require(node.vault).membership.members
      #expect(members[first.id]?.role == .reader && members[second.id]?.role == .writer)
    }
    #expect(Set(nodes.compactMap { $0.vault?.membership.commit }).count == 1)
  }

  @Test func `a restored backup and a copied keynode lose nothing`() throws {
    var generator = SeededGenerator(seed: 5)
    let nodes = try ExchangeTests.network([.writer])
    try put(nodes[1], "a", "1", .random(&generator))
    try ExchangeTests.settle(nodes)
    let backup = try TemporaryDirectory(inMemory: true)
    try Program.check(["cp", "-a", "\(nodes[1].directory.path)/.", backup.path])
    try put(nodes[1], "b", "2", .random(&generator))
    try ExchangeTests.settle(nodes)
    // The backup is put back, and written to before anybody is asked.
    try Program.check(["rm", "-rf", "\(nodes[1].directory.path)/vaults"])
    try Program.check(["cp", "-a", "\(backup.path)/vaults", nodes[1].directory.path])
    try nodes[1].restart()
    try put(nodes[1], "c", "3", .random(&generator))
    try ExchangeTests.settle(nodes)
    for node in nodes {
      #expect(try [text(node, "a"), text(node, "b"), text(node, "c")] == ["1", "2", "3"])
      _ = try node.vault?.verify { Issue.record("\($0)") }
    }
  }

  @Test func `hundreds of versions of one secret travel at once`() throws {
    var generator = SeededGenerator(seed: 6)
    let nodes = try ExchangeTests.network([.writer])
    let object = ObjectID.random(&generator)
    for number in 0..<300 { try put(nodes[0], "x", "\(number)", object) }
    let messages = try nodes[0].messages(to: try nodes[1].tips)
    #expect(messages.count == 1)
    try ExchangeTests.settle(nodes)
    #expect(try text(nodes[1], "x") == "299")
    #expect(try nodes[0].vault?.view() == nodes[1].vault?.view())
  }
}
