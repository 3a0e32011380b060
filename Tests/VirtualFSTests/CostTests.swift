import Testing

@testable import VirtualFS

/// What nodes that somebody else made cost; docs/security.md, "What a member can cost".
@Suite("Costs of others' nodes") struct CostTests {
  private func node(_ paths: [String], _ content: FileContent = FileContent(size: 0, parts: [])) -> StoredNode {
    StoredNode(
      object: .random(), body: .regular(content), paths: paths.map { Array($0.utf8) }, mode: 0o666, owner: 0, group: 0,
      modified: Timestamp(seconds: 5))
  }

  /// Work and memory follow the bytes of the paths, not their squares.
  @Test func `hard links thousands of directories deep are shown in time`() throws {
    let deep = String(repeating: "a/", count: 4080)
    let links = node((0..<56).map { "\($0)/\(deep)x" })
    let f = Fixture()
    let start = ContinuousClock.now
    f.fs.populate([links, node(["shallow"])])
    #expect(ContinuousClock.now - start < .seconds(20))
    let found = try f.fs.lookup(name("55"), in: .root).attributes
    #expect(found.kind == .directory && found.mode == 0o700)
    #expect(f.fs.statistics().availableInodes == Int64(Options().maximumInodes) - 56 * 4081 - 3)
    // And when they go, come and move while mounted.
    let moved = { (prefix: String) in
      var node = links
      node.paths = (0..<56).map { Array("\(prefix)\($0)/\(deep)x".utf8) }
      return node
    }
    for change in [ExternalChange.put(moved("m")), .removed(links.object), .put(links)] {
      f.backing.storage.withLock { $0.changes.append([change]) }
      try f.refresh()
    }
    #expect(ContinuousClock.now - start < .seconds(60))
    #expect(try f.fs.lookup(name("55"), in: .root).attributes.kind == .directory)
  }

  @Test func `a piece that stands for a whole large file takes room once, and keeps nobody from writing`() throws {
    let f = Fixture()
    let count = 65_536
    let reference = ContentReference(words: (1, 2, 3), tag: 1 << 20)
    let content = FileContent(
      size: Int64(count) * Int64(FileContent.partSize), parts: Array(repeating: .stored(reference), count: count))
    f.fs.populate([node(["huge"], content)])
    let before = f.fs.statistics()
    #expect(before.available >= before.capacity - (2 << 20))
    try f.put("mine", "written")
    #expect(try f.text("mine") == "written")
    #expect(try f.stat("huge").size == 64 << 30)
    // Sums hold when it is changed, cut and removed.
    try f.truncate("huge", 1 << 30)
    #expect(f.fs.statistics().available == before.available - 4096)
    try f.truncate("huge", 1 << 20)
    #expect(f.fs.statistics().available == before.available - 4096)
    try f.unlink("huge", by: superuser)
    #expect(f.fs.statistics().available == before.capacity - 4096)
  }
}
