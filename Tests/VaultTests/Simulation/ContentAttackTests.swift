import GitStore
import TarStream
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Objects that a writer encrypts with bad intent: no receiver can judge them before it opens them, and then nothing but them may suffer.
@Suite("Attacks: contents") struct ContentAttackTests {
  /// Paths that lead out of the vault, or cost more than they should.
  private static let paths = [
    "../x", "a/../../x", "/etc/passwd", "a//b", ".", "..", "a/.", String(repeating: "n", count: 256),
    String(repeating: "a/", count: 200_000) + "x",
  ]

  /// The writer's next commit, with one object more, of which these are the plaintext bytes.
  private func commit(_ plain: [UInt8], in scene: AttackScene) throws -> [NewObject] {
    let sealer = ObjectSealer(try #require(scene.nodes[1].vault))
    let block = unsafe Block(count: plain.count) { unsafe $0.copyBytes(from: plain) }
    let tip = try scene.tip(1)
    let tree = try scene.tree(of: tip, adding: try sealer.sealPart(block, length: plain.count))
    return tree + [try scene.commit(after: tip, tree: tree[tree.count - 1].name, by: scene.identity(1))]
  }

  /// Gives the victim the object, and expects that only a name made up for it is shown, and that all else goes on.
  private func expectShutIn(_ member: TarMember, then more: [TarMember] = []) throws {
    let scene = try AttackScene([.writer])
    let before = Set(scene.nodes[0].shown.values.flatMap(\.paths))
    let objects = try commit(try member.encodedHeader() + more.flatMap { try $0.encodedHeader() }, in: scene)
    let tip = objects[objects.count - 1].name
    let start = ContinuousClock.now
    #expect(try scene.offer([scene.branch(1): tip], objects).moved == [scene.branch(1): tip])
    try scene.nodes[0].refresh()
    #expect(ContinuousClock.now - start < .seconds(10))
    let new = Set(scene.nodes[0].shown.values.flatMap(\.paths)).subtracting(before)
    #expect(new.count == 1 && new.allSatisfy { $0.starts(with: "damaged-".utf8) })
    // It is told, and can be removed.
    var findings: [VaultError] = []
    _ = try scene.nodes[0].keynode.openVault(scene.nodes[0].name).verify { findings.append($0.reason) }
    #expect(findings.count == 1 && findings.allSatisfy(\.isUnreadable))
    let object = try #require(scene.nodes[0].shown.values.first { $0.paths.first.map { new.contains($0) } ?? false })
    try scene.nodes[0].commit(CommitBatch(removals: [object.object]))
    #expect(Set(scene.nodes[0].shown.values.flatMap(\.paths)) == before)
  }

  @Test(arguments: paths)
  func `a path that no vault has is not shown, and harms nothing else`(path: String) throws {
    try expectShutIn(TarMember(path: [UInt8](path.utf8), kind: .regular, mode: 0o600))
  }

  @Test func `nor is such a path of a further link`() throws {
    let first = TarMember(path: [UInt8]("x".utf8), kind: .regular, mode: 0o600)
    try expectShutIn(
      first, then: [TarMember(path: [UInt8]("../y".utf8), kind: .hardLink(target: first.path), mode: 0o600)])
  }

  @Test func `a size that is nowhere near the content is damage`() throws {
    for size: UInt64 in [1, 1 << 20, 1 << 40, UInt64(Int64.max)] {
      try expectShutIn(TarMember(path: [UInt8]("x".utf8), kind: .regular, mode: 0o600, size: size))
    }
  }

  /// The deepest path that is allowed is shown in time, and opens.
  @Test func `hundreds of the longest paths that are allowed cost little`() throws {
    let scene = try AttackScene([.writer])
    var generator = SeededGenerator(seed: 4)
    let deep = String(repeating: "a/", count: StoredPath.limit / 2 - 4)
    try scene.nodes[1].commit(
      CommitBatch(puts: (0..<300).map { .file(["\(deep)\($0)"], [1], object: .random(&generator)) }))
    let start = ContinuousClock.now
    #expect(try scene.nodes[1].push(to: scene.nodes[0]))
    #expect(ContinuousClock.now - start < .seconds(20))
    #expect(scene.nodes[0].shown.values.count { $0.paths[0].starts(with: "a/a/".utf8) } == 300)
    let longer = StoredNode.file(["\(deep)aaaaaaaaaaaa"], [1], object: .random(&generator))
    #expect(throws: VFSError(.argumentListTooLong)) { try scene.nodes[1].commit(CommitBatch(puts: [longer])) }
    try AttackScene(now: scene.nodes).expectHonestUpdate()
  }

  @Test(arguments: [0, 1, Int64(UInt32.max), .max])
  func `a commit of any date is shown and merged`(time: Int64) throws {
    let scene = try AttackScene([.writer, .writer])
    let tip = try scene.tip(1)
    let message = CommitMessage(
      vault: try scene.victim.id, node: scene.nodes[1].id, clock: tip.clock + 1,
      members: try scene.victim.membership.commit, epoch: 1)
    let commit = try SignedCommit(tree: tip.tree, parents: [tip.name], message: message.encoded, time: time)
      .object(signedBy: scene.identity(1))
    #expect(try scene.offer([scene.branch(1): commit.name], [commit]).moved == [scene.branch(1): commit.name])
    try scene.nodes[0].refresh()
    _ = try scene.victim.progress()
    try scene.expectSound()
  }

  @Test func `a label that others chose is one line, which moves no cursor and turns no text`() throws {
    let node = try Identity().node
    let people = People("\(node) label evil\u{1B}[2J\u{202E}txt\u{2028}x\n\(node) address \u{7}h:1\n")
    #expect(people.persons.values.first?.label == "evil[2Jtxtx")
    #expect(people.persons.values.first?.addresses == ["h:1"])
  }
}
