import Foundation
import Synchronization
import Testing

@testable import VirtualFS

/// New content from outside, and those who are reading the old.
@Suite("Settling") struct SettlingTests {
  private static let patience: UInt64 = 1_000_000_000

  private func fixture() throws -> Fixture {
    let f = Fixture { $0.readerPatience = SettlingTests.patience }
    try f.put("x", "old")
    return f
  }

  /// Another writer's new content of the file at "x".
  private func arrive(_ f: Fixture, _ bytes: [UInt8]) throws {
    var node = try #require(f.backing.node("x"))
    node.body = .regular(f.backing.foreignContent(bytes, of: node.object))
    node.modified = Timestamp(seconds: 7)
    f.backing.storage.withLock { $0.changes.append([.put(node)]) }
    try f.refresh()
  }

  private func arrive(_ f: Fixture, _ text: String) throws { try arrive(f, Array(text.utf8)) }

  private func opening(_ f: Fixture, _ options: OpenOptions = .readOnly) throws -> Answer<HandleID> {
    let answer = Answer<HandleID>()
    f.fs.open(try f.inode("x"), options: options, by: user, reply: answer.reply)
    return answer
  }

  @Test func `a change waits for a reader, new opens wait for the change, and then it lands`() throws {
    let f = try fixture()
    let inode = try f.fs.lookup(name("x"), in: .root).attributes.inode
    let before = try f.stat("x")
    let reader = try opening(f).get()
    try arrive(f, "newer")
    try arrive(f, "newest")
    #expect(f.invalidations.take() == [.waiting(inode), .waiting(inode)])
    #expect(try f.read(reader) == Array("old".utf8) && f.stat("x").modified == before.modified)
    let next = try opening(f)
    #expect(next.count == 0)
    // Nobody who does not read waits, nor is waited for.
    f.fs.release(try opening(f, .only(\.write)).get())
    #expect(next.count == 0)
    f.fs.release(reader)
    #expect(try f.read(next.get()) == Array("newest".utf8) && f.stat("x").modified == Timestamp(seconds: 7))
    #expect(f.invalidations.take() == [.inode(inode, .content, isOpen: false)])
    f.fs.release(try next.get())
    #expect(f.fs.settle() == nil && f.backing.violations == [])
  }

  @Test func `nobody is waited for longer than his patience, twice that for who reads on`() throws {
    let f = try fixture()
    let size = 3 * FileContent.partSize
    try f.put("x", [UInt8](repeating: 1, count: size))
    let holder = try opening(f).get()
    try arrive(f, [UInt8](repeating: 2, count: size))
    let next = try opening(f)
    f.clock.advance(seconds: 0.9)
    #expect(try #require(f.fs.settle()) <= SettlingTests.patience / 10)
    // In the middle of the file: that counts, but not for ever.
    #expect(try f.read(holder, count: 10) == [UInt8](repeating: 1, count: 10))
    f.clock.advance(seconds: 0.9)
    #expect(f.fs.settle() != nil && next.count == 0)
    #expect(try f.read(holder, count: 10) == [UInt8](repeating: 1, count: 10))
    f.clock.advance(seconds: 0.3)
    #expect(f.fs.settle() == nil)
    #expect(try f.read(next.get(), count: 10) == [UInt8](repeating: 2, count: 10))
    #expect(try f.read(holder, count: 10) == [UInt8](repeating: 2, count: 10))
    // Who has had the file open for long is not waited for.
    f.clock.advance(seconds: 2)
    try arrive(f, "end")
    #expect(try f.read(holder) == Array("end".utf8))
  }

  @Test func `who opens a changed file waits until the cache above has forgotten the old content`() throws {
    let f = try fixture()
    f.fs.startConfirming()
    let inode = try f.fs.lookup(name("x"), in: .root).attributes.inode
    try arrive(f, "1")
    try arrive(f, "2")
    let (first, second) = (try opening(f), try opening(f))
    f.fs.confirm(inode)
    #expect(first.count == 0)
    f.fs.confirm(inode)
    #expect(try f.read(first.get()) == [0x32] && f.read(second.get()) == [0x32])
    for answer in [first, second] { f.fs.release(try answer.get()) }
    // A cache that does not confirm makes nobody wait for ever.
    try arrive(f, "3")
    let third = try opening(f)
    #expect(third.count == 0 && f.fs.settle() != nil)
    f.clock.advance(seconds: 1)
    #expect(f.fs.settle() == nil)
    #expect(try f.read(third.get()) == [0x33])
    // Nor does an end of all.
    let fourth = try opening(f)
    try arrive(f, "4")
    let fifth = try opening(f)
    #expect(fifth.count == 0)
    f.fs.stopWaiting()
    #expect(try f.read(fifth.get()) == [0x34] && fourth.count == 1)
  }

  @Test func `what is done here to a file whose new content waits is done to the new`() throws {
    let f = try fixture()
    let reader = try opening(f).get()
    try arrive(f, "abcdef")
    // An attribute is stored with the new content, which goes on waiting.
    try f.set("x", by: superuser) { $0.mode = 0o600 }
    try f.sync()
    #expect(try f.read(reader) == Array("old".utf8))
    #expect(f.backing.content("x") == Array("abcdef".utf8) && f.backing.node("x")?.mode == 0o600)
    #expect(f.backing.node("x")?.modified == Timestamp(seconds: 7))
    // A write is made into the new content.
    let writer = try f.open("x", .only(\.write))
    try f.write(writer, Array("X".utf8), at: 1)
    try f.close(writer)
    #expect(f.backing.content("x") == Array("aXcdef".utf8))
    // A file that is written anew is that, and who waited gets it.
    try arrive(f, "ghi")
    let next = try opening(f)
    #expect(next.count == 0)
    let emptied = Answer<HandleID>()
    f.fs.open(try f.inode("x"), options: .only(\.write, \.truncate), by: user, reply: emptied.reply)
    try f.write(try emptied.get(), Array("mine".utf8))
    try f.close(try emptied.get())
    #expect(try f.read(next.get()) == Array("mine".utf8))
    #expect(f.backing.content("x") == Array("mine".utf8))
    f.fs.release(reader)
    f.fs.release(try next.get())
    // One that is replaced or removed while it waits stays what it was for who has it open.
    let last = try opening(f).get()
    try arrive(f, "other")
    try f.put("y", "replaced")
    try f.rename("y", "x")
    f.fs.release(try opening(f).get())
    f.clock.advance(seconds: 3)
    f.fs.settle()
    #expect(try f.read(last) == Array("mine".utf8) && f.text("x") == "replaced")
    f.fs.release(last)
    #expect(f.backing.content("x") == Array("replaced".utf8) && f.backing.violations == [])
  }

  @Test func `no reader sees two versions, in 100 000 reads on four threads`() throws {
    let f = try fixture()
    // Its size and all of its bytes tell its number.
    @Sendable func version(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 64 + number % 64) }
    try f.put("x", version(0))
    let (inode, node) = (try f.inode("x"), try #require(f.backing.node("x")))
    let reading = Atomic(4)
    let torn = Atomic(0)
    onThreads(5) { thread in
      if thread == 4 {
        var number = 0
        while reading.load(ordering: .relaxed) > 0 {
          number = (number + 1) % 251
          var next = node
          next.body = .regular(f.backing.foreignContent(version(number), of: node.object))
          f.backing.storage.withLock { [next] in $0.changes.append([.put(next)]) }
          f.fs.refresh { _ in }
        }
        return
      }
      for _ in 0..<25_000 {
        let opened = DispatchSemaphore(value: 0)
        let handle = Guarded<HandleID?>(nil)
        f.fs.open(inode, options: .readOnly, by: user) { result in
          handle.withLock { $0 = try? result.get() }
          opened.signal()
        }
        opened.wait()
        guard let handle = handle.withLock({ $0 }) else { continue }
        var bytes: [UInt8] = []
        for _ in 0..<4 { bytes += (try? f.read(handle, at: Int64(bytes.count), count: 32)) ?? [] }
        if bytes != version(Int(bytes.first ?? 0)) { torn.add(1, ordering: .relaxed) }
        f.fs.release(handle)
      }
      reading.subtract(1, ordering: .relaxed)
    }
    #expect(torn.load(ordering: .relaxed) == 0)
  }
}
