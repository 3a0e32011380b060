import Testing

@testable import VirtualFS

@Suite("Names") struct NamesTests {
  @Test func `makes looks up and removes every kind of node`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.put("d/file", "secret")
    try f.symlink("file", "d/link")
    try f.mknod("d/fifo", .fifo)
    try f.mknod("d/socket", .socket)
    try f.mknod("d/null", .characterDevice(major: 1, minor: 3))
    try f.mknod("d/disk", .blockDevice(major: 8, minor: 1))
    #expect(try f.text("d/file") == "secret")
    #expect(try f.fs.readLink(f.inode("d/link")) == Array("file".utf8))
    #expect(try f.list("d") == ["file", "link", "fifo", "socket", "null", "disk"])
    #expect(f.backing.node("d/socket") == nil)
    let again = f.remounted()
    #expect(try again.tree() == f.tree())
    #expect(!again.exists("d/socket"))
    #expect(try again.stat("d/null").kind == .characterDevice(major: 1, minor: 3))
    expect(.notEmpty) { try f.rmdir("d") }
    for name in try f.list("d") { try f.unlink("d/\(name)") }
    try f.rmdir("d")
    #expect(f.backing.nodes.isEmpty)
    #expect(f.backing.violations == [])
  }

  @Test func `errors are those of Linux`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.mkdir("d/sub")
    try f.put("file", "x")
    expect(.exists) { try f.mkdir("d") }
    expect(.notFound) { try f.unlink("nothing") }
    expect(.isDirectory) { try f.unlink("d") }
    expect(.notDirectory) { try f.rmdir("file") }
    expect(.notDirectory) { try f.put("file/x", "") }
    expect(.invalidArgument) { try f.rename("d", "d/sub/d") }
    expect(.invalidArgument) { try f.rename("d", "d/self") }
    expect(.isDirectory) { try f.rename("file", "d") }
    expect(.notDirectory) { try f.rename("d", "file") }
    try f.mkdir("e")
    try f.put("e/x", "")
    expect(.notEmpty) { try f.rename("d", "e") }
    expect(.exists) { try f.rename("file", "e", .noReplace) }
    expect(.notFound) { try f.rename("file", "none", .exchange) }
    expect(.invalidArgument) { try f.rename("d/sub", "d", .exchange) }
    expect(.notPermitted) { try f.link("d", "hard") }
    expect(.exists) { _ = try f.create("file") }
    expect(.isDirectory) { _ = try f.create("d", exclusive: false) }
    expect(.isDirectory) { _ = try f.open("d") }
    expect(.nameTooLong) { _ = try Name([UInt8](repeating: 65, count: 256)) }
    expect(.nameTooLong) { try f.symlink(String(repeating: "a", count: 4096), "long") }
    try f.symlink(String(repeating: "a", count: 4095), "long")
    expect(.badHandle) { _ = try f.read(HandleID(rawValue: 99)) }
    expect(.stale) { _ = try f.fs.attributes(of: InodeID(rawValue: 99)) }
    #expect(f.backing.violations == [])
  }

  @Test func `exchange and replace keep both trees whole`() throws {
    let f = Fixture()
    try f.mkdir("a")
    try f.put("a/x", "1")
    try f.put("b", "2")
    try f.rename("a", "b", .exchange)
    #expect(try f.text("b/x") == "1" && f.text("a") == "2")
    #expect(f.backing.content("b/x") == Array("1".utf8))
    try f.mkdir("empty")
    try f.rename("b", "empty")
    #expect(try f.text("empty/x") == "1")
    #expect(!f.exists("b"))
    #expect(try f.remounted().tree() == f.tree())
    #expect(f.backing.violations == [])
  }

  @Test func `hard links share one object with all its names`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.put("one", "x")
    try f.link("one", "d/two")
    #expect(try f.stat("one").links == 2 && f.inode("one") == f.inode("d/two"))
    #expect(Set(f.backing.node("one")?.paths ?? []) == [Array("one".utf8), Array("d/two".utf8)])
    try f.rename("d", "e")
    #expect(f.backing.node("e/two") != nil)
    let again = f.remounted()
    #expect(try again.inode("one") == again.inode("e/two"))
    // Two names of one file: rename does nothing.
    try f.rename("one", "e/two")
    #expect(f.exists("one"))
    try f.unlink("one")
    #expect(try f.stat("e/two").links == 1 && f.text("e/two") == "x")
    #expect(f.backing.node("e/two")?.paths.count == 1)
  }

  @Test func `an unlinked open file lives until it is closed`() throws {
    let f = Fixture()
    try f.put("x", "before")
    let handle = try f.open("x")
    let inode = try f.inode("x")
    try f.unlink("x")
    #expect(f.backing.nodes.isEmpty)
    #expect(try f.fs.attributes(of: inode).links == 0)
    try f.write(handle, Array("AFTER".utf8))
    #expect(try f.read(handle) == Array("AFTERe".utf8))
    let commits = f.backing.batches.count
    try f.fsync(handle)
    try f.close(handle)
    #expect(f.backing.batches.count == commits)
    expect(.stale) { _ = try f.fs.attributes(of: inode) }
    #expect(f.fs.statistics().availableInodes == 999_999)
  }

  @Test func `a removed directory that is in use takes no new entries`() throws {
    let f = Fixture()
    try f.mkdir("d")
    let d = try f.fs.lookup(name("d"), in: .root).attributes.inode
    try f.rmdir("d")
    expect(.notFound) {
      _ = try f.fs.create(name("x"), in: d, mode: 0o600, options: .readWrite, exclusive: true, by: user)
    }
    var entries = 0
    try f.fs.readDirectory(d, from: 0, plus: false) { _ in
      entries += 1
      return true
    }
    #expect(entries == 0)
    f.fs.forget(d, lookups: 1)
    expect(.stale) { _ = try f.fs.attributes(of: d) }
  }

  @Test func `umask and setgid directories`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.set("d", by: superuser) { $0.group = 50 }
    try f.set("d", by: superuser) { $0.mode = 0o2775 }
    let masked = Credentials(user: 1000, group: 1000, umask: 0o027)
    try f.mkdir("d/sub", mode: 0o777, by: masked)
    #expect(try f.stat("d/sub").mode == 0o2750 && f.stat("d/sub").group == 50)
    f.fs.release(try f.create("d/file", mode: 0o2775, by: masked))
    // Not a member of group 50: the set-group-id bit of a program is dropped.
    #expect(try f.stat("d/file").mode == 0o750 && f.stat("d/file").group == 50)
    #expect(try f.stat("d/file").owner == 1000)
  }
}
