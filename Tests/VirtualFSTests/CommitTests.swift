import Synchronization
import Testing

@testable import VirtualFS

@Suite("Commits") struct CommitTests {
  @Test func `a commit point is stored before it replies`() throws {
    let f = Fixture()
    try f.mkdir("d")
    #expect(f.backing.batches.count == 1)
    let handle = try f.create("d/x")
    try f.write(handle, Array("half".utf8))
    #expect(f.backing.batches.count == 1)
    // Another's commit point does not take a new, unfinished file along.
    try f.mkdir("e")
    #expect(f.backing.node("d/x") == nil)
    try f.flush(handle)
    #expect(f.backing.content("d/x") == Array("half".utf8))
    try f.write(handle, Array("more".utf8), at: 4)
    try f.mkdir("g")
    #expect(f.backing.content("d/x") == Array("half".utf8))
    try f.fsync(handle)
    #expect(f.backing.content("d/x") == Array("halfmore".utf8))
    #expect(f.backing.batches.last?.durable == true)
    let count = f.backing.batches.count
    try f.close(handle)
    let reader = try f.open("d/x", .readOnly)
    try f.close(reader)
    #expect(f.backing.batches.count == count)
    try f.truncate("d/x", 2)
    #expect(f.backing.content("d/x") == Array("ha".utf8))
    let synchronous = try f.open("d/x", .only(\.write, \.synchronous))
    try f.write(synchronous, Array("HA".utf8))
    #expect(f.backing.content("d/x") == Array("HA".utf8))
    #expect(f.backing.batches.last?.durable == true)
    #expect(f.backing.violations == [])
  }

  @Test func `attributes ride along or wait a second, open files five`() throws {
    let f = Fixture()
    try f.put("x", "1")
    let count = f.backing.batches.count
    try f.set("x") { $0.mode = 0o600 }
    f.fs.tick()
    #expect(f.backing.batches.count == count)
    try f.set("x") { $0.mode = 0o640 }
    f.fs.tick()
    #expect(f.backing.batches.count == count)
    f.clock.advance(seconds: 1)
    f.fs.tick()
    #expect(f.backing.node("x")?.mode == 0o640)
    let handle = try f.open("x")
    try f.write(handle, Array("22".utf8))
    f.clock.advance(seconds: 4)
    f.fs.tick()
    #expect(f.backing.content("x") == Array("1".utf8))
    f.clock.advance(seconds: 1)
    f.fs.tick()
    #expect(f.backing.content("x") == Array("22".utf8))
    let fresh = try f.create("new")
    f.clock.advance(seconds: 5)
    f.fs.tick()
    #expect(f.backing.content("new") == [])
    f.fs.release(fresh)
    f.fs.release(handle)
  }

  @Test func `tick makes earlier commits durable, once`() throws {
    let f = Fixture()
    try f.mkdir("d")
    #expect(f.backing.batches.last?.durable == false)
    f.fs.tick()
    f.fs.tick()
    #expect(f.backing.batches.count == 1 && f.backing.storage.withLock { $0.syncs } == 1)
    try waiting { f.fs.synchronizeDirectory(.root, reply: $0) }
    #expect(f.backing.batches.count == 2 && f.backing.batches[1].durable && f.backing.batches[1].puts.isEmpty)
  }

  @Test func `a failed commit is reported, kept and tried again`() throws {
    let f = Fixture()
    f.backing.storage.withLock { $0.failures = [VFSError(.noSpace), VFSError(.io), VFSError(.io)] }
    expect(.noSpace) { try f.mkdir("d") }
    #expect(f.exists("d") && f.backing.nodes.isEmpty)
    #expect(try f.stat("d").links == 2)
    expect(.io) { try f.put("d/x", "1") }
    f.fs.tick()
    #expect(f.backing.nodes.isEmpty)
    f.fs.tick()
    #expect(f.backing.content("d/x") == Array("1".utf8))
    #expect(f.backing.violations == [])
    // Born and deleted while commits fail: nothing is ever told of it.
    f.backing.storage.withLock { $0.failures = [VFSError(.io), VFSError(.io)] }
    expect(.io) { try f.put("y", "1") }
    try f.unlink("y")
    f.backing.storage.withLock { $0.failures = [] }
    let count = f.backing.batches.count
    try f.sync()
    #expect(f.backing.batches.dropFirst(count).allSatisfy { $0.removals.isEmpty })
  }

  @Test func `renaming a directory stores every path below it in one commit`() throws {
    let f = Fixture()
    try f.mkdir("a")
    try f.mkdir("a/b")
    try f.put("a/b/x", "1")
    let open = try f.create("a/b/new")
    let count = f.backing.batches.count
    try f.rename("a", "z")
    #expect(f.backing.batches.count == count + 1)
    #expect(f.backing.node("z/b/x") != nil && f.backing.node("a/b/x") == nil)
    #expect(f.backing.node("z/b/new") == nil)
    try f.close(open)
    #expect(f.backing.node("z/b/new") != nil)
    #expect(f.backing.violations == [])
  }

  @Test func `saving by rename keeps the object and its history`() throws {
    let f = Fixture { $0.isEphemeral = { $0.bytes.last == 0x7E || $0.bytes.starts(with: ".tmp".utf8) } }
    try f.put("secret", "old")
    let object = try #require(f.backing.node("secret")?.object)
    let count = f.backing.batches.count
    try f.put(".tmp1", "new")
    #expect(f.backing.batches.count == count)
    let reader = try f.open("secret", .readOnly)
    try f.rename(".tmp1", "secret")
    #expect(f.backing.node("secret")?.object == object && f.backing.nodes.count == 1)
    #expect(f.backing.content("secret") == Array("new".utf8))
    _ = f.fs.dropCaches()
    #expect(try f.read(reader) == Array("old".utf8))
    // Without an ephemeral name: a file that was not closed yet.
    let handle = try f.create("other")
    try f.write(handle, Array("3".utf8))
    try f.rename("other", "secret")
    #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == Array("3".utf8))
    try f.close(handle)
    // One that was stored under its own name goes on as the object that it replaces, too.
    try f.put("other", "4")
    try f.rename("other", "secret")
    #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == Array("4".utf8))
    #expect(f.backing.nodes.count == 1)
    // An editor's backup: the file that is written in its place goes on as the same object.
    try f.rename("secret", "secret~")
    #expect(f.backing.node("secret")?.object == object)
    try f.put("secret", "5")
    #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == Array("5".utf8))
    #expect(f.backing.nodes.count == 1 && f.exists("secret~"))
    // Once persisted, always persisted, whatever the name, if nothing is written in its place.
    try f.rename("secret", "secret2~")
    f.clock.advance(seconds: 5)
    f.fs.tick()
    #expect(f.backing.node("secret2~")?.object == object && f.backing.node("secret") == nil)
    #expect(f.backing.violations == [])
  }

  @Test func `waiters share the next commit and every reply comes once`() throws {
    let f = Fixture()
    try f.mkdir("d")
    let answers = (0..<10).map { _ in Answer<Entry>() }
    let ran = Atomic<Bool>(false)
    let replying = Answer<Void>()
    f.backing.hook.withLock { hook in
      hook = {
        guard !ran.exchange(true, ordering: .relaxed) else { return }
        for (index, answer) in answers.enumerated() {
          f.fs.makeDirectory(name("n\(index)"), in: .root, mode: 0o700, by: user, reply: answer.reply)
        }
        #expect(answers.allSatisfy { $0.count == 0 })
        // A change of what is in flight stays dirty.
        _ = try? f.write(f.open("x"), Array("second".utf8))
        f.fs.refresh(reply: replying.reply)
      }
    }
    let count = f.backing.batches.count
    try f.put("x", "1")
    for answer in answers { _ = try answer.get() }
    try replying.get()
    #expect(f.backing.batches.count == count + 2)
    #expect(f.backing.content("x") == Array("1".utf8))
    f.backing.hook.withLock { $0 = nil }
    try f.sync()
    #expect(f.backing.content("x") == Array("second".utf8))
    #expect(f.backing.violations == [])
  }

  @Test func `what is unlinked while it is committed is removed afterwards`() throws {
    let f = Fixture()
    let ran = Atomic<Bool>(false)
    f.backing.hook.withLock { hook in
      hook = {
        guard !ran.exchange(true, ordering: .relaxed) else { return }
        f.fs.removeFile(name("x"), in: .root, by: user) { _ in }
      }
    }
    try f.put("x", "1")
    #expect(f.backing.batches.count == 2 && f.backing.nodes.isEmpty)
    ran.store(false, ordering: .relaxed)
    f.backing.storage.withLock { $0.failures = [VFSError(.io)] }
    expect(.io) { try f.put("x", "1") }
    try f.sync()
    #expect(f.backing.batches.allSatisfy { $0.removals.count <= 1 } && f.backing.nodes.isEmpty)
    #expect(f.fs.state.withLock { $0.removals.isEmpty && $0.dirty.isEmpty && $0.inodes.count == 1 })
  }

  @Test func `read-only refuses every change and commits nothing`() throws {
    let f = Fixture()
    try f.put("x", "1")
    let r = f.remounted { $0.isReadOnly = true }
    expect(.readOnly) { try r.mkdir("d") }
    expect(.readOnly) { try r.put("x", "2") }
    expect(.readOnly) { try r.unlink("x") }
    expect(.readOnly) { try r.rename("x", "y") }
    expect(.readOnly) { try r.set("x") { $0.mode = 0 } }
    expect(.readOnly) { try r.truncate("x", 0) }
    expect(.readOnly) { try r.fs.setAttribute([65], of: r.inode("x"), to: [], mode: .any, by: user) }
    expect(.readOnly) { try r.fs.access(r.inode("x"), mask: 2, by: user) }
    #expect(try r.text("x") == "1")
    try r.sync()
  }

  @Test func `the presented owner hides and keeps the stored one`() throws {
    let f = Fixture()
    try f.put("x", "1")
    let r = f.remounted { $0.presentedOwner = (7, 8) }
    #expect(try r.stat("x").owner == 7 && r.stat("x").group == 8)
    expect(.notPermitted) { try r.set("x") { $0.owner = 0 } }
    try r.set("x") {
      $0.owner = 7
      $0.group = 8
    }
    try r.sync()
    #expect(f.backing.node("x")?.owner == 1000)
  }

  @Test func `times are kept as they should be`() throws {
    let f = Fixture()
    try f.mkdir("d")
    try f.put("d/x", "1")
    let stamp = Timestamp(seconds: -5, nanoseconds: 999_999_999)
    try f.set("d/x") {
      $0.modified = .at(stamp)
      $0.accessed = .at(stamp)
    }
    #expect(try f.stat("d/x").modified == stamp)
    _ = try f.bytes("d/x")
    let accessed = try f.stat("d/x").accessed
    #expect(accessed > stamp)
    _ = try f.bytes("d/x")
    #expect(try f.stat("d/x").accessed == accessed)
    let before = try f.stat("d")
    try f.put("d/y", "1")
    let after = try f.stat("d")
    #expect(after.modified > before.modified && after.changed > before.changed)
    try f.sync()
    let again = f.remounted()
    #expect(try again.stat("d/x").modified == stamp)
    #expect(try again.stat("d").modified == max(before.modified, again.stat("d/y").modified))
  }
}
