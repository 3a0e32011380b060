import GitStore
import TestSupport
import Testing

@Suite("Walks") struct WalkTests {
  @Test func `history and ancestry agree with git`() throws {
    let sample = try Sample()
    let repository = sample.repository
    var generator = SeededGenerator(seed: 7)
    var commits: [ObjectName] = []
    for index in 0..<60 {
      var parents: [ObjectName] = []
      if let last = commits.last { parents.append(last) }
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        if let other = commits.randomElement(using: &generator), !parents.contains(other) { parents.append(other) }
      }
      if index % 13 == 5 { parents.removeFirst() }
      let objects = Sample.commit(contents: generator.bytes(10), parents: parents, seconds: Int64(index))
      try repository.write(objects, durability: .processCrash)
      commits.append(objects[3].name)
    }
    let head = try #require(commits.last)
    for path in [History.Path.firstParent, .allParents] {
      var walk = repository.history(from: head, following: path)
      var names: [String] = []
      var parents: [String: [String]] = [:]
      while let (name, commit) = try walk.next() {
        names.append(name.hex)
        parents[name.hex] = commit.parents.map(\.hex)
      }
      let options = path == .firstParent ? ["--first-parent"] : ["--topo-order"]
      let git = try Program.check(["git", "-C", sample.path, "rev-list"] + options + [head.hex]).text.split(
        separator: "\n")
      #expect(names.sorted() == git.map(String.init).sorted())
      if path == .firstParent { #expect(names == git.map(String.init)) }
      let position = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
      for (child, parents) in parents {
        for parent in parents { if let after = position[parent] { #expect(after > position[child] ?? .max) } }
      }
    }
    for _ in 0..<10 {
      let one = try #require(commits.randomElement(using: &generator))
      let other = try #require(commits.randomElement(using: &generator))
      let git = try Program.run(["git", "-C", sample.path, "merge-base", "--is-ancestor", one.hex, other.hex])
      #expect(try repository.isAncestor(one, of: other) == (git.status == 0))
    }
  }

  @Test func `differences agree with git diff-tree`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 8)
    func randomTree(_ depth: Int) throws -> ObjectName {
      var entries: [TreeEntry] = []
      for name in ["a", "a.b", "a-", "b", "c"] where Int.random(in: 0..<4, using: &generator) > 0 {
        if depth > 0, Bool.random(using: &generator) {
          let tree = try randomTree(depth - 1)
          if tree != ObjectName.of(.tree, []) { entries.append(TreeEntry(mode: .directory, name: name, object: tree)) }
        } else {
          let blob = NewObject(kind: .blob, bytes: [UInt8.random(in: 0..<3, using: &generator)])
          try sample.repository.write([blob], durability: .processCrash)
          entries.append(TreeEntry(mode: .file, name: name, object: blob.name))
        }
      }
      let tree = NewObject(kind: .tree, bytes: Tree.encode(entries))
      try sample.repository.write([tree], durability: .processCrash)
      return tree.name
    }
    for _ in 0..<25 {
      let old = try randomTree(2)
      let new = try randomTree(2)
      var ours: [String] = []
      try sample.repository.differences(old: old, new: new) { difference in
        let status = difference.old == nil ? "A" : difference.new == nil ? "D" : "M"
        ours.append("\(status)\t\(String(decoding: difference.path, as: UTF8.self))")
      }
      let git = try sample.git("diff-tree", "-r", "--no-renames", "--name-status", old.hex, new.hex)
      #expect(ours.sorted() == git.split(separator: "\n").map(String.init).sorted())
      var all = 0
      try sample.repository.differences(old: nil, new: new) { _ in all += 1 }
      #expect(try sample.git("ls-tree", "-r", new.hex).split(separator: "\n").count == all)
    }
  }
}
