import Foundation
import Synchronization
import TestSupport
import Testing

@testable import VirtualFS

/// One store that several file systems write, each of which must take over the others' changes before it may commit.
private final class SharedStore: Sendable {
  struct Content {
    var storage = MemoryBacking.Storage()
    var log: [ExternalChange] = []
  }
  let content = Guarded(Content())
}

/// One writer's way to the store.
private final class PeerBacking: Backing {
  let store: SharedStore
  let seen = Guarded(0)

  init(_ store: SharedStore) { self.store = store }

  func load(_ reference: ContentReference, of object: ObjectID) throws(VFSError) -> Block {
    guard let bytes = store.content.withLock({ $0.storage.contents[reference.words.0] }) else {
      throw VFSError(.corrupt)
    }
    return block(bytes)
  }

  func seal(_ parts: [FreshPart]) throws(VFSError) -> [ContentReference] {
    store.content.withLock { content in
      parts.map { part in content.storage.add(unsafe part.block.withBytes { unsafe [UInt8]($0) }, of: part.object) }
    }
  }

  func commit(_ batch: CommitBatch) throws(VFSError) -> CommitOutcome {
    store.content.withLock { content in
      let start = seen.withLock { $0 }
      seen.withLock { $0 = content.log.count }
      guard start == content.log.count else { return .outdated(Array(content.log[start...])) }
      let (receipt, _) = content.storage.store(batch)
      content.log += batch.removals.map(ExternalChange.removed)
      content.log += batch.puts.compactMap { content.storage.nodes[$0.object].map(ExternalChange.put) }
      seen.withLock { $0 = content.log.count }
      return .committed(receipt)
    }
  }

  func availableBytes() -> Int64 { 1 << 40 }
}

@Suite("Peers") struct PeersTests {
  /// One of the file systems, with a ``Fixture``'s calls by path.
  private func peer(_ store: SharedStore) -> Fixture {
    let backing = PeerBacking(store)
    let nodes = store.content.withLock { content in
      backing.seen.withLock { $0 = content.log.count }
      return Array(content.storage.nodes.values)
    }
    let fixture = Fixture(over: backing)
    fixture.fs.populate(nodes)
    return fixture
  }

  @Test(arguments: UInt64(1)...60) func `all writers see one tree in the end`(seed: UInt64) throws {
    print("seed \(seed)")
    var g = SeededGenerator(seed: seed)
    let store = SharedStore()
    let peers = [peer(store), peer(store), peer(store)]
    let names = ["a", "b", "c"]
    for _ in 0..<200 {
      let f = peers[Int.random(in: 0..<3, using: &g)]
      func path() -> String {
        (0..<Int.random(in: 1...3, using: &g)).map { _ in names[Int.random(in: 0..<3, using: &g)] }.joined(
          separator: "/")
      }
      let (p, q) = (path(), path())
      switch Int.random(in: 0..<14, using: &g) {
      case 0...2: _ = try? f.mkdir(p)
      case 3...5: try? f.put(p, g.bytes(20))
      case 6: try? f.unlink(p)
      case 7: try? f.rmdir(p)
      case 8...10: try? f.rename(p, q, [.none, .exchange][Int.random(in: 0...1, using: &g)])
      case 11: try? f.link(p, q)
      case 12:
        // Dirty for a while, so that others' changes meet it.
        if let handle = try? f.open(p) {
          _ = try? f.write(handle, g.bytes(5))
          f.clock.advance(seconds: 2)
        }
      default: f.fs.tick()
      }
    }
    var length = -1
    for round in 0..<20 {
      for f in peers { try f.sync() }
      let now = store.content.withLock { $0.log.count }
      if now == length { break }
      length = now
      #expect(round < 19, "seed \(seed): the writers do not come to rest")
    }
    let trees = try peers.map { try $0.tree() }
    if ProcessInfo.processInfo.environment["DIFF"] != nil {
      let all = trees + [try peer(store).tree()]
      for key in Set(all.flatMap(\.keys)).sorted() where Set(all.map { $0[key] }).count > 1 {
        print("seed \(seed) DIFF \(key): \(all.map { $0[key] ?? "-" })")
      }
    }
    #expect(trees[0] == trees[1] && trees[1] == trees[2], "seed \(seed)")
    #expect(try peer(store).tree() == trees[0], "seed \(seed)")
    #expect(store.content.withLock { $0.storage.inconsistencies } == [], "seed \(seed)")
    for f in peers {
      #expect(f.fs.state.withLock { $0.dirty.isEmpty && $0.removals.isEmpty }, "seed \(seed)")
    }
  }
}
