import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Packs that consolidation writes") struct PackFileTests {
  /// A vault's shape: a wide root, subtrees, one of them deeper, and a merge now and then.
  private static func fill(_ sample: Sample, commits: Int, seed: UInt64) throws -> [ObjectName: [UInt8]] {
    var generator = SeededGenerator(seed: seed)
    var written: [ObjectName: [UInt8]] = [:]
    func object(_ kind: ObjectKind, _ bytes: [UInt8]) throws -> ObjectName {
      let object = NewObject(kind: kind, bytes: bytes)
      try sample.repository.write([object], durability: .processCrash)
      written[object.name] = bytes
      return object.name
    }
    let blob = try object(.blob, [1])
    var files = (0..<16).map { _ in (0..<30).map { TreeEntry(mode: .file, name: "secret\($0).age", object: blob) } }
    var deep = (0..<30).map { TreeEntry(mode: .file, name: "deep\($0)", object: blob) }
    var heads: [ObjectName] = []
    for index in 0..<commits {
      let place = Int.random(in: 0..<16, using: &generator)
      files[place][Int.random(in: 0..<30, using: &generator)].object = try object(.blob, generator.bytes(200))
      if index % 5 == 0 {
        deep[Int.random(in: 0..<30, using: &generator)].object = try object(.blob, generator.bytes(9))
      }
      if index % 9 == 0 { files[place].removeLast() }
      var root = try files.enumerated().map { number, entries in
        TreeEntry(
          mode: .directory, name: String(number + 16, radix: 16), object: try object(.tree, Tree.encode(entries)))
      }
      let inner = [TreeEntry(mode: .directory, name: "in", object: try object(.tree, Tree.encode(deep)))]
      root.append(TreeEntry(mode: .directory, name: "deep", object: try object(.tree, Tree.encode(inner))))
      root.append(TreeEntry(mode: .file, name: "README.md", object: blob))
      let commit = CommitObject(
        tree: try object(.tree, Tree.encode(root)), parents: heads.suffix(index % 4 == 3 ? 2 : 1).reversed(),
        author: Sample.person(1), committer: Sample.person(1), message: Array("\(index)\n".utf8))
      heads.append(try object(.commit, commit.encode()))
    }
    try sample.repository.updateReference(
      "refs/heads/main", from: nil, to: try #require(heads.last), durability: .processCrash)
    return written
  }

  private static func verify(_ sample: Sample) throws -> String {
    let packs = sample.path + "/objects/pack"
    let index = sample.directory("index")
    return try Program.check([
      "sh", "-c",
      """
      for pack in \(packs)/*.pack; do
        git -C \(sample.path) index-pack --strict -o \(index) $pack && cmp \(index) ${pack%.pack}.idx && rm -f \(index) || exit 1
        git verify-pack -v $pack || exit 1
      done
      """,
    ]).text
  }

  @Test func `git finds them sound, small and with the index that it would write itself`() throws {
    let sample = try Sample()
    let written = try Self.fill(sample, commits: 80, seed: 71)
    #expect(try sample.repository.consolidate(looseLimit: 0).packed == written.count)
    let listing = try Self.verify(sample).split(separator: "\n")
    // All but the first of each tree are deltas, in chains as long as git's own.
    let deltas = listing.compactMap {
      $0.hasPrefix("chain length = ") ? Int($0.dropFirst(15).prefix { $0 != ":" }) : nil
    }
    #expect(deltas.max() ?? 0 > 20 && deltas.max() ?? 0 <= 50)
    let trees = listing.filter { $0.contains(" tree ") }
    #expect(trees.count { $0.split(separator: " ").count == 5 } < 40)
    try sample.repository.consolidate(grace: -10)
    #expect(try Int(sample.git("count-objects").prefix { $0 != " " }) == 0)
    let fresh = try Repository(opening: sample.path)
    for (name, bytes) in written { #expect(try fresh.read(name).bytes == bytes) }
    #expect(try sample.fsck().isEmpty)
  }

  @Test func `merged packs are as good`() throws {
    let sample = try Sample()
    var written: [ObjectName: [UInt8]] = [:]
    for round in 0..<6 {
      try written.merge(Self.fill(sample, commits: 12, seed: UInt64(72 + round))) { first, _ in first }
      try sample.repository.consolidate(looseLimit: 0, grace: -10)
      try sample.git("update-ref", "refs/heads/r\(round)", "refs/heads/main")
      try sample.git("update-ref", "-d", "refs/heads/main")
    }
    for _ in 0..<3 { try sample.repository.consolidate(looseLimit: 0, grace: -10) }
    _ = try Self.verify(sample)
    #expect(try FileManager.default.contentsOfDirectory(atPath: sample.path + "/objects/pack").count <= 6)
    for (name, bytes) in written { #expect(try sample.repository.read(name).bytes == bytes) }
    #expect(try sample.fsck().isEmpty)
  }

  @Test func `an index has 64-bit offsets where it needs them`() throws {
    var generator = SeededGenerator(seed: 73)
    let offsets: [UInt64] = [12, 1000, (1 << 31) - 1, 1 << 31, (1 << 31) + 5, 1 << 32, (1 << 40) + 7, 1 << 33]
    let entries = offsets.map {
      PackIndexWriter.Entry(
        name: .of(.blob, generator.bytes(8)), offset: $0, checksum: .random(in: .min ... .max, using: &generator))
    }
    let index = Collected()
    try PackIndexWriter.write(entries, pack: .of(.blob, [])) { (bytes) throws(GitError) in index.add(bytes) }
    var lines: [String] = []
    for entry in entries.sorted(by: { $0.name < $1.name }) {
      let checksum = String(UInt64(entry.checksum) + 1 << 32, radix: 16).dropFirst()
      lines.append("\(entry.offset) \(entry.name.hex) (\(checksum))")
    }
    #expect(try Program.check(["git", "show-index"], input: index.bytes).text == lines.joined(separator: "\n"))
    #expect(Array(index.bytes.suffix(20)) == PackWriterTests.checksum(index.bytes.dropLast(20)))
  }
}
