import Testing

@testable import VirtualFS

/// What programs compare to find out whether a file is the same, and has not changed.
@Suite("Lasting attributes") struct LastingTests {
  private struct Stamp: Equatable {
    let number: UInt32
    let modified: Timestamp
    let changed: Timestamp
  }

  private func stamps(_ f: Fixture, _ path: String = "") throws -> [String: Stamp] {
    let attributes = try f.stat(path)
    var result = [
      path: Stamp(number: attributes.number, modified: attributes.modified, changed: attributes.changed)
    ]
    guard attributes.kind == .directory else { return result }
    for name in try f.list(path) { result.merge(try stamps(f, path.isEmpty ? name : "\(path)/\(name)")) { a, _ in a } }
    return result
  }

  @Test func `numbers and times are the same after a remount`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.put("d/x", "1")
    try f.link("d/x", "d/y")
    try f.symlink("x", "d/l")
    try f.mknod("p", .fifo)
    // Saved by renaming, changed without a new mtime, renamed.
    try f.put("saved", "1")
    let number = try f.stat("saved").number
    let handle = try f.create("new")
    try f.write(handle, [2])
    try f.rename("new", "saved")
    try f.close(handle)
    #expect(try f.stat("saved").number == number)
    try f.set("d/x", by: superuser) { $0.mode = 0o600 }
    try f.rename("p", "d/q")
    // As cp -a leaves a directory.
    try f.mkdir("copied")
    try f.put("copied/z", "1")
    try f.set("copied/z") { $0.modified = .at(Timestamp(seconds: 3, nanoseconds: 4)) }
    try f.set("copied") { $0.modified = .at(Timestamp(seconds: 1, nanoseconds: 2)) }
    try f.sync()
    let before = try stamps(f)
    let after = try stamps(f.remounted())
    for (path, stamp) in before where !path.isEmpty { #expect(after[path] == stamp, "\(path)") }
    #expect(before[""]?.number == 1 && after[""]?.number == 1)
    #expect(Set(before.values.map(\.number)).count == before.count - 1, "but for the two names of one file")
    // An entry that comes later is newer than the directory's own time.
    f.clock.advance(seconds: 5)
    try f.put("copied/new", "1")
    try f.sync()
    #expect(try f.remounted().stat("copied").modified == f.stat("copied/new").changed)
    #expect(f.backing.violations == [])
  }

  @Test func `a peer shows a directory's own time, however it comes`() throws {
    let f = Fixture()
    let own = Timestamp(seconds: 1, nanoseconds: 2)
    func file(_ path: String, at seconds: Int64) -> ExternalChange {
      .put(
        StoredNode(
          object: .random(), body: .regular(FileContent(size: 0, parts: [])), paths: [Array(path.utf8)], mode: 0o600,
          owner: 0, group: 0, modified: Timestamp(seconds: seconds)))
    }
    let object = ObjectID.random()
    func directory(_ modified: Timestamp, at seconds: Int64) -> ExternalChange {
      .put(
        StoredNode(
          object: object, body: .directory, paths: [[0x64]], mode: 0o700, owner: 0, group: 0, modified: modified,
          changed: Timestamp(seconds: seconds)))
    }
    func arrive(_ changes: ExternalChange...) throws {
      f.backing.storage.withLock { $0.changes.append(changes) }
      try f.refresh()
    }
    try arrive(directory(Timestamp(seconds: 10), at: 10))
    try arrive(file("d/x", at: 17))
    #expect(try f.stat("d").modified > Timestamp(seconds: 17))
    try arrive(directory(own, at: 18))
    #expect(try f.stat("d").modified == own)
    try arrive(directory(own, at: 20), file("d/y", at: 19))
    #expect(try f.stat("d").modified == own)
  }

  @Test func `numbers fit 32 bits, and no two files of one table have the same`() throws {
    let numbers = InodeNumbers()
    let object = ObjectID(high: 5, low: 6)
    let first = numbers.take(for: object)
    let second = numbers.take(for: object)
    #expect(first != second && first == InodeNumbers.number(of: object, probe: 0))
    numbers.release(first)
    #expect(numbers.take(for: object) == first)
    // Two volumes of the same content in one mount.
    let backing = MemoryBacking()
    try Fixture(backing).put("x", "1")
    let a = Fixture(backing) { ($0.numbers, $0.rootIdentity) = (numbers, ObjectID(high: 1, low: 1)) }
    let b = Fixture(backing) { ($0.numbers, $0.rootIdentity) = (numbers, ObjectID(high: 1, low: 2)) }
    let shown = [try a.stat(""), try a.stat("x"), try b.stat(""), try b.stat("x")].map(\.number)
    #expect(Set(shown + [1]).count == 5)
    var listed: [UInt32] = []
    try a.fs.readDirectory(.root, from: 0, plus: false) { entry in
      listed.append(entry.number)
      return true
    }
    #expect(listed == [shown[0], 1, shown[1]])
  }

  @Test func `who has a file open that is replaced can tell it from the new one`() throws {
    let f = Fixture()
    try f.put("log", "1")
    let inode = try f.inode("log")
    let reader = try f.open("log", .readOnly)
    let handle = try f.create("new")
    try f.rename("new", "log")
    try f.close(handle)
    #expect(try f.fs.attributes(of: inode).number != f.stat("log").number)
    f.fs.release(reader)
  }

  @Test func `a directory that only paths stand for keeps its number`() throws {
    let backing = MemoryBacking()
    let node = StoredNode(
      object: .random(), body: .fifo, paths: [Array("a/b/p".utf8)], mode: 0o600, owner: 0, group: 0,
      modified: Timestamp(seconds: 1))
    backing.storage.withLock { $0.nodes[node.object] = node }
    #expect(try stamps(Fixture(backing)) == stamps(Fixture(backing)))
  }

  @Test func `the group may be changed where owners are presented, the owner may not`() throws {
    let f = Fixture { $0.presentedOwner = (user: 1000, group: 1000) }
    try f.put("x", "1")
    let commits = f.backing.batches.count
    #expect(try f.set("x") { ($0.owner, $0.group) = (1000, 27) }.group == 27)
    expect(.notPermitted) { try f.set("x") { $0.owner = 0 } }
    try f.sync()
    #expect(f.backing.node("x")?.group == 1000 && f.backing.batches.count <= commits + 1)
  }

  @Test func `times of access are kept as the mount was told`() throws {
    for (kept, expected) in [(AccessTimes.all, [true, true]), (.filesOnly, [true, false]), (.none, [false, false])] {
      let f = Fixture { $0.accessTimes = kept }
      try f.put("x", "1")
      let before = [try f.stat("x").accessed, try f.stat("").accessed]
      f.clock.advance(seconds: 90_000)
      _ = try f.text("x")
      _ = try f.list()
      let after = [try f.stat("x").accessed, try f.stat("").accessed]
      #expect(zip(before, after).map { $0 < $1 } == expected)
    }
  }

  @Test func `a reserved name is refused at the root, however it would come there`() throws {
    let f = Fixture { $0.isReserved = { $0 == name(".conflicts") } }
    try f.put("x", "1")
    expect(.notPermitted) { try f.mkdir(".conflicts") }
    expect(.notPermitted) { _ = try f.create(".conflicts") }
    expect(.notPermitted) { try f.symlink("x", ".conflicts") }
    expect(.notPermitted) { try f.link("x", ".conflicts") }
    expect(.notPermitted) { try f.rename("x", ".conflicts") }
    try f.mkdir("d")
    try f.mkdir("d/.conflicts")
  }

  @Test func `a file has 255 links at most, which bounds what its history takes`() throws {
    let f = Fixture()
    try f.put("x", "1")
    for number in 1..<255 { try f.link("x", "x\(number)") }
    expect(.tooManyLinks) { try f.link("x", "y") }
  }
}
