import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Small commits of a member with huge meaning: what they cost others is in proportion to the bytes that came, or they are refused.
///
/// docs/security.md, "What a member can cost", has the limits; each is reached here with about the smallest input there is.
@Suite("Attacks: costs") struct CostAttackTests {
  private func name(_ number: Int) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 30 - digits.count) + digits
  }

  /// A root with these subtrees, the last object, and a commit of it.
  private func commit(
    _ subtrees: [(name: String, tree: NewObject)], _ more: [NewObject], in scene: AttackScene
  ) throws -> [NewObject] {
    let tip = try scene.tip(1)
    let old = try scene.victim.repository.entries(ofTree: tip.tree)
    let rows = subtrees.map { TreeEntry(mode: .directory, name: $0.name, object: $0.tree.name) }
    let names = Set(rows.map(\.name))
    let all = (old.filter { !names.contains($0.name) } + rows)
    let root = NewObject(kind: .tree, bytes: Tree.encode(all))
    let commit = try scene.commit(after: tip, tree: root.name, by: scene.identity(1))
    return more + subtrees.map(\.tree) + [root, commit]
  }

  private func subtree(_ count: Int, _ blob: (Int) -> NewObject) -> NewObject {
    NewObject(
      kind: .tree,
      bytes: Tree.encode(
        (0..<count).map { TreeEntry(mode: .file, name: "\(name($0)).age", object: blob($0).name) }))
  }

  @Test func `one subtree that stands for many is refused before it is read`() throws {
    let scene = try AttackScene([.writer])
    let blob = NewObject(kind: .blob, bytes: [1])
    let tree = subtree(20_000) { _ in blob }
    let fans = (0..<256).map { ((($0 < 16) ? "0" : "") + String($0, radix: 16), tree) }
    let start = ContinuousClock.now
    try scene.expectRefused(scene.branch(1), try commit(fans, [blob], in: scene), .tree)
    #expect(ContinuousClock.now - start < .seconds(5))
    // Two are one too many.
    let next = try AttackScene(now: scene.nodes)
    try next.expectRefused(next.branch(1), try commit(Array(fans[..<2]), [blob], in: next), .tree)
  }

  @Test(arguments: 0..<3)
  func `one blob that stands for several objects is refused`(kind: Int) throws {
    let scene = try AttackScene([.writer])
    let blob = NewObject(kind: .blob, bytes: [1])
    let other = NewObject(kind: .blob, bytes: [2])
    // More than are looked up one by one.
    let many = (0..<200).map { NewObject(kind: .blob, bytes: [3, UInt8($0)]) }
    let objects =
      switch kind {
      case 0: try commit([("ab", subtree(2) { _ in blob })], [blob], in: scene)
      // In two subtrees, which differ.
      case 1:
        try commit(
          [("ab", subtree(1) { _ in blob }), ("ac", subtree(2) { $0 == 0 ? other : blob })], [blob, other], in: scene)
      default: try commit([("ab", subtree(201) { many[$0 % 200] })], many, in: scene)
      }
    try scene.expectRefused(scene.branch(1), objects, .tree)
  }

  @Test func `a blob of somebody else's object is refused at another one, and may stay at its own`() throws {
    let scene = try AttackScene([.writer])
    let tip = try scene.tip(0)
    let tree = try scene.victim.graph.tree(tip)
    let key = try #require(tree.keys.first)
    let blob = try #require(tree.entries(of: key).first?.blob)
    let copied = NewObject(
      kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "\(name(7)).age", object: blob)]))
    // The writer has the founder's object in the tree that it builds on.
    let own = try #require(scene.nodes[1].vault)
    let view = try own.graph.commit(try #require(try own.view()?.commit))
    try #require(view.isMerge || view == tip)
    let old = try own.repository.entries(ofTree: view.tree)
    let fan = old.contains { $0.name == [UInt8]("ab".utf8) } ? "ac" : "ab"
    let root = NewObject(
      kind: .tree, bytes: Tree.encode(old + [TreeEntry(mode: .directory, name: fan, object: copied.name)]))
    let merge = try own.repository.read(view.name, expecting: .commit)
    let next = try scene.commit(
      after: view, tree: root.name, by: scene.identity(1))
    try scene.expectRefused(
      scene.branch(1), [NewObject(kind: .commit, bytes: merge), copied, root, next], .tree)
  }

  /// Nobody can make others' honest commits unsound: a merge may bring together what each alone was sound.
  @Test func `what two put in the way of a rule in a merge holds up nobody`() throws {
    let scene = try AttackScene([.writer, .writer])
    let blob = NewObject(kind: .blob, bytes: [1])
    for (index, fan) in [(1, "ab"), (2, "ac")] {
      let tip = try scene.tip(index)
      let old = try scene.victim.repository.entries(ofTree: tip.tree)
      let tree = NewObject(
        kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "\(name(index)).age", object: blob.name)]))
      let root = NewObject(
        kind: .tree,
        bytes: Tree.encode(
          old.filter { $0.name != [UInt8](fan.utf8) } + [TreeEntry(mode: .directory, name: fan, object: tree.name)]))
      let next = try scene.commit(after: tip, tree: root.name, by: scene.identity(index))
      let branch = scene.branch(index)
      #expect(try scene.offer([branch: next.name], [blob, tree, root, next]).moved == [branch: next.name])
    }
    var generator = SeededGenerator(seed: 9)
    try scene.nodes[0].refresh()
    try scene.nodes[0].commit(CommitBatch(puts: [.file(["honest"], [1], object: .random(&generator))]))
    // Another judges the honest commit, and all before it, anew.
    #expect(try scene.nodes[0].push(to: scene.nodes[1]))
    #expect(try scene.nodes[1].vault?.nodeTips()[scene.nodes[0].id] == scene.nodes[0].vault?.ownTip())
  }

  // MARK: branches that never merge

  @Test func `a branch that never merges costs each time what is new of it`() throws {
    let scene = try AttackScene([.writer])
    // The writer's node is never given what the victim writes.
    var generator = SeededGenerator(seed: 3)
    try scene.nodes[0].commit(CommitBatch(puts: [.file(["victim's"], [1], object: .random(&generator))]))
    let object = ObjectID.random(&generator)
    let graph = try scene.victim.graph
    var known = 0
    for number in 0..<150 {
      try scene.nodes[1].commit(CommitBatch(puts: [.file(["writer's"], [UInt8(number)], object: object)]))
      try scene.nodes[1].push(to: scene.nodes[0])
      let heads = try Divergence.heads(of: try scene.victim.countingTips(), in: graph)
      try #require(heads.count == 2)
      // All that the merge asks of older commits is known since the one before: no tree of theirs is read again.
      let items = try Divergence(of: heads.map(\.name), in: graph).items.map(\.commit)
      #expect(items.allSatisfy { graph.cache.changes[$0.name] != nil })
      #expect(items.count > number)
      known = max(known, items.count)
      _ = try scene.victim.view()
    }
    #expect(known > 150)
    // Whoever judges what builds on such a merge knows them, too.
    try scene.nodes[0].commit(CommitBatch(puts: [.file(["victim's"], [2], object: .random(&generator))]))
    try AttackScene(now: scene.nodes).expectHonestUpdate()
  }

  // MARK: objects that cannot be read

  @Test func `hundreds of objects that nobody can read cost one look at the history`() throws {
    let scene = try AttackScene([.writer])
    let blobs = (0..<1000).map { NewObject(kind: .blob, bytes: [7, UInt8($0 & 255), UInt8($0 >> 8)]) }
    let fans = (0..<10).map { fan in
      ("b\(fan)", subtree(100) { blobs[fan * 100 + $0] })
    }
    let free = try scene.victim.repository.entries(ofTree: try scene.tip(1).tree).map(\.name)
    let objects = try commit(fans.filter { !free.contains([UInt8]($0.0.utf8)) }, blobs, in: scene)
    let tip = objects[objects.count - 1].name
    #expect(try scene.offer([scene.branch(1): tip], objects).moved == [scene.branch(1): tip])
    let start = ContinuousClock.now
    try scene.nodes[0].refresh()
    // Their made-up names are alike, so most are in `.conflicts/`.
    let count = {
      scene.nodes[0].shown.values.flatMap(\.paths).count { String(decoding: $0, as: UTF8.self).contains("damaged-b") }
    }
    let shown = count()
    #expect(shown >= 900)
    try scene.nodes[0].restart()
    #expect(count() == shown)
    #expect(ContinuousClock.now - start < .seconds(20))
    var generator = SeededGenerator(seed: 6)
    try scene.nodes[0].commit(CommitBatch(puts: [.file(["honest"], [1], object: .random(&generator))]))
  }

  // MARK: names

  /// Each claims the same name; one more of them is no more work than the others are.
  @Test func `thousands that claim one name cost what their number is`() throws {
    var generator = SeededGenerator(seed: 8)
    var presentation = Presentation()
    let files = (0..<20_000).map { _ in StoredNode.file(["same"], [], object: .random(&generator)) }
    let start = ContinuousClock.now
    let loaded = { (_: ObjectKey) throws(VaultError) -> StoredNode in throw .pathMissing }
    let shown = try presentation.apply(files.map { .put(ObjectKey($0.object), $0) }, load: loaded)
    #expect(shown.count == files.count && presentation.aside.count == files.count - 1)
    // None of those that are shown aside is looked at again.
    for number in 1...20 {
      // Names of their own in `.conflicts/`, too.
      let low = StoredNode.file(["same"], [], object: ObjectID(high: UInt64(number) << 32, low: generator.next()))
      #expect(try presentation.apply([.put(ObjectKey(low.object), low)], load: loaded).count == 1)
    }
    #expect(ContinuousClock.now - start < .seconds(30))
    // The winner's place goes to the next one, which is then loaded.
    let winner = try #require(files.map(\.object).max())
    let next = try #require(files.filter { $0.object != winner }.max { $0.object < $1.object })
    let after = try presentation.apply([.removed(ObjectKey(winner))]) { key throws(VaultError) in
      guard key.object == next.object else { throw .pathMissing }
      return next
    }
    #expect(after.count == 2 && presentation.aside.allSatisfy { $0.key.object != next.object })
  }

  // MARK: parts

  @Test func `a file of which all parts are one blob is verified once`() throws {
    let sample = try Sample()
    let count = 2000
    let size = Int64(count) * Int64(FileContent.partSize)
    let content = FileContent(size: size, parts: Array(repeating: .hole, count: count))
    let backing = try VaultBacking(sample.vault)
    let node = StoredNode(
      object: ObjectID(high: 5, low: 6), body: .regular(content), paths: [[UInt8]("sparse".utf8)], mode: 0o600,
      owner: 0, group: 0, modified: Timestamp(seconds: 1))
    _ = try backing.commit(CommitBatch(puts: [node]))
    let start = ContinuousClock.now
    var findings: [Finding] = []
    let summary = try sample.reopened().verify { findings.append($0) }
    #expect(findings.isEmpty && summary.objects < 10)
    #expect(ContinuousClock.now - start < .seconds(10))
  }
}
