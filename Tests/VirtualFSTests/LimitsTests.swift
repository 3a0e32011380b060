import Testing

@testable import VirtualFS

/// What cannot be stored is refused by the call that asks for it, and keeps nothing else from being stored.
@Suite("Limits of the store") struct LimitsTests {
  private func fixture(path: Int = 100, total: Int = .max) -> Fixture {
    let backing = MemoryBacking()
    backing.storage.withLock {
      $0.limits.path = path
      $0.limits.total = total
      $0.limits.nameOverhead = 100
      $0.limits.attributeOverhead = 24
      $0.refusal = { node in node.paths.contains { $0.count > path } ? VFSError(.argumentListTooLong) : nil }
    }
    return Fixture(backing)
  }

  private let long = String(repeating: "x", count: 90)

  @Test func `a name whose path would be too long is refused, and nothing is left`() throws {
    let f = fixture()
    try f.mkdir(long)
    try f.put("a", "1")
    let count = f.backing.batches.count
    let path = "\(long)/1234567890"
    expect(.nameTooLong) { try f.mkdir(path) }
    expect(.nameTooLong) { try f.put(path, "1") }
    expect(.nameTooLong) { try f.symlink("a", path) }
    expect(.nameTooLong) { try f.mknod(path, .fifo) }
    expect(.nameTooLong) { try f.link("a", path) }
    expect(.nameTooLong) { try f.rename("a", path) }
    #expect(try f.list(long) == [] && f.list().sorted() == ["a", long].sorted() && f.backing.batches.count == count)
    #expect(f.fs.state.withLock { $0.dirty.isEmpty && $0.inodes.count == 3 })
    try f.put("\(long)/123456789", "1")
    #expect(f.backing.content("\(long)/123456789") != nil && f.fs.unstored().isEmpty)
  }

  @Test func `a tree is not renamed to where its depths would be too long`() throws {
    let f = fixture()
    try f.mkdir("tree")
    try f.mkdir("tree/\(long)")
    try f.put("tree/\(long)/abcd", "1")
    try f.mkdir("other")
    let before = try f.tree()
    let count = f.backing.batches.count
    expect(.nameTooLong) { try f.rename("tree", "other/tree") }
    expect(.nameTooLong) { try f.rename("tree", "trees") }
    try f.mkdir("other/place")
    expect(.nameTooLong) { try f.rename("tree", "other/place", .exchange) }
    try f.rmdir("other/place")
    #expect(try f.tree() == before)
    try f.rename("tree", "tee")
    #expect(f.backing.batches.count == count + 3 && f.backing.content("tee/\(long)/abcd") != nil)
  }

  @Test func `names and attributes of one file together are limited`() throws {
    let f = fixture(total: 950)
    try f.put("x", "1")
    // 101 bytes, then 102 and 1 for each further one.
    for index in 1...8 { try f.link("x", "\(index)") }
    expect(.tooManyLinks) { try f.link("x", "9") }
    expect(.noSpace) { try f.fs.setAttribute(Array("user.a".utf8), of: f.inode("x"), to: [0], mode: .any, by: user) }
    try f.unlink("8")
    try f.fs.setAttribute(Array("user.a".utf8), of: f.inode("x"), to: [0], mode: .any, by: user)
    expect(.noSpace) {
      try f.fs.setAttribute(
        Array("user.a".utf8), of: f.inode("x"), to: [UInt8](repeating: 0, count: 200), mode: .any, by: user)
    }
    // Longer paths of all of them.
    try f.mkdir("d")
    try f.rename("1", "d/1")
    expect(.nameTooLong) { try f.rename("d", "d" + String(repeating: "e", count: 95)) }
    #expect(try f.stat("x").links == 8)
    try f.sync()
    #expect(f.backing.violations == [])
  }

  @Test func `one that cannot be stored keeps no other from being stored, and is told`() throws {
    let f = fixture()
    f.backing.storage.withLock { $0.refusal = { $0.paths.contains(Array("bad".utf8)) ? VFSError(.corrupt) : nil } }
    expect(.corrupt) { try f.put("bad", "1") }
    try f.put("good", "2")
    try f.mkdir("d")
    try f.unlink("good")
    try f.rmdir("d")
    #expect(f.backing.nodes.isEmpty && f.fs.unstored().nodes.map(\.path) == [Array("bad".utf8)])
    #expect(f.fs.unstored().nodes.first?.error == VFSError(.corrupt))
    // Others' changes go on being shown.
    let object = ObjectID.random()
    let foreign = StoredNode(
      object: object, body: .regular(f.backing.foreignContent([1], of: object)), paths: [Array("theirs".utf8)],
      mode: 0o644, owner: 0, group: 0, modified: Timestamp(seconds: 1))
    f.backing.storage.withLock { $0.changes = [[.put(foreign)]] }
    try f.refresh()
    #expect(try f.bytes("theirs") == [1])
    expect(.corrupt) { try f.sync() }
    // It is tried again until it works.
    f.fs.tick()
    #expect(f.backing.node("bad") == nil)
    f.backing.storage.withLock { $0.refusal = { _ in nil } }
    f.fs.tick()
    #expect(f.backing.content("bad") == Array("1".utf8) && f.fs.unstored().isEmpty && f.backing.violations == [])
  }

  @Test func `a path that others made too long is stored elsewhere at the end`() throws {
    let f = fixture()
    try f.mkdir("d")
    let directory = try #require(f.backing.node("d"))
    let path = "d/\(String(repeating: "y", count: 91))"
    let handle = try f.create(path)
    try f.write(handle, Array("1".utf8))
    var moved = directory
    moved.paths = [Array("directory".utf8)]
    f.backing.storage.withLock { $0.changes = [[.put(moved)]] }
    try f.refresh()
    expect(.argumentListTooLong) { try f.flush(handle) }
    try f.put("directory/z", "2")
    try waiting { f.fs.finish(reply: $0) }
    #expect(f.fs.unstored().isEmpty && f.fs.unstored().relocations == 1)
    let names = f.backing.nodes.flatMap(\.paths).map { String(decoding: $0, as: UTF8.self) }
    let name = try #require(names.first { $0.hasPrefix("yyy") })
    #expect(f.backing.content(name) == Array("1".utf8) && f.backing.content("directory/z") == Array("2".utf8))
  }

  @Test func `what cannot be stored at the end is there in the next file system`() throws {
    let f = fixture()
    f.backing.storage.withLock { $0.kept = [:] }
    try f.put("x", "1")
    f.backing.storage.withLock { $0.failures = [VFSError](repeating: VFSError(.readOnly), count: 3) }
    expect(.readOnly) { try f.put("x", "2") }
    expect(.readOnly) { try f.symlink("x", "link") }
    let answer = Answer<Void>()
    f.fs.finish(reply: answer.reply)
    expect(.readOnly) { try answer.get() }
    #expect(f.fs.unstored().nodes.count == 2 && f.fs.unstored().nodes.allSatisfy(\.isKept))
    // Nothing that is stored is overwritten: it may be newer.
    let again = f.restarted()
    again.fs.tick()
    let names = try again.list().sorted()
    #expect(names.count == 3 && names[0...1] == ["link", "x"] && names[2].hasPrefix("x~"))
    #expect(try again.text("x") == "1" && again.text(names[2]) == "2")
    #expect(f.backing.keptPaths == [] && again.fs.unstored().isEmpty && f.backing.content(names[2]) == Array("2".utf8))
  }
}
