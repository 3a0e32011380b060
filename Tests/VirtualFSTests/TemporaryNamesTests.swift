import Testing

@testable import VirtualFS

/// Files under the names of editors and copiers: in memory while they are open, then secrets like any.
@Suite("Temporary names") struct TemporaryNamesTests {
  private func fixture() -> Fixture {
    Fixture {
      $0.isEphemeral = { $0.bytes.last == 0x7E || $0.bytes.starts(with: ".#".utf8) }
      $0.isProvisional = { $0.bytes.suffix(4) == Array(".tmp".utf8) }
      $0.isLock = { $0.bytes.suffix(5) == Array(".lock".utf8) }
    }
  }

  @Test(arguments: ["key~", "key.tmp"])
  func `a file that nobody has open is stored after five seconds, whatever its name`(path: String) throws {
    let f = fixture()
    let handle = try f.create(path)
    try f.write(handle, Array("1".utf8))
    try f.flush(handle)
    // As long as it is open, it is an editor's.
    f.clock.advance(seconds: 60)
    f.fs.tick()
    #expect(f.backing.batches.isEmpty)
    f.fs.release(handle)
    f.clock.advance(seconds: 4.9)
    f.fs.tick()
    #expect(f.backing.batches.isEmpty)
    f.clock.advance(seconds: 0.2)
    f.fs.tick()
    #expect(f.backing.content(path) == Array("1".utf8) && f.backing.batches.count == 1)
    // From then on it is a file like any.
    try f.put(path, "2")
    #expect(f.backing.content(path) == Array("2".utf8) && f.backing.violations == [])
  }

  @Test func `all is stored at the end, open or not`() throws {
    let f = fixture()
    try f.put("key~", "1")
    try f.symlink("user@host.1", ".#key")
    let open = try f.create("open~")
    try f.write(open, Array("2".utf8))
    try f.put("key.tmp", "3")
    #expect(f.backing.batches.isEmpty)
    try waiting { f.fs.finish(reply: $0) }
    #expect(f.backing.content("key~") == Array("1".utf8) && f.backing.content("open~") == Array("2".utf8))
    #expect(f.backing.content("key.tmp") == Array("3".utf8) && f.backing.node(".#key") != nil)
  }

  @Test func `a link that a killed editor leaves is stored after five seconds, one that goes before is not`() throws {
    let f = fixture()
    try f.symlink("user@host.1", ".#gone")
    try f.unlink(".#gone")
    try f.symlink("user@host.1", ".#left")
    f.clock.advance(seconds: 5)
    f.fs.tick()
    #expect(f.backing.batches.count == 1 && f.backing.nodes.count == 1 && f.backing.node(".#left") != nil)
  }

  @Test func `renamed or linked to another name it is stored at once`() throws {
    let f = fixture()
    try f.put("a~", "1")
    try f.link("a~", "real")
    #expect(f.backing.node("a~") != nil && f.backing.content("real") == Array("1".utf8))
    try f.put("b.tmp", "2")
    try f.rename("b.tmp", "b")
    #expect(f.backing.content("b") == Array("2".utf8) && f.backing.batches.count == 2)
  }

  @Test func `a rename starts the time anew`() throws {
    let f = fixture()
    try f.put("a~", "1")
    f.clock.advance(seconds: 4)
    try f.rename("a~", "b~")
    f.clock.advance(seconds: 4)
    f.fs.tick()
    #expect(f.backing.batches.isEmpty)
    f.clock.advance(seconds: 1)
    f.fs.tick()
    #expect(f.backing.content("b~") == Array("1".utf8))
  }

  @Test func `a lock made by a second name of a temporary file is no version`() throws {
    let f = fixture()
    // As GnuPG's dotlock: both names while it is held, then the lock goes, then the file.
    for _ in 0..<3 {
      try f.put(".#lk1", "pid")
      try f.link(".#lk1", "ring.lock")
      #expect(try f.stat(".#lk1").links == 2)
      f.fs.tick()
      try f.unlink("ring.lock")
      try f.unlink(".#lk1")
    }
    #expect(f.backing.batches.isEmpty && f.backing.nodes.isEmpty)
    // As mailers do: the file's own name goes first.
    try f.put(".#lk1", "pid")
    try f.link(".#lk1", "box.lock")
    try f.unlink(".#lk1")
    try f.unlink("box.lock")
    #expect(f.backing.batches.isEmpty)
    // One that stays is stored, and so is a file that is called so from its beginning.
    try f.put(".#lk1", "pid")
    try f.link(".#lk1", "ring.lock")
    f.clock.advance(seconds: 5)
    f.fs.tick()
    #expect(f.backing.node("ring.lock")?.paths.count == 2)
    try f.put("Gemfile.lock", "1")
    #expect(f.backing.content("Gemfile.lock") == Array("1".utf8))
  }

  @Test func `a backup over an older one takes nothing from the secret's history`() throws {
    let f = fixture()
    try f.put("secret", "1")
    let object = try #require(f.backing.node("secret")?.object)
    for round in 2...4 {
      // As Emacs does: it renames over the backup before.
      try f.rename("secret", "secret~")
      try f.put("secret", "\(round)")
      #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == Array("\(round)".utf8))
      #expect(try f.text("secret~") == "\(round - 1)")
      f.clock.advance(seconds: 6)
      f.fs.tick()
      #expect(f.backing.content("secret~") == Array("\(round - 1)".utf8) && f.backing.nodes.count == 2)
    }
    #expect(f.backing.violations == [])
  }
}
