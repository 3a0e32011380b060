import Synchronization
import Testing

@testable import VirtualFS

private let part = FileContent.partSize

@Suite("Files") struct FilesTests {
  @Test func `writes across parts and reads back, sparse`() throws {
    let f = Fixture()
    let handle = try f.create("big")
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    try f.write(handle, bytes, at: Int64(part - 2500))
    #expect(try f.stat("big").size == Int64(part + 2500))
    #expect(try f.read(handle, at: Int64(part - 2500), count: 5000) == bytes)
    #expect(try f.read(handle, at: 0, count: 10) == [UInt8](repeating: 0, count: 10))
    try f.write(handle, [1], at: Int64(5 * part))
    try f.close(handle)
    _ = f.fs.dropCaches()
    let again = f.remounted()
    let stored = try again.bytes("big")
    #expect(stored.count == 5 * part + 1 && stored[(part - 2500)..<(part + 2500)].elementsEqual(bytes))
    #expect(stored[5 * part] == 1 && stored[2 * part..<5 * part].allSatisfy { $0 == 0 })
    guard case .regular(let content)? = f.backing.node("big")?.body else {
      Issue.record("no file")
      return
    }
    if case .hole = content.parts[3] {} else { Issue.record("part 3 is no hole") }
  }

  @Test func `append exclusive and truncate flags`() throws {
    let f = Fixture()
    try f.put("log", "one\n")
    let a = try f.open("log", .only(\.write, \.append))
    let b = try f.open("log", .only(\.write, \.append))
    try f.write(a, Array("two\n".utf8), at: 0)
    try f.write(b, Array("three\n".utf8), at: 0)
    #expect(try f.text("log") == "one\ntwo\nthree\n")
    let c = try f.open("log", .only(\.write, \.truncate))
    #expect(try f.stat("log").size == 0)
    try f.write(c, [65])
    try f.close(c)
    #expect(f.backing.content("log") == [65])
    expect(.badHandle) { _ = try f.read(a) }
    let r = try f.open("log", .readOnly)
    expect(.badHandle) { try f.write(r, [1]) }
  }

  @Test func `truncation inside a stored part zeroes what was behind`() throws {
    let f = Fixture()
    try f.put("x", [UInt8](repeating: 7, count: 5000))
    _ = f.fs.dropCaches()
    try f.truncate("x", 100)
    try f.truncate("x", 6000)
    #expect(try f.bytes("x") == [UInt8](repeating: 7, count: 100) + [UInt8](repeating: 0, count: 5900))
    #expect(f.backing.content("x") == (try f.bytes("x")))
    try f.truncate("x", 0)
    #expect(f.backing.content("x") == [])
  }

  @Test func `holes are found, made and counted`() throws {
    let f = Fixture()
    let handle = try f.create("x")
    try f.write(handle, [UInt8](repeating: 1, count: 8192), at: 16384)
    #expect(try f.fs.seek(handle, offset: 0, to: .data) == 16384)
    #expect(try f.fs.seek(handle, offset: 0, to: .hole) == 0)
    #expect(try f.fs.seek(handle, offset: 17000, to: .hole) == 24576)
    expect(.noSuchOffset) { _ = try f.fs.seek(handle, offset: 24576, to: .data) }
    #expect(try f.stat("x").allocated == 8192)
    try waiting { f.fs.allocate(handle, offset: 16384, length: 4096, mode: .punchHole, reply: $0) }
    #expect(try f.stat("x").allocated == 4096)
    #expect(try f.fs.seek(handle, offset: 0, to: .data) == 20480)
    #expect(
      try f.read(handle, at: 16384, count: 8192) == [UInt8](repeating: 0, count: 4096)
        + [UInt8](repeating: 1, count: 4096))
    try waiting { f.fs.allocate(handle, offset: 20480, length: 100, mode: .zeroRange(keepSize: true), reply: $0) }
    #expect(try f.read(handle, at: 20480, count: 101) == [UInt8](repeating: 0, count: 100) + [1])
    #expect(try f.stat("x").allocated == 4096)
    try waiting { f.fs.allocate(handle, offset: 0, length: 40000, mode: .allocate(keepSize: false), reply: $0) }
    #expect(try f.stat("x").size == 40000 && f.stat("x").allocated == 40448)
    try waiting { f.fs.allocate(handle, offset: 0, length: 90000, mode: .allocate(keepSize: true), reply: $0) }
    #expect(try f.stat("x").size == 40000)
    try waiting { f.fs.allocate(handle, offset: 0, length: 90000, mode: .zeroRange(keepSize: false), reply: $0) }
    #expect(try f.stat("x").size == 90000 && f.read(handle).allSatisfy { $0 == 0 })
    expect(.invalidArgument) {
      try waiting { f.fs.allocate(handle, offset: 0, length: 0, mode: .punchHole, reply: $0) }
    }
    try f.close(handle)
    _ = f.fs.dropCaches()
    #expect(try f.bytes("x") == [UInt8](repeating: 0, count: 90000))
  }

  @Test func `a small block for a small secret`() throws {
    let f = Fixture()
    let before = Block.liveBytes.load(ordering: .relaxed)
    let handle = try f.create("x")
    try f.write(handle, [UInt8](repeating: 1, count: 10))
    #expect(f.fs.state.withLock { $0.freshBytes } <= 64)
    _ = before
    try f.close(handle)
  }

  @Test func `copy_file_range copies and refuses overlaps`() throws {
    let f = Fixture()
    try f.put("a", (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 / 3) })
    let a = try f.open("a")
    let b = try f.create("b")
    let copied: Int = try waiting { f.fs.copyRange(from: a, at: 5, to: b, at: 7, count: 1_500_000, reply: $0) }
    #expect(copied == 1_500_000)
    let source = try f.bytes("a")
    #expect(try f.read(b, at: 7).elementsEqual(source[5..<1_500_005]))
    expect(.invalidArgument) {
      let _: Int = try waiting { f.fs.copyRange(from: a, at: 0, to: a, at: 10, count: 20, reply: $0) }
    }
  }

  @Test func `limits are refused before anything changes`() throws {
    let f = Fixture(MemoryBacking()) {
      $0.capacity = 64 << 10
      $0.maximumFileSize = 1 << 20
      $0.maximumInodes = 4
      $0.diskReserve = 1000
    }
    let handle = try f.create("a")
    try f.write(handle, [UInt8](repeating: 1, count: 60_000))
    expect(.noSpace) { try f.write(handle, [UInt8](repeating: 2, count: 8192), at: 60_000) }
    #expect(try f.stat("a").size == 60_000)
    expect(.fileTooLarge) { try f.write(handle, [1], at: 1 << 20) }
    expect(.fileTooLarge) { try f.truncate("a", (1 << 20) + 1) }
    #expect(try f.write(handle, [1, 2], at: (1 << 20) - 1) == 1)
    try f.truncate("a", 60_000)
    try f.put("b", "")
    try f.put("c", "")
    expect(.noSpace) { try f.put("d", "") }
    f.backing.storage.withLock { $0.available = 1500 }
    expect(.noSpace) { try f.write(handle, [UInt8](repeating: 2, count: 100), at: 100) }
    #expect(f.fs.statistics().available == 500)
    try f.truncate("a", 10)
    try f.unlink("c")
    try f.close(handle)
    f.backing.storage.withLock { $0.available = 1 << 30 }
    try f.put("d", "x")
  }

  @Test func `what a full disk keeps from being written has not emptied the file`() throws {
    let f = Fixture(MemoryBacking()) { $0.diskReserve = 1000 }
    let large = [UInt8](repeating: 7, count: 3 << 20)
    try f.put("a", "old")
    try f.put("large", large)
    let time = try f.stat("a").modified
    let commits = f.backing.batches.count
    func fill(_ isFull: Bool) { f.backing.storage.withLock { $0.available = isFull ? 1001 : 1 << 30 } }
    for (name, content) in [("a", [UInt8]("old".utf8)), ("large", large)] {
      // As a shell does: the descriptor is duplicated, and the first one closed.
      let handle = try f.open(name, .only(\.write, \.truncate))
      #expect(try f.stat(name).size == 0)
      try f.flush(handle)
      fill(true)
      _ = f.invalidations.take()
      expect(.noSpace) { try f.write(handle, [1, 2]) }
      #expect(f.invalidations.take().count == 1)
      expect(.noSpace) { try f.write(handle, [1, 2]) }
      try f.close(handle)
      fill(false)
      #expect(try f.bytes(name) == content)
    }
    f.clock.advance(seconds: 10)
    f.fs.tick()
    #expect(try f.stat("a").modified == time)
    #expect(f.backing.batches.count == commits)
    // What was written before there was no more room stays written, and emptying alone stays a change.
    let handle = try f.open("a", .only(\.write, \.truncate))
    try f.write(handle, [1])
    fill(true)
    expect(.noSpace) { try f.write(handle, [2], at: 1) }
    fill(false)
    try f.close(handle)
    #expect(try f.remounted().bytes("a") == [1])
    try f.close(try f.open("a", .only(\.write, \.truncate)))
    #expect(try f.remounted().bytes("a") == [])
  }

  @Test func `set-id bits fall when somebody else writes`() throws {
    let f = Fixture()
    try f.put("x", "1")
    func arm() throws { try f.set("x", by: superuser) { $0.mode = 0o6755 } }
    try arm()
    let handle = try f.open("x")
    try f.write(handle, [1])
    #expect(try f.stat("x").mode == 0o755)
    try arm()
    try f.truncate("x", 0)
    #expect(try f.stat("x").mode == 0o755)
    try arm()
    let root = try f.open("x", by: superuser)
    try f.write(root, [1])
    #expect(try f.stat("x").mode == 0o6755)
    try f.set("x", by: superuser) { $0.owner = 5 }
    #expect(try f.stat("x").mode == 0o755)
    try f.set("x", by: user) { $0.mode = 0o2755 }
    #expect(try f.stat("x").mode == 0o2755)
    try f.set("x", by: Credentials(user: 5, group: 7)) { $0.mode = 0o2755 }
    #expect(try f.stat("x").mode == 0o755)
  }

  @Test func `large files are written and read in bounded memory`() throws {
    let f = Fixture(MemoryBacking()) {
      $0.dirtyLimit = 8 << 20
      $0.cacheLimit = 4 << 20
    }
    f.backing.storage.withLock { $0.keepsBatches = false }
    let handle = try f.create("large")
    let start = Block.liveBytes.load(ordering: .relaxed)
    var peak = 0
    for i in 0..<256 {
      try f.write(handle, [UInt8](repeating: UInt8(i), count: part), at: Int64(i) * Int64(part))
      peak = max(peak, Block.liveBytes.load(ordering: .relaxed) - start)
    }
    #expect(f.fs.state.withLock { $0.freshBytes } <= 10 << 20)
    try f.close(handle)
    let reader = try f.open("large", .readOnly)
    for i in 0..<256 {
      #expect(try f.read(reader, at: Int64(i) * Int64(part), count: 3) == [UInt8](repeating: UInt8(i), count: 3))
      peak = max(peak, Block.liveBytes.load(ordering: .relaxed) - start)
    }
    // 8 MiB dirty, 4 MiB clean, one part being written; other tests run beside.
    #expect(peak < 40 << 20)
    #expect(f.fs.cache.bytes <= 4 << 20)
    #expect(f.backing.storage.withLock { $0.seals } > 200)
    #expect(f.backing.violations == [])
  }

  @Test func `a failure to seal refuses the write and changes nothing`() throws {
    let f = Fixture(MemoryBacking()) { $0.dirtyLimit = 2 << 20 }
    let handle = try f.create("large")
    for i in 0..<3 { try f.write(handle, [UInt8](repeating: 1, count: part), at: Int64(i * part)) }
    f.backing.storage.withLock { $0.sealFailure = VFSError(.noSpace) }
    expect(.noSpace) { try f.write(handle, [UInt8](repeating: 1, count: part), at: Int64(3 * part)) }
    #expect(try f.stat("large").size == Int64(3 * part))
    f.backing.storage.withLock { $0.sealFailure = nil }
    try f.write(handle, [UInt8](repeating: 1, count: part), at: Int64(3 * part))
    try f.close(handle)
    #expect(try f.remounted().bytes("large") == [UInt8](repeating: 1, count: 4 * part))
  }
}
