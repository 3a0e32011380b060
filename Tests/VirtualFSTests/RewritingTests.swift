import Testing

@testable import VirtualFS

/// What is written and changes nothing.
@Suite("Rewriting") struct RewritingTests {
  @Test func `the same bytes make no version, anything else does`() throws {
    let f = Fixture()
    try f.put("x", "same")
    let stored = try #require(f.backing.node("x"))
    func versions() -> Int { f.backing.batches.count { !$0.puts.isEmpty } }
    let before = versions()
    try f.put("x", "same")
    f.clock.advance(seconds: 10)
    f.fs.tick()
    #expect(versions() == before && f.backing.node("x")?.modified == stored.modified)
    #expect(try f.stat("x").modified > stored.modified && f.text("x") == "same")
    // Also of what is not in memory, and by fsync.
    _ = f.fs.dropCaches()
    let handle = try f.open("x", .only(\.write, \.truncate))
    try f.write(handle, Array("same".utf8))
    try f.fsync(handle)
    try f.close(handle)
    #expect(versions() == before)
    // Another content of the same size, another time, another mode.
    try f.put("x", "Same")
    #expect(versions() == before + 1 && f.backing.content("x") == Array("Same".utf8))
    try f.set("x") { $0.modified = .at(Timestamp(seconds: 9)) }
    try f.sync()
    try f.put("x", "Same")
    try f.set("x", by: superuser) { $0.mode = 0o600 }
    try f.sync()
    #expect(versions() == before + 3)
    // What came from outside is compared, too.
    var node = try #require(f.backing.node("x"))
    node.body = .regular(f.backing.foreignContent(Array("else".utf8), of: node.object))
    f.backing.storage.withLock { [node] in $0.changes.append([.put(node)]) }
    try f.refresh()
    try f.put("x", "else")
    #expect(versions() == before + 3)
    try f.put("x", "Same")
    #expect(versions() == before + 4 && f.backing.content("x") == Array("Same".utf8))
    // An empty version on the way is one.
    let emptied = try f.open("x", .only(\.write, \.truncate))
    try f.fsync(emptied)
    try f.write(emptied, Array("Same".utf8))
    try f.close(emptied)
    #expect(versions() == before + 6 && f.backing.content("x") == Array("Same".utf8))
    #expect(f.backing.violations == [])
  }

  @Test func `parts that were stored ahead of a commit that never comes are let go of`() throws {
    // Little, as another test measures the memory of all.
    let f = Fixture { ($0.dirtyLimit, $0.cacheLimit) = (FileContent.partSize, 0) }
    let part = [UInt8](repeating: 7, count: FileContent.partSize)
    func fill(_ handle: HandleID) throws {
      for index in 0..<3 { try f.write(handle, part, at: Int64(index * FileContent.partSize)) }
    }
    let kept = try f.create("kept")
    try fill(kept)
    try f.close(kept)
    let contents = f.backing.storage.withLock { $0.contents.count }
    let handle = try f.create("gone")
    try fill(handle)
    #expect(f.backing.storage.withLock { $0.contents.count } > contents)
    try f.unlink("gone")
    f.fs.release(handle)
    f.fs.tick()
    #expect(f.backing.storage.withLock { $0.contents.count } == contents)
    // What is written over before it was committed, too; and nothing that a commit names.
    let again = try f.create("again")
    try fill(again)
    try fill(again)
    try f.close(again)
    f.fs.tick()
    #expect(f.backing.storage.withLock { $0.contents.count } == contents + 3)
    #expect(f.backing.content("kept")?.digest == f.backing.content("again")?.digest)
    #expect(f.backing.violations == [])
  }
}
