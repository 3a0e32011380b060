import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Concurrency with git", .serialized) struct ConcurrencyTests {
  /// A writer commits, readers read, and meanwhile git and we pack, prune, check and clone.
  @Test(arguments: [UInt64(1)])
  func `git finds the repository sound at every moment`(seed: UInt64) async throws {
    let sample = try Sample()
    let repository = sample.repository
    let path = sample.path
    let first = Sample.commit(contents: [0], parents: [])
    try repository.commit(first, updating: "refs/heads/main", from: nil, to: first[3].name, durability: .processCrash)
    let stop = Counter()
    let written = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await onThread {
          defer { stop.increment() }
          var head = first[3].name
          var generator = SeededGenerator(seed: seed)
          while stop.count == 0 {
            let objects = Sample.commit(contents: generator.bytes(300), parents: [head])
            try repository.commit(
              objects, updating: "refs/heads/main", from: head, to: objects[3].name,
              durability: written.count % 50 == 7 ? .powerLoss : .processCrash)
            head = objects[3].name
            written.increment()
            for object in objects { _ = try repository.read(object.name, expecting: object.kind) }
          }
        }
      }
      group.addTask {
        try await onThread {
          var generator = SeededGenerator(seed: seed + 10)
          while stop.count == 0 {
            var walk = repository.history(from: try #require(try repository.resolve("HEAD")))
            for _ in 0..<Int.random(in: 1...60, using: &generator) {
              guard let (_, commit) = try walk.next() else { break }
              try repository.differences(old: nil, new: commit.tree) { (difference) throws(GitError) in
                if let new = difference.new { _ = try repository.read(new.object, expecting: .blob) }
              }
            }
          }
        }
      }
      group.addTask {
        try await onThread {
          // The grace time is what protects git's long runs; a second is long here.
          while stop.count == 0 { try repository.consolidate(looseLimit: 100, grace: 3) }
        }
      }
      group.addTask {
        try await onThread {
          defer { stop.increment() }
          for round in 0..<2 {
            for arguments in [
              ["fsck", "--strict"], ["gc", "-q"], ["clone", "-q", "--mirror", path, "\(path).mirror\(round)"],
              ["repack", "-adq"], ["fsck", "--strict", "--connectivity-only"], ["prune-packed", "-q"],
            ] {
              if stop.count > 0 { return }
              let program = try Program.run(["git", "-C", path] + arguments)
              if arguments[0] == "fsck", program.status == 2 {
                // fsck lists the objects before the references, and so calls missing what is written in between (by any program).
                let lines = program.text.split(separator: "\n")
                #expect(lines.allSatisfy { $0.hasPrefix("missing ") || $0.hasPrefix("dangling ") })
                for line in lines {
                  let name = try #require(line.split(separator: " ").last.flatMap { ObjectName(hex: String($0)) })
                  _ = try repository.read(name)
                }
                continue
              }
              #expect(program.status == 0, "git \(arguments[0]): \(program.errors)")
            }
            let mirror = try Program.run(["git", "-C", "\(path).mirror\(round)", "fsck", "--strict"])
            #expect(mirror.status == 0, "mirror: \(mirror.errors)")
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try sample.fsck().isEmpty)
    #expect(written.count > 20)
    #expect(try sample.git("rev-list", "--count", "main") == "\(written.count + 1)")
  }
}

/// Runs blocking work on a thread of its own, off Swift's pool.
func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    Thread.detachNewThread {
      do {
        try body()
        continuation.resume()
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }
}
