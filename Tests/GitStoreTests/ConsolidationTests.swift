import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Consolidation") struct ConsolidationTests {
  private static func fill(_ sample: Sample, _ count: Int, from head: ObjectName? = nil) throws -> ObjectName {
    var head = head
    for index in 0..<count {
      let objects = Sample.commit(contents: Array("\(head?.hex ?? "") \(index)".utf8), parents: head.map { [$0] } ?? [])
      try sample.repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
      head = objects[3].name
    }
    return try #require(head)
  }

  private static func packs(_ sample: Sample) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: sample.path + "/objects/pack").count { $0.hasSuffix(".pack") }
  }

  private static func loose(_ sample: Sample) throws -> Int {
    try Int(sample.git("count-objects").prefix { $0 != " " }) ?? -1
  }

  @Test func `loose objects move into a pack, and their copies go after the grace time`() throws {
    let sample = try Sample()
    let head = try Self.fill(sample, 25)
    #expect(try sample.repository.consolidate(looseLimit: 100) == ConsolidationReport())
    let report = try sample.repository.consolidate(looseLimit: 99)
    #expect(report.packed == 100)
    #expect(try Self.loose(sample) == 100)
    let now = Int(Date().timeIntervalSince1970)
    #expect(try sample.repository.consolidate(looseLimit: 0, now: now + 590) == ConsolidationReport())
    #expect(try sample.repository.consolidate(looseLimit: 0, now: now + 700).pruned == 100)
    #expect(try Self.loose(sample) == 0)
    #expect(try sample.fsck().isEmpty)
    #expect(try sample.git("rev-list", "--count", head.hex) == "25")
    var walk = sample.repository.history(from: head)
    while let (_, commit) = try walk.next() { _ = try sample.repository.tree(commit.tree) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: sample.path + "/polykey/staging").isEmpty)
  }

  @Test func `packs grow geometrically, and replaced ones go after the grace time`() throws {
    let sample = try Sample()
    var now = Int(Date().timeIntervalSince1970)
    var head: ObjectName?
    var most = 0
    for _ in 0..<24 {
      head = try Self.fill(sample, 3, from: head)
      now += 1000
      try sample.repository.consolidate(looseLimit: 0, now: now)
      most = max(most, try Self.packs(sample))
      #expect(try sample.fsck().isEmpty)
    }
    // Logarithmic, and what waits for its grace time to end.
    #expect(most <= 10)
    #expect(try sample.git("rev-list", "--objects", "--count", "--all") == "288")
    // A superseded list that claims too much removes nothing that is nowhere else.
    for _ in 0..<3 {
      now += 1000
      try sample.repository.consolidate(looseLimit: 0, now: now)
    }
    #expect(try Self.loose(sample) == 0)
    let names = try FileManager.default.contentsOfDirectory(atPath: sample.path + "/objects/pack")
      .filter { $0.hasSuffix(".pack") }.map { $0.dropLast(5) }
    try names.map { "1 \($0)\n" }.joined()
      .write(toFile: sample.path + "/polykey/superseded", atomically: true, encoding: .utf8)
    #expect(try sample.repository.consolidate(now: now).retired == 0)
    #expect(try sample.fsck().isEmpty)
    #expect(try sample.git("rev-list", "--objects", "--count", "--all") == "288")
  }

  @Test func `stops when asked, and leaves nothing`() throws {
    let sample = try Sample()
    let head = try Self.fill(sample, 30)
    for limit in [0, 1, 5, 20, 60, 118, 121] {
      let asked = Counter()
      #expect(throws: GitError.cancelled) {
        try sample.repository.consolidate(looseLimit: 0) {
          asked.increment()
          return asked.count > limit
        }
      }
      #expect(try Self.packs(sample) == 0)
      #expect(try sample.fsck().isEmpty)
    }
    #expect(try sample.repository.consolidate(looseLimit: 0).packed == 120)
    #expect(try sample.repository.resolve("HEAD") == head)
  }

  @Test func `leftovers of a killed consolidation are removed, and a damaged object harms no other`() throws {
    let sample = try Sample()
    _ = try Self.fill(sample, 5)
    let staging = sample.path + "/polykey/staging"
    try FileManager.default.createDirectory(atPath: staging, withIntermediateDirectories: true)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: staging + "/pack-abc.pack"))
    let bad = NewObject(kind: .blob, bytes: [1, 2, 3])
    try sample.repository.write([bad], durability: .processCrash)
    let path = "\(sample.path)/objects/\(bad.name.hex.prefix(2))/\(bad.name.hex.dropFirst(2))"
    try FileManager.default.removeItem(atPath: path)
    try Data().write(to: URL(fileURLWithPath: path))
    // One that begins as an object does.
    let cut = NewObject(kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: "a", object: bad.name)]))
    try sample.repository.write([cut], durability: .processCrash)
    try Program.check([
      "truncate", "-s", "-5", "\(sample.path)/objects/\(cut.name.hex.prefix(2))/\(cut.name.hex.dropFirst(2))",
    ])
    #expect(try sample.repository.consolidate(looseLimit: 0).packed == 20)
    // The pack's count and checksum are those of what is in it.
    let index = sample.directory("index")
    try Program.check([
      "sh", "-c",
      "cd \(sample.path)/objects/pack && git verify-pack *.idx && git index-pack --strict -o \(index) *.pack",
    ])
    #expect(try FileManager.default.contentsOfDirectory(atPath: staging).isEmpty)
    #expect(FileManager.default.fileExists(atPath: path))
  }

  @Test func `a kept pack and packs that git has indexed together stay`() throws {
    let sample = try Sample()
    let head = try Self.fill(sample, 3)
    try sample.repository.consolidate(looseLimit: 0)
    _ = try Self.fill(sample, 3, from: head)
    try sample.git("multi-pack-index", "write")
    let now = Int(Date().timeIntervalSince1970) + 10_000
    let report = try sample.repository.consolidate(looseLimit: 0, now: now)
    #expect(report.packed == 12 && report.merged == 0)
    #expect(try Self.packs(sample) == 2)
    #expect(try sample.fsck().isEmpty)
  }
}
