import Foundation
import Synchronization
import TestSupport
import Testing

@testable import VirtualFS

@Suite("Concurrency") struct ConcurrencyTests {
  @Test func `threads hammer one file system`() throws {
    let f = Fixture(MemoryBacking()) {
      $0.cacheLimit = 1 << 16
      $0.dirtyLimit = 1 << 20
      $0.isEphemeral = { $0.bytes.last == 0x7E }
    }
    let asked = Atomic<Int>(0)
    let answered = Atomic<Int>(0)
    let shared = try f.create("shared")
    try f.write(shared, [UInt8](repeating: 0, count: 100))
    try f.close(shared)
    let flipping = try f.open("shared")
    @Sendable func ask<Value: Sendable>(_ body: (@escaping Reply<Value>) -> Void) {
      asked.add(1, ordering: .relaxed)
      body { _ in answered.add(1, ordering: .relaxed) }
    }
    onThreads(6) { index in
      var g = SeededGenerator(seed: UInt64(index))
      let names = (0..<6).map { name("n\($0)") } + [name("t~")]
      for step in 0..<400 {
        let (a, b) = (names.randomElement(using: &g) ?? names[0], names.randomElement(using: &g) ?? names[0])
        switch Int.random(in: 0..<12, using: &g) {
        case 0: ask { f.fs.makeDirectory(a, in: .root, mode: 0o700, by: user, reply: $0) }
        case 1: ask { f.fs.removeFile(a, in: .root, by: user, reply: $0) }
        case 2: ask { f.fs.removeDirectory(a, in: .root, by: user, reply: $0) }
        case 3: ask { f.fs.rename(a, in: .root, to: b, in: .root, flags: .none, by: user, reply: $0) }
        case 4...6:
          let made = try? f.fs.create(a, in: .root, mode: 0o600, options: .readWrite, exclusive: false, by: user)
          guard let made else { break }
          let bytes = g.bytes(Int.random(in: 1...3000, using: &g))
          unsafe bytes.withUnsafeBytes { buffer in
            let offset = Int64(step % 2 * FileContent.partSize)
            ask { unsafe f.fs.write(made.handle, at: offset, bytes: buffer, reply: $0) }
          }
          ask { f.fs.flush(made.handle, reply: $0) }
          f.fs.release(made.handle)
          f.fs.forget(made.entry.attributes.inode, lookups: 1)
        case 7:
          // All 100 bytes are written at once, so they are read alike.
          let bytes = [UInt8](repeating: UInt8(step & 255), count: 100)
          unsafe bytes.withUnsafeBytes { buffer in
            ask { unsafe f.fs.write(flipping, at: 0, bytes: buffer, reply: $0) }
          }
          if step % 5 == 0 { ask { f.fs.synchronize(flipping, reply: $0) } }
        case 8:
          let same = try? unsafe f.fs.read(flipping, at: 0, count: 100) { bytes in
            unsafe bytes.allSatisfy { unsafe $0 == bytes[0] }
          }
          #expect(same == true)
        case 9:
          try? f.fs.readDirectory(.root, from: 0, plus: true) { entry in
            if let attributes = entry.attributes { f.fs.forget(attributes.inode, lookups: 0) }
            return false
          }
          f.fs.tick()
        case 10: _ = f.fs.dropCaches()
        default:
          if let entry = try? f.fs.lookup(a, in: .root) { f.fs.forget(entry.attributes.inode, lookups: 1) }
          _ = f.fs.statistics()
        }
      }
    }
    #expect(asked.load(ordering: .relaxed) == answered.load(ordering: .relaxed))
    f.fs.release(flipping)
    try f.sync()
    #expect(f.backing.violations == [])
    let lasting = try f.remounted().tree()
    let tree = try f.tree()
    for (path, text) in tree { #expect(lasting[path] == text) }
  }
}

/// Runs `body` on several threads and waits for their ends.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let done = DispatchGroup()
  for index in 0..<count {
    done.enter()
    Thread {
      body(index)
      done.leave()
    }.start()
  }
  done.wait()
}
