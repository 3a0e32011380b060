import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// A path's history is that of the object which is shown there.
@Suite("History of secrets") struct HistoryTests {
  private let sample: Sample
  private let backing: VaultBacking
  private let low = ObjectID(high: 1, low: 1)
  private let high = ObjectID(high: .max, low: 1)

  init() throws {
    sample = try Sample()
    backing = try VaultBacking(sample.vault)
  }

  @discardableResult
  private func commit(_ puts: [StoredNode], removing: [ObjectID] = []) throws -> ObjectName {
    _ = try backing.commit(CommitBatch(puts: puts, removals: removing))
    return try #require(try sample.vault.ownTip())
  }

  private func put(_ path: String, _ text: String, _ object: ObjectID) throws -> ObjectName {
    try commit([.file([path], [UInt8](text.utf8), object: object)])
  }

  private func text(_ node: StoredNode) throws -> String {
    var bytes: [UInt8] = []
    unsafe try VersionHistory(of: sample.vault).content(of: node) { piece throws(VaultError) in
      unsafe bytes.append(contentsOf: piece)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func text(_ path: String, _ version: String) throws -> String {
    try text(try VersionHistory(of: sample.vault).node(at: [UInt8](path.utf8), version: version))
  }

  private func versions(_ path: String) throws -> [ObjectName] {
    var versions: [ObjectName] = []
    try VersionHistory(of: sample.vault).walk(path: [UInt8](path.utf8)) { secret throws(VaultError) in
      versions.append(secret.version.commit)
      return true
    }
    return versions
  }

  @Test func `where two claim one path, its history is that of the one that is shown, and the other has its own`()
    throws
  {
    let shown = [try put("p", "shown 1", high), try put("p", "shown 2", high)]
    let other = [try put("p", "other 1", low), try put("p", "other 2", low)]
    #expect(try versions("p") == shown.reversed())
    #expect(try text("p", "~0") == "shown 2" && text("p", "~1") == "shown 1")
    // Also at a version in which only the other changed.
    #expect(try text("p", other[1].hex) == "shown 2")
    #expect(try versions(".conflicts/p~00000000") == other.reversed())
    #expect(try text(".conflicts/p~00000000", "~1") == "other 1")
  }

  @Test func `a secret that was renamed over another has its own versions, then those of the one it replaced`() throws {
    let replaced = ObjectID(high: 5, low: 5)
    let old = [try put("p", "old 1", replaced), try put("p", "old 2", replaced)]
    let made = try put("t", "new", low)
    let renamed = try commit([.file(["p"], [UInt8]("new".utf8), object: low)], removing: [replaced])
    let last = try put("p", "newer", low)
    #expect(try versions("p") == [last, renamed, made] + old.reversed())
    #expect(try text("p", made.hex) == "new" && text("p", old[0].hex) == "old 1")
  }

  @Test func `a path that was used again goes on with whom it had before`() throws {
    let first = try put("p", "1", low)
    let gone = try commit([], removing: [low])
    let second = try put("p", "2", high)
    #expect(try versions("p") == [second, gone, first])
    let goneAgain = try commit([], removing: [high])
    #expect(try versions("p") == [goneAgain, second, gone, first])
  }

  @Test func `whether a directory had something in it is known of each version`() throws {
    let directory = StoredNode(
      object: high, body: .directory, paths: [[UInt8]("d".utf8)], mode: 0o700, owner: 0, group: 0,
      modified: Timestamp(seconds: 1))
    let empty = try commit([directory])
    let full = try put("d/e", "1", low)
    var moved = directory
    moved.paths = [[UInt8]("f".utf8)]
    let last = try commit([moved, .file(["f/e"], [0x31], object: low)])
    let history = VersionHistory(of: sample.vault)
    func hasEntries(_ version: String) throws -> Bool {
      try history.hasEntries(below: [UInt8]("f".utf8), version: version)
    }
    #expect(try !hasEntries(empty.hex) && hasEntries(last.hex) && hasEntries("~0") && !hasEntries("~1"))
    #expect(try history.hasEntries(below: [UInt8]("d".utf8), version: full.hex))
  }

  @Test func `what lost has the versions that made it, also when it was taken`() throws {
    let nodes = try ExchangeTests.network([.writer])
    func put(_ node: SimulatedNode, _ text: String) throws -> ObjectName {
      try node.commit(CommitBatch(puts: [.file(["p"], [UInt8](text.utf8), object: low)]))
      return try #require(try node.vault?.ownTip())
    }
    let base = try put(nodes[0], "base")
    try ExchangeTests.settle(nodes)
    let sides = [
      [try put(nodes[0], "a1"), try put(nodes[0], "a2")], [try put(nodes[1], "b1"), try put(nodes[1], "b2")],
    ]
    try ExchangeTests.settle(nodes)
    let backing = try #require(nodes[0].backing)
    let conflict = try #require(try backing.conflicts().first)
    let lost = try #require(sides.first { $0[1] == conflict.version?.commit })
    func versions(_ path: [UInt8]) throws -> [ObjectName] {
      var versions: [ObjectName] = []
      try VersionHistory(of: try #require(nodes[0].vault)).walk(path: path) { secret throws(VaultError) in
        versions.append(secret.version.commit)
        return true
      }
      return versions
    }
    #expect(try versions(conflict.path) == [lost[1], lost[0], base])
    var taken = try #require(nodes[0].shown[conflict.object])
    taken.paths = [[UInt8]("saved".utf8)]
    try nodes[0].commit(CommitBatch(puts: [taken]))
    let commit = try #require(try nodes[0].vault?.ownTip())
    #expect(try versions([UInt8]("saved".utf8)) == [commit, lost[1], lost[0], base])
    #expect(try versions([UInt8]("p".utf8)).count == 5)
  }
}
