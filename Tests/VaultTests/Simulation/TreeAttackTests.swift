import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Trees, blobs, packs and merges that others send with bad intent.
@Suite("Attacks: trees, blobs and merges") struct TreeAttackTests {
  private static let missing = "something that it needs is missing"
  private static let digits = String(repeating: "0", count: 30)

  /// Paths that a vault does not have, one a tree.
  private static let paths = [
    "notes.txt", "ab", "conflicts", "ab/x.age", "ab/.gitattributes", "conflicts/ab/\(digits).age",
    "ab/\(digits)~00000000.age", "conflicts/ab/cd/\(digits)~00000000.age",
    // Levels without end.
    "ab/" + String(repeating: "cd/", count: 3000) + "x.age",
    // Parts without their object, or with a gap.
    "ab/\(digits).p00000000.age", "conflicts/ab/\(digits)~00000000.p00000000.age",
  ]

  /// A tree with one blob at `path`, sound but for that, the root last.
  private func tree(_ path: String, _ blob: NewObject, mode: TreeMode = .file) -> [NewObject] {
    var objects = [blob]
    var entry = TreeEntry(mode: mode, name: "", object: blob.name)
    let names = path.split(separator: "/")
    for (depth, name) in names.enumerated().reversed() {
      entry.name = Array(name.utf8)
      objects.append(NewObject(kind: .tree, bytes: Tree.encode(depth == 0 ? [entry, .readme] : [entry])))
      entry = TreeEntry(mode: .directory, name: "", object: objects[objects.count - 1].name)
    }
    return objects
  }

  @Test(arguments: paths)
  func `a tree with a path that a vault does not have is refused`(path: String) throws {
    let scene = try AttackScene([.writer])
    let tree = tree(path, NewObject(kind: .blob, bytes: [1]))
    let commit = try scene.commit(after: try scene.tip(1), tree: tree[tree.count - 1].name, by: scene.identity(1))
    try scene.expectRefused(scene.branch(1), tree + [commit], .tree)
  }

  @Test(arguments: [[0, 2], [1], [0, 1, 3]])
  func `parts that are not dense are refused`(parts: [UInt32]) throws {
    let scene = try AttackScene([.writer])
    let blob = NewObject(kind: .blob, bytes: [1])
    let rows = parts.map { position in
      let part = position == 0 ? "" : ".p0000000\(position - 1)"
      return TreeEntry(mode: .file, name: "\(TreeAttackTests.digits)\(part).age", object: blob.name)
    }
    let subtree = NewObject(kind: .tree, bytes: Tree.encode(rows))
    let root = NewObject(
      kind: .tree, bytes: Tree.encode([TreeEntry(mode: .directory, name: "ab", object: subtree.name), .readme]))
    let commit = try scene.commit(after: try scene.tip(1), tree: root.name, by: scene.identity(1))
    try scene.expectRefused(scene.branch(1), [blob, subtree, root, commit], .tree)
  }

  @Test func `empty directories are refused`() throws {
    for names in [["ab"], ["conflicts"], ["conflicts", "ab"]] {
      let scene = try AttackScene([.writer])
      var objects = [NewObject(kind: .tree, bytes: [])]
      for (depth, name) in names.enumerated().reversed() {
        let row = TreeEntry(mode: .directory, name: name, object: objects[objects.count - 1].name)
        objects.append(NewObject(kind: .tree, bytes: Tree.encode(depth == 0 ? [row, .readme] : [row])))
      }
      let root = objects[objects.count - 1].name
      let commit = try scene.commit(after: try scene.tip(1), tree: root, by: scene.identity(1))
      try scene.expectRefused(scene.branch(1), objects + [commit], .tree)
    }
  }

  @Test(arguments: [TreeMode.other(0o120000), .other(0o100755), .other(0o160000)])
  func `links, programs and submodules are refused`(mode: TreeMode) throws {
    let scene = try AttackScene([.writer])
    let tree = tree("ab/\(TreeAttackTests.digits).age", NewObject(kind: .blob, bytes: [1]), mode: mode)
    let commit = try scene.commit(after: try scene.tip(1), tree: tree[tree.count - 1].name, by: scene.identity(1))
    try scene.expectRefused(scene.branch(1), tree + [commit], .tree)
  }

  @Test func `a blob's place with a tree or a commit in it is refused`() throws {
    for kind in [ObjectKind.tree, .commit] {
      let scene = try AttackScene([.writer])
      let tip = try scene.tip(1)
      let object =
        kind == .tree ? NewObject(kind: .tree, bytes: []) : try scene.commit(after: tip, by: scene.identity(1))
      let tree = tree("ab/\(TreeAttackTests.digits).age", object)
      let commit = try scene.commit(after: tip, tree: tree[tree.count - 1].name, by: scene.identity(1))
      try scene.expectRefused(scene.branch(1), tree + [commit], .tree)
    }
  }

  @Test func `a blob or tree that is missing, or not the one that was named, is refused`() throws {
    let scene = try AttackScene([.writer])
    let tree = try scene.tree(of: try scene.tip(1), adding: NewObject(kind: .blob, bytes: [1, 2, 3]))
    let commit = try scene.commit(after: try scene.tip(1), tree: tree[tree.count - 1].name, by: scene.identity(1))
    try scene.expectRefused(scene.branch(1), Array(tree.dropFirst()) + [commit], TreeAttackTests.missing)
    for index in tree.indices {
      let now = try AttackScene(now: scene.nodes)
      let tree = try now.tree(of: try now.tip(1), adding: NewObject(kind: .blob, bytes: [1, 2, 3]))
      let commit = try now.commit(after: try now.tip(1), tree: tree[tree.count - 1].name, by: now.identity(1))
      var spoiled = tree
      spoiled[index] = NewObject(kind: .blob, bytes: tree[index].bytes + [0])
      try now.expectRefused(now.branch(1), spoiled + [commit], TreeAttackTests.missing)
    }
  }

  @Test func `a pack with a changed byte moves nothing, and the whole one then does`() throws {
    let scene = try AttackScene([.writer])
    var generator = SeededGenerator(seed: 5)
    try scene.nodes[1].commit(CommitBatch(puts: [.file(["x"], [1, 2, 3], object: .random(&generator))]))
    let message = try #require(try scene.nodes[1].messages(to: scene.nodes[0].tips).first)
    for index in stride(from: 0, to: message.pack.count, by: 7) {
      var pack = message.pack
      pack[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      // Its checksum, or an object's name, does not fit.
      let verdict = (try? scene.nodes[0].receive(.init(tips: message.tips, pack: pack))) ?? Verdict()
      #expect(verdict.moved.isEmpty)
    }
    let cut = (try? scene.nodes[0].receive(.init(tips: message.tips, pack: message.pack.dropLast()))) ?? Verdict()
    #expect(cut.moved.isEmpty)
    try scene.expectUnchanged()
    let tip = try #require(try scene.nodes[1].vault?.ownTip())
    #expect(try scene.nodes[0].receive(message).moved == [scene.branch(1): tip])
    try scene.expectSound()
  }

  /// What one object of a pack may be is told by its header, so nothing of it need come.
  @Test(arguments: [(UInt8(3), 3 << 20), (2, 32 << 20), (1, 64 << 10)])
  func `an object that is larger than a vault's are ends the update`(type: UInt8, limit: Int) throws {
    for (size, isAllowed) in [(limit, true), (limit + 1, false)] {
      var header = [type << 4 | 0x80 | UInt8(size & 15)]
      var rest = size >> 4
      while rest > 0x7F {
        header.append(0x80 | UInt8(rest & 0x7F))
        rest >>= 7
      }
      header.append(UInt8(rest))
      let update = try #require(try AttackScene([.writer]).nodes[0].exchange).receive()
      let pack = [UInt8]("PACK".utf8) + [0, 0, 0, 2, 0, 0, 0, 1] + header
      if isAllowed {
        try update.feed(pack)
      } else {
        #expect(throws: VaultError.repository(.packTooLarge)) { try update.feed(pack) }
      }
    }
  }

  @Test func `what comes in a pack beside a good commit does not stay`() throws {
    let scene = try AttackScene([.writer])
    let good = try scene.commit(after: try scene.tip(1), by: scene.identity(1))
    let junk = [
      NewObject(kind: .blob, bytes: [9, 9]),
      NewObject(kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "x", object: Vault.readme.name)])),
      try scene.commit(after: try scene.tip(1), by: try Identity()),
    ]
    #expect(try scene.offer([scene.branch(1): good.name], [good] + junk).moved == [scene.branch(1): good.name])
    for object in junk { #expect(try !scene.victim.repository.contains(object.name)) }
    try scene.expectSound()
  }

  enum Forgery: CaseIterable {
    case tree, time, extraObject, unsorted, repeated, contained, nested, stranger, otherVault, single, many

    var flaw: CommitFlaw {
      switch self {
      case .tree, .time, .extraObject: .merge
      case .unsorted, .repeated, .contained, .nested, .single, .many: .parents
      case .otherVault: .otherVault
      case .stranger: .notAMember
      }
    }
  }

  @Test(arguments: Forgery.allCases)
  func `a merge that is not its parents' merge is refused`(forgery: Forgery) throws {
    let scene = try AttackScene([.writer, .writer])
    let graph = try scene.victim.graph
    let heads = try Divergence.heads(of: try scene.victim.countingTips(), in: graph)
    try #require(heads.count == 3)
    let own = try scene.tip(1)
    let third = try #require(heads.first { $0 != own })
    let pair = [own, third].sorted { $0.name < $1.name }
    let sound = try ViewMerge(graph: graph).merge(pair)
    var objects = sound.objects
    var (tree, time, parents) = (sound.commit.tree, sound.commit.time, pair.map(\.name))
    var clock = sound.commit.clock
    switch forgery {
    case .tree: tree = pair[0].tree
    case .time: time += 1
    case .extraObject:
      let added = try NewMergeTree.adding(NewObject(kind: .blob, bytes: [4]), to: sound.tree)
      objects += added
      tree = added[added.count - 1].name
    case .unsorted: parents.reverse()
    case .repeated: parents = [own.name, own.name]
    case .contained:
      let next = try scene.commit(after: own, by: scene.identity(1))
      objects.append(next)
      parents = [own.name, next.name].sorted()
      clock = own.clock + 1
    case .nested:
      let other = try #require(heads.first { $0 != own && $0 != third })
      parents = [sound.commit.name, other.name].sorted()
    case .stranger:
      let alien = try scene.commit(after: nil, tree: pair[0].tree, by: try Identity())
      objects.append(alien)
      parents = [own.name, alien.name].sorted()
    case .otherVault: break
    case .single: parents = [own.name]
    case .many:
      // Each is sound, and none is another's ancestor, but no walk tells so many apart.
      let siblings = try (0...UInt32(Divergence.limit)).map { number in
        let tree = try scene.tree(of: own, adding: NewObject(kind: .blob, bytes: [UInt8(number)]))
        objects += tree
        return try scene.commit(after: own, tree: tree[tree.count - 1].name, by: scene.identity(1))
      }
      objects += siblings
      parents = siblings.map(\.name).sorted()
      clock = own.clock + 1
    }
    let vault = forgery == .otherVault ? VaultID(bytes: [UInt8](repeating: 1, count: 32)) : try scene.victim.id
    let merge = MergeMessage(vault: vault, clock: clock).commit(tree: tree, parents: parents, time: time)
    let next = try scene.commit(
      after: own, tree: tree, by: scene.identity(1), parents: [merge.name], { $0.clock = clock + 1 })
    try scene.expectRefused(scene.branch(1), objects + [merge, next], forgery.flaw)
  }
}

/// A merge's tree with more in it.
private enum NewMergeTree {
  static func adding(_ blob: NewObject, to tree: DataTree) throws -> [NewObject] {
    var generator = SeededGenerator(seed: 78)
    var tree = tree
    let key = ObjectKey(.random(&generator))
    tree.replace(key, with: [.init(slot: .header(of: key), blob: blob.name)])
    return [blob] + tree.encode(readme: Vault.readme.name).objects
  }
}
