import Synchronization
import Testing

@testable import VirtualFS

/// Saving by writing a new file, making it durable and renaming it over the old one.
@Suite("Saving by fsync and rename") struct ReplacementTests {
  private func fixture() -> Fixture {
    let backing = MemoryBacking()
    backing.storage.withLock { $0.kept = [:] }
    return Fixture(backing, ReplacementTests.options)
  }

  private static func options(_ options: inout Options) {
    options.isEphemeral = { $0.bytes.last == 0x7E }
    options.isReplacement = { $0.bytes.starts(with: "tmp".utf8) }
  }

  /// The careful way; returns the inode that was written.
  private func save(_ f: Fixture, _ content: String, by temporary: String, over path: String) throws {
    let handle = try f.create(temporary)
    try f.write(handle, Array(content.utf8))
    try f.fsync(handle)
    try f.close(handle)
    try f.rename(temporary, path)
  }

  @Test(arguments: [
    "secret~", "tmpk3v9x_2a", "secret.h4Gd7a", ".secret.h4Gd7a", "secret.4067237581", "secret.tmp", "#secret#",
    "new-secret",
  ])
  func `is one version of the same object, and its name never reaches the store`(temporary: String) throws {
    let f = fixture()
    try f.put("secret", "old")
    let object = try #require(f.backing.node("secret")?.object)
    let count = f.backing.batches.count
    for content in ["one", "two"] { try save(f, content, by: temporary, over: "secret") }
    #expect(f.backing.batches.count == count + 2)
    let paths = f.backing.batches.flatMap(\.puts).flatMap(\.paths).map { String(decoding: $0, as: UTF8.self) }
    #expect(Set(paths) == ["secret"] && f.backing.batches.allSatisfy { $0.removals.isEmpty })
    #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == Array("two".utf8))
    // What is kept goes with the version, which is as durable.
    #expect(f.backing.keptPaths == [] && f.backing.storage.withLock { $0.keeps } == 2)
    #expect(f.backing.batches.suffix(2).allSatisfy { $0.durable })
  }

  @Test func `under a name that tells nothing it is one more version, of the same object all the same`() throws {
    let f = fixture()
    try f.put("secret", "old")
    let object = try #require(f.backing.node("secret")?.object)
    try save(f, "new", by: "4d2c", over: "secret")
    #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == Array("new".utf8))
    #expect(f.backing.nodes.count == 1 && f.backing.batches.count == 3)
    // Nor does it matter how large it is, and that it was stored in parts ahead.
    let large = [UInt8](repeating: 7, count: 2 * FileContent.partSize + 5)
    try f.put("large", large)
    try f.rename("large", "secret")
    #expect(f.backing.node("secret")?.object == object && f.backing.content("secret") == large)
    _ = f.fs.dropCaches()
    #expect(try f.bytes("secret") == large && f.backing.nodes.count == 1 && f.backing.violations == [])
  }

  @Test func `what was made durable is there after a power loss, before and after the rename`() throws {
    let f = fixture()
    try f.put("secret", "old")
    let handle = try f.create("secret.h4Gd7a")
    try f.write(handle, Array("new".utf8))
    try f.fsync(handle)
    let before = f.restarted(ReplacementTests.options)
    #expect(try before.text("secret") == "old" && before.text("secret.h4Gd7a") == "new")
    before.fs.tick()
    #expect(f.backing.content("secret.h4Gd7a") == Array("new".utf8))
    #expect(f.backing.keptPaths == [] && f.backing.batches.last?.durable == true)
    // The object is stored by now: it does not come twice.
    f.backing.storage.withLock { storage in
      for node in storage.nodes.values where node.paths == [Array("secret.h4Gd7a".utf8)] {
        storage.kept?[node.object] = node
      }
    }
    let again = f.restarted(ReplacementTests.options)
    #expect(try again.list().sorted() == ["secret", "secret.h4Gd7a"] && f.backing.keptPaths == [])
  }

  @Test func `what became a version is not brought back under its temporary name`() throws {
    let f = fixture()
    try f.put("secret", "old")
    let handle = try f.create("secret.h4Gd7a")
    try f.write(handle, Array("new".utf8))
    try f.fsync(handle)
    let kept = f.backing.storage.withLock { $0.kept }
    #expect(f.backing.keptPaths == ["secret.h4Gd7a"])
    try f.rename("secret.h4Gd7a", "secret")
    #expect(f.backing.keptPaths == [])
    // The process ended between the commit and the removal.
    f.backing.storage.withLock { $0.kept = kept }
    let again = f.restarted(ReplacementTests.options)
    #expect(try again.list() == ["secret"] && again.text("secret") == "new" && f.backing.keptPaths == [])
  }

  @Test func `a taken name is no hindrance, nor a directory that is gone`() throws {
    let f = fixture()
    try f.put("secret", "old")
    try f.mkdir("d")
    try f.put("d/secret", "old")
    for path in ["secret.new1", "d/secret.new1"] {
      let handle = try f.create(path)
      try f.write(handle, Array("kept".utf8))
      try f.fsync(handle)
    }
    let again = f.remounted(ReplacementTests.options)
    try again.put("secret.new1", "other")
    try again.unlink("d/secret")
    try again.rmdir("d")
    let kept = f.backing.storage.withLock { Array(($0.kept ?? [:]).values) }
    again.fs.restoreKept(kept)
    again.fs.tick()
    let names = try again.list().sorted()
    #expect(names.count == 4 && names[0...2] == ["d", "secret", "secret.new1"] && names[3].hasPrefix("secret.new1~"))
    #expect(try again.text(names[3]) == "kept" && again.text("d/secret.new1") == "kept")
    #expect(f.backing.content("d/secret.new1") == Array("kept".utf8) && f.backing.violations == [])
    // Nor a file where the directory was.
    let third = Fixture()
    try third.put("d", "file")
    third.fs.restoreKept(kept)
    let places = try third.list().sorted()
    #expect(try third.text("d") == "file" && places.count == 3 && places[1] == "secret.new1")
  }

  @Test func `changed after it was made durable, or too large, it is stored as any file is`() throws {
    let f = fixture()
    try f.put("secret", "old")
    let handle = try f.create("secret.h4Gd7a")
    try f.write(handle, Array("new".utf8))
    try f.fsync(handle)
    try f.fsync(handle)
    #expect(f.backing.storage.withLock { $0.keeps } == 1 && f.backing.batches.count == 1)
    try f.write(handle, Array("newer".utf8))
    try f.close(handle)
    #expect(f.backing.content("secret.h4Gd7a") == Array("newer".utf8))
    let large = try f.create("secret.large")
    try f.truncate("secret.large", 9 << 20)
    try f.fsync(large)
    #expect(f.backing.node("secret.large") != nil && f.backing.batches.last?.durable == true)
    // One that is not renamed is stored after 5 s, open or not.
    let open = try f.create("secret.open")
    try f.write(open, Array("1".utf8))
    try f.fsync(open)
    f.clock.advance(seconds: 5)
    f.fs.tick()
    #expect(f.backing.content("secret.open") == Array("1".utf8))
  }

  @Test func `a synchronous write under a temporary name is durable when it returns`() throws {
    let f = fixture()
    let handle = try f.create("x~", options: .only(\.read, \.write, \.synchronous))
    try f.write(handle, Array("1".utf8))
    #expect(f.backing.keptPaths == ["x~"] && f.backing.batches.isEmpty)
    // What is removed does not come back with the next file system.
    try f.unlink("x~")
    #expect(f.backing.keptPaths == [])
  }

  @Test func `a rename while either file is being committed is one object in the end`() throws {
    for inFlight in ["source", "target"] {
      let f = fixture()
      try f.put("target", "old")
      let object = try #require(f.backing.node("target")?.object)
      let ran = Atomic<Bool>(false)
      f.backing.hook.withLock { hook in
        hook = {
          guard !ran.exchange(true, ordering: .relaxed) else { return }
          if inFlight == "target", let handle = try? f.create("source") {
            _ = try? f.write(handle, Array("new".utf8))
            f.fs.release(handle)
          }
          f.fs.rename(name("source"), in: .root, to: name("target"), in: .root, flags: .none, by: user) { _ in }
        }
      }
      try f.put(inFlight, "new")
      f.backing.hook.withLock { $0 = nil }
      try f.sync()
      #expect(f.backing.nodes.map(\.object) == [object] && f.backing.content("target") == Array("new".utf8))
      #expect(f.backing.violations == [] && f.fs.state.withLock { $0.dirty.isEmpty && $0.removals.isEmpty })
    }
  }
}
