import Synchronization
import Testing

@testable import VirtualFS

@Suite("External changes") struct ExternalTests {
  /// Another writer's version of what is stored at `path`.
  private func edited(_ f: Fixture, _ path: String, _ edit: (inout StoredNode) -> Void) throws -> ExternalChange {
    var node = try #require(f.backing.node(path))
    edit(&node)
    return .put(node)
  }

  private func file(_ f: Fixture, _ path: String, _ text: String, object: ObjectID = .random()) -> ExternalChange {
    .put(
      StoredNode(
        object: object, body: .regular(f.backing.foreignContent(Array(text.utf8), of: object)),
        paths: [Array(path.utf8)], mode: 0o644, owner: 1, group: 1, modified: Timestamp(seconds: 5)))
  }

  private func arrive(_ f: Fixture, _ changes: ExternalChange...) throws {
    f.backing.storage.withLock { $0.changes.append(changes) }
    try f.refresh()
  }

  @Test func `new content lands in place`() throws {
    let f = Fixture()
    try f.put("x", "old")
    let inode = try f.fs.lookup(name("x"), in: .root).attributes.inode
    let reader = try f.open("x", .readOnly)
    let before = try f.stat("x")
    let content = f.backing.foreignContent(Array("new".utf8), of: try #require(f.backing.node("x")).object)
    try arrive(f, try edited(f, "x") { $0.body = .regular(content) })
    #expect(try f.inode("x") == inode)
    #expect(try f.read(reader) == Array("new".utf8))
    // Same size, same stored time: the time must differ all the same.
    #expect(try f.stat("x").modified != before.modified && f.stat("x").changed > before.changed)
    #expect(f.invalidations.take() == [.inode(inode, .content, isOpen: true)])
    f.fs.release(reader)
    f.fs.forget(inode, lookups: 1)
  }

  @Test func `new content of a file that is dated as late as can be is seen, and harms nothing`() throws {
    let f = Fixture()
    try f.put("x", "old")
    let last = Timestamp(seconds: .max, nanoseconds: 999_999_999)
    try arrive(f, try edited(f, "x") { $0.modified = last })
    let content = f.backing.foreignContent(Array("new".utf8), of: try #require(f.backing.node("x")).object)
    try arrive(
      f,
      try edited(f, "x") {
        $0.modified = last
        $0.body = .regular(content)
      })
    #expect(try f.text("x") == "new" && f.stat("x").modified != last)
  }

  @Test func `what another changed is not hidden by what a full disk keeps from being emptied`() throws {
    let f = Fixture(MemoryBacking()) { $0.diskReserve = 1000 }
    try f.put("x", "old")
    let handle = try f.open("x", .only(\.write, \.truncate))
    let content = f.backing.foreignContent(Array("new".utf8), of: try #require(f.backing.node("x")).object)
    try arrive(f, try edited(f, "x") { $0.body = .regular(content) })
    f.backing.storage.withLock { $0.available = 1001 }
    expect(.noSpace) { try f.write(handle, [1, 2]) }
    f.backing.storage.withLock { $0.available = 1 << 30 }
    try f.close(handle)
    // What is shown is what is stored, whichever it is.
    #expect(try f.backing.content("x") == f.bytes("x"))
  }

  @Test func `additions, moves and removals`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.put("d/x", "1")
    try f.put("y", "2")
    let (d, x, y) = (try f.inode("d"), try f.inode("d/x"), try f.inode("y"))
    _ = try f.fs.lookup(name("y"), in: .root)
    let yObject = try #require(f.backing.node("y")?.object)
    let open = try f.open("y", .readOnly)
    try arrive(
      f, file(f, "new/deep/z", "3"), try edited(f, "d") { $0.paths = [Array("e".utf8)] },
      try edited(f, "d/x") { $0.paths = [Array("e/x".utf8)] }, .removed(yObject))
    #expect(try f.inode("e") == d && f.inode("e/x") == x && !f.exists("d") && !f.exists("y"))
    #expect(try f.text("new/deep/z") == "3" && f.stat("new").mode == 0o700)
    #expect(try f.read(open) == Array("2".utf8))
    let told = f.invalidations.take()
    func node(_ inode: InodeID, _ kind: FileKind) -> EntryChange.Node { EntryChange.Node(inode: inode, kind: kind) }
    func entry(_ text: String, _ before: EntryChange.Node?, _ after: EntryChange.Node?, isGone: Bool) -> Invalidation {
      .entry(EntryChange(parent: .root, name: name(text), before: before, after: after, isGone: isGone))
    }
    let entries = told.filter { if case .entry = $0 { true } else { false } }
    // Nobody has looked into the directories: what is in them is known to no cache.
    #expect(
      Set(entries) == [
        entry("y", node(y, .regular), nil, isGone: true), entry("d", node(d, .directory), nil, isGone: false),
        entry("e", nil, node(d, .directory), isGone: false),
        entry("new", nil, node(try f.inode("new"), .directory), isGone: false),
      ])
    // Listings of the root are stale, though no entry of it was known to be absent.
    #expect(told.contains(.inode(.root, .names, isOpen: false)) && told.contains(.inode(y, .names, isOpen: true)))
    // The parents that are missing in the store are implied by the paths.
    #expect(f.backing.node("new/deep") == nil)
    #expect(f.backing.violations == [])
  }

  @Test func `two files swap names`() throws {
    let f = Fixture()
    try f.put("a", "1")
    try f.put("b", "2")
    let (a, b) = (try f.inode("a"), try f.inode("b"))
    try arrive(f, try edited(f, "a") { $0.paths = [[0x62]] }, try edited(f, "b") { $0.paths = [[0x61]] })
    #expect(try f.inode("b") == a && f.inode("a") == b)
    #expect(f.backing.violations == [])
  }

  @Test func `what is changed here wins and is committed next`() throws {
    let f = Fixture()
    try f.put("x", "old")
    let handle = try f.open("x")
    try f.write(handle, Array("mine".utf8))
    let object = try #require(f.backing.node("x")?.object)
    let content = f.backing.foreignContent(Array("theirs".utf8), of: object)
    try arrive(f, try edited(f, "x") { $0.body = .regular(content) })
    #expect(try f.text("x") == "mine")
    try f.close(handle)
    #expect(f.backing.content("x") == Array("mine".utf8))
    // Modified here beats deleted there.
    let again = try f.open("x")
    try f.write(again, Array("MINE".utf8))
    try arrive(f, .removed(object))
    #expect(try f.text("x") == "MINE")
    try f.close(again)
    #expect(f.backing.content("x") == Array("MINE".utf8))
    #expect(f.backing.violations == [])
  }

  @Test func `a commit that is outdated is made again`() throws {
    let f = Fixture()
    try f.put("x", "1")
    f.backing.storage.withLock { storage in storage.changes = [[], []] }
    f.backing.storage.withLock { _ in }
    let other = file(f, "y", "2")
    f.backing.storage.withLock { $0.changes[1] = [other] }
    try f.put("z", "3")
    #expect(try f.text("y") == "2" && f.text("z") == "3" && f.backing.nodes.count == 3)
    f.backing.storage.withLock { $0.changes = Array(repeating: [], count: 100) }
    expect(.io) { try f.mkdir("d") }
    f.fs.tick()
    #expect(f.backing.node("d") != nil)
  }

  @Test func `a name claimed twice is kept by the one changed here`() throws {
    let f = Fixture()
    let handle = try f.create("x")
    try f.write(handle, Array("mine".utf8))
    let theirs = ObjectID(high: 0xabcd_ef01_2345_6789, low: 1)
    try arrive(f, file(f, "x", "theirs", object: theirs))
    #expect(try f.text("x") == "mine" && f.text("x~abcdef01") == "theirs")
    #expect(f.backing.content("x~abcdef01") == Array("theirs".utf8))
    try f.close(handle)
    #expect(f.backing.content("x") == Array("mine".utf8))
    #expect(f.backing.violations == [])
    // A clean one gives way.
    try arrive(f, .removed(try #require(f.backing.node("x")?.object)), file(f, "x", "new"))
    #expect(try f.text("x") == "new")
  }

  @Test func `both make one directory`() throws {
    let f = Fixture()
    f.backing.storage.withLock { $0.failures = [VFSError(.io)] }
    expect(.io) { try f.mkdir("d") }
    let d = try f.inode("d")
    let object = ObjectID.random()
    let directory = StoredNode(
      object: object, body: .directory, paths: [[0x64]], mode: 0o711, owner: 3, group: 3,
      modified: Timestamp(seconds: 1))
    f.backing.storage.withLock { $0.changes = [[.put(directory)]] }
    try f.put("d/x", "1")
    #expect(try f.inode("d") == d)
    #expect(f.backing.node("d")?.object == object && f.backing.content("d/x") == Array("1".utf8))
    #expect(f.backing.violations == [])
    // A directory in use stays when others remove it, as long as paths lead through it, and is no version for that.
    try arrive(f, .removed(object))
    #expect(try f.inode("d") == d && f.text("d/x") == "1")
    #expect(f.backing.node("d") == nil)
    // Who works in it makes it again.
    try f.put("d/y", "2")
    #expect(f.backing.node("d") != nil && f.backing.violations.isEmpty)
  }

  @Test func `an implied directory goes with the last path through it`() throws {
    let f = Fixture()
    let object = ObjectID.random()
    try arrive(f, file(f, "a/b/x", "1", object: object))
    #expect(Set(try f.tree().keys) == ["a", "a/b", "a/b/x"])
    try f.sync()
    #expect(f.backing.node("a") == nil && f.backing.node("a/b") == nil)
    try arrive(f, .removed(object))
    #expect(try f.tree().isEmpty)
  }

  @Test func `what is stored in a directory's old place stays there when others move the directory`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.put("d/moved", "1")
    try f.put("d/new", "2")
    let before = f.backing.nodes.count
    try arrive(
      f, try edited(f, "d") { $0.paths = [[0x65]] }, try edited(f, "d/moved") { $0.paths = [Array("e/moved".utf8)] })
    #expect(try f.text("e/moved") == "1" && f.text("d/new") == "2")
    try f.sync()
    #expect(f.backing.nodes.count == before && f.backing.content("d/new") == Array("2".utf8))
  }

  @Test func `a directory from outside moves a file out of its way`() throws {
    let f = Fixture()
    let handle = try f.create("d")
    try f.write(handle, Array("file".utf8))
    let inode = try f.inode("d")
    try arrive(f, file(f, "d/x", "1"))
    #expect(try f.text("d/x") == "1")
    let aside = try #require(try f.list().first { $0.hasPrefix("d~") })
    #expect(try f.inode(aside) == inode)
    try f.close(handle)
    #expect(f.backing.content(aside) == Array("file".utf8))
    #expect(f.backing.violations == [])
  }

  @Test func `nodes of any order, without parents and without sense`() throws {
    let backing = MemoryBacking()
    let f = Fixture(backing)
    func node(_ path: String, _ body: StoredNode.Body) -> StoredNode {
      StoredNode(
        object: .random(), body: body, paths: [Array(path.utf8)], mode: 0o600, owner: 0, group: 0,
        modified: Timestamp(seconds: 1))
    }
    f.fs.populate([
      node("a/b/c", .fifo), node("a/b", .directory), node("a", .directory), node("q/../r", .fifo), node("/x", .fifo),
      node("m/n", .symbolicLink(target: [1])),
    ])
    #expect(Set(try f.tree().keys) == ["a", "a/b", "a/b/c", "m", "m/n"])
    #expect(try f.stat("a").mode == 0o600 && f.stat("m").mode == 0o700)
    #expect(f.invalidations.take().isEmpty)
    try f.sync()
    #expect(backing.nodes.isEmpty)
  }

  @Test func `the root's mode is stored once it is changed`() throws {
    let f = Fixture()
    try f.set("", by: superuser) { $0.mode = 0o755 }
    try f.sync()
    #expect(f.backing.nodes.first?.paths == [])
    #expect(try f.remounted().stat("").mode == 0o755)
  }
}
