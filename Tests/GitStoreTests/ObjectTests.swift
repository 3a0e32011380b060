import TestSupport
import Testing

@testable import GitStore

@Suite("Objects") struct ObjectTests {
  @Test func `names are git's`() throws {
    #expect(ObjectName.of(.blob, []).hex == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    #expect(ObjectName.of(.tree, []).hex == "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    var generator = SeededGenerator(seed: 2)
    var names: [ObjectName] = []
    for _ in 0..<200 {
      let bytes = generator.bytes(20)
      let name = try #require(ObjectName(bytes: bytes))
      #expect(name.bytes == bytes)
      #expect(ObjectName(hex: name.hex) == name)
      names.append(name)
    }
    #expect(names.sorted().map(\.hex) == names.map(\.hex).sorted())
    for wrong in ["", "abc", String(repeating: "A", count: 40), String(repeating: "g", count: 40)] {
      #expect(ObjectName(hex: wrong) == nil)
    }
    #expect(ObjectName(bytes: [UInt8](repeating: 0, count: 19)) == nil)
  }

  @Test func `trees are written in git's order and parsed back`() throws {
    let sample = try Sample()
    let blob = NewObject(kind: .blob, bytes: [1])
    let inner = NewObject(kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "x", object: blob.name)]))
    try sample.repository.write([blob, inner], durability: .processCrash)
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<20 {
      var names: Set<String> = []
      for _ in 0..<12 {
        let length = Int.random(in: 1...3, using: &generator)
        names.insert(String((0..<length).map { _ in "ab.-0~".randomElement(using: &generator) ?? "a" }))
      }
      names.subtract([".", ".."])
      let entries = names.map { name in
        Bool.random(using: &generator)
          ? TreeEntry(mode: .directory, name: name, object: inner.name)
          : TreeEntry(mode: .file, name: name, object: blob.name)
      }.shuffled(using: &generator)
      let bytes = Tree.encode(entries)
      #expect(try Tree(parsing: bytes).encode() == bytes)
      let lines = entries.map {
        "\($0.mode == .file ? "100644 blob" : "040000 tree") \($0.object.hex)\t\(String(decoding: $0.name, as: UTF8.self))\n"
      }
      let git = try Program.check(["git", "-C", sample.path, "mktree"], input: Array(lines.joined().utf8))
      #expect(ObjectName.of(.tree, bytes).hex == git.text)
    }
  }

  @Test func `trees that fsck would refuse are refused`() throws {
    let object = ObjectName.of(.blob, [1]).bytes
    func row(_ text: String) -> [UInt8] { Array(text.utf8) + [0] + object }
    let wrong: [[UInt8]] = [
      row("100644 b") + row("100644 a"), row("100644 a") + row("100644 a"),
      row("100644 a") + row("100644 a.b") + row("40000 a"),
      row("0100644 a"), row("040000 a"), row("100600 a"), row("100644 "), row("100644 ."), row("100644 .."),
      row("100644 .git"), row("100644 .GIT"), row("100644 a/b"), row("40000 a") + row("100644 a."),
      Array(row("100644 a").dropLast()), Array("100644 a".utf8), Array("100644".utf8),
      Array("100644 a".utf8) + [0] + [UInt8](repeating: 0, count: 20),
    ]
    for bytes in wrong { #expect(throws: GitError.malformed(.tree)) { try Tree(parsing: bytes) } }
    let links = try Tree(parsing: row("120000 a") + row("160000 b"))
    #expect(links.entries.map(\.mode) == [.other(0o120000), .other(0o160000)])
  }

  static let signature = "-----BEGIN SSH SIGNATURE-----\nU1NI\n\nAAAA\n-----END SSH SIGNATURE-----"

  @Test func `commits keep their parts, and the signed payload lacks the signature`() throws {
    let sample = try Sample()
    var commit = CommitObject(
      tree: ObjectName.of(.tree, []), parents: [], author: Person(name: "A B", address: "", seconds: 1, zone: -90),
      committer: Person(name: "D", address: "c", seconds: 1 << 40, zone: 825),
      message: Array("polykey\n\nClock: 1\n".utf8))
    let unsigned = commit.encode()
    commit.signature = Array(Self.signature.utf8)
    #expect(commit.signedPayload == unsigned)
    let bytes = commit.encode()
    #expect(try CommitObject(parsing: bytes) == commit)
    #expect(bytes.count > unsigned.count + Self.signature.utf8.count)
    try sample.repository.write(
      [NewObject(kind: .tree, bytes: []), NewObject(kind: .commit, bytes: bytes)], durability: .processCrash)
    #expect(try sample.fsck() == "")
    // Git's own reading of the folded header.
    let name = ObjectName.of(.commit, bytes).hex
    #expect(try sample.git("cat-file", "-p", name).contains("gpgsig -----BEGIN SSH SIGNATURE-----\n U1NI\n \n AAAA\n"))
    for headers in [[("encoding", "ISO-8859-1")], [("mergetag", "object x\ntype commit"), ("HG:extra", "a b")]] {
      var other = commit
      other.otherHeaders = headers.map { CommitObject.Header(name: $0.0, value: Array($0.1.utf8)) }
      for index in 0...headers.count {
        other.signatureIndex = index
        #expect(try CommitObject(parsing: other.encode()) == other)
      }
    }
  }

  @Test func `commits in any other spelling are refused`() throws {
    let tree = "tree \(ObjectName.of(.tree, []).hex)\n"
    let author = "author A <a> 1 +0000\n"
    let committer = "committer A <a> 1 +0000\n"
    #expect(throws: Never.self) { try CommitObject(parsing: Array((tree + author + committer + "\nm").utf8)) }
    let wrong = [
      "", tree, tree + author, tree + author + committer, author + tree + committer + "\n",
      tree + tree + author + committer + "\n",
      tree + committer + author + "\n", tree + author + author + committer + "\n",
      tree.uppercased() + author + committer + "\n", tree + "author A <a> 01 +0000\n" + committer + "\n",
      tree + "author A <a> -1 +0000\n" + committer + "\n", tree + "author A <a> 1 +000\n" + committer + "\n",
      tree + "author A <a> 1 -0000\n" + committer + "\n", tree + "author A <a> 1 +0060\n" + committer + "\n",
      tree + "author A<a> 1 +0000\n" + committer + "\n", tree + "author A  <a> 1 +0000\n" + committer + "\n",
      tree + "author A <a 1 +0000\n" + committer + "\n", tree + "author A <a>  1 +0000\n" + committer + "\n",
      tree + author + committer + "parent \(ObjectName.of(.tree, []).hex)\n\n",
      tree + "parent abc\n" + author + committer + "\n", tree + author + committer + "gpgsig a\ngpgsig b\n\n",
      tree + author + committer + " x\n\n", tree + author + committer + "novalue\n\n",
      tree + author + committer + "\nm\0",
    ]
    for text in wrong {
      #expect(throws: GitError.malformed(.commit), "\(text)") { try CommitObject(parsing: Array(text.utf8)) }
    }
  }

  @Test func `damaged bytes never pass as another object`() throws {
    var generator = SeededGenerator(seed: 4)
    let commit = Sample.commit(contents: [1], parents: [.of(.commit, [1])])
    for object in [commit[2], commit[3]] {
      for _ in 0..<500 {
        var bytes = object.bytes
        switch Int.random(in: 0..<3, using: &generator) {
        case 0:
          bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: .min ... .max, using: &generator)
        case 1: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
        default:
          bytes.insert(
            UInt8.random(in: .min ... .max, using: &generator), at: Int.random(in: bytes.indices, using: &generator))
        }
        // Whatever is accepted has exactly one spelling.
        if object.kind == .tree {
          if let tree = try? Tree(parsing: bytes) { #expect(tree.encode() == bytes) }
        } else if let commit = try? CommitObject(parsing: bytes) {
          #expect(commit.encode() == bytes)
        }
      }
    }
  }

  @Test func `the plain hash and the stored form are those that git and zlib know, at every length around a block's`()
    throws
  {
    var generator = SeededGenerator(seed: 31)
    for count in [0, 1, 100, 65_520, 65_522, 65_523, 65_535, 65_536, 131_060, 131_070, 200_000] {
      let bytes = generator.bytes(count)
      #expect(ObjectName.plain(.blob, bytes) == .of(.blob, bytes))
      let file = LooseFormat.encode(.blob, bytes)
      #expect(LooseFormat.decode(file)?.bytes == bytes)
      let head = "blob \(count)\0".utf8.count
      #expect(StoredStream.content(of: file, from: head, count: count) == bytes)
      // Every byte that is no content, and the end, matter; what they say otherwise zlib judges.
      for place in [0, 1, 2, 3, 5] {
        var changed = file
        changed[place] ^= 1
        #expect(StoredStream.content(of: changed, from: head, count: count) == nil)
      }
      #expect(StoredStream.content(of: Array(file.dropLast()), from: head, count: count) == nil)
      #expect(StoredStream.content(of: file, from: head, count: count + 1) == nil)
    }
  }
}
