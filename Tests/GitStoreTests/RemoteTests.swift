import Foundation
import GitStore
import Synchronization
import TestSupport
import Testing

@Suite("Remote repositories") struct RemoteTests {
  /// Both addresses of a local repository.
  private static func addresses(_ path: String) -> [String] { [path, "file://" + path] }

  private static func admit(_ head: RemoteRepository.Head, _ quarantine: Quarantine, _ repository: Repository) throws {
    try quarantine.admit(quarantine.names)
    let old = try repository.resolve(head.name)
    try repository.updateReference(head.name, from: old, to: head.object, durability: .processCrash)
  }

  /// A commit on top of another, in a repository.
  private static func commit(_ sample: Sample, on parent: ObjectName?, _ text: String) throws -> ObjectName {
    let objects = Sample.commit(contents: Array(text.utf8), parents: parent.map { [$0] } ?? [])
    try sample.repository.write(objects, durability: .processCrash)
    return objects[3].name
  }

  @Test func `references are listed and fetched into quarantine, later only what is new`() throws {
    let (source, head) = try PackReaderTests.historic(seed: 91)
    try source.git("branch", "old", "main~4")
    let old = try #require(try source.repository.resolve("refs/heads/old"))
    for address in Self.addresses(source.path) {
      let sample = try Sample()
      let remote = try RemoteRepository(at: address, from: sample.repository)
      let heads = try remote.heads()
      #expect(heads.first { $0.name == "HEAD" }?.object == head)
      #expect(heads.first { $0.name == "refs/heads/old" }?.object == old)
      #expect(heads.count == 3)
      let quarantine = Quarantine(for: sample.repository)
      let fetched = try remote.fetch(["refs/heads/old", "refs/heads/none", "HEAD"], into: quarantine)
      #expect(fetched.map(\.name) == ["refs/heads/old"] && fetched.map(\.object) == [old])
      #expect(try !sample.repository.contains(old))
      #expect(quarantine.names.count == 32)
      try Self.admit(fetched[0], quarantine, sample.repository)
      #expect(try sample.fsck().isEmpty)
      let next = try remote.fetch(["refs/heads/main"], into: quarantine)
      #expect(quarantine.names.count == 16)
      try Self.admit(next[0], quarantine, sample.repository)
      #expect(try sample.fsck().isEmpty)
      #expect(try sample.git("rev-list", "--objects", "--count", "main") == "48")
      // Nothing to do.
      #expect(try remote.fetch(["refs/heads/main"], into: quarantine) == next)
      #expect(quarantine.names.isEmpty)
      #expect(Self.incoming(sample).isEmpty)
    }
  }

  private static func incoming(_ sample: Sample) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: sample.path + "/polykey/incoming")) ?? []
  }

  @Test func `limits and the wish to stop hold for what is fetched`() throws {
    let (source, _) = try PackReaderTests.historic(seed: 92)
    let sample = try Sample()
    let remote = try RemoteRepository(at: source.path, from: sample.repository)
    for change in [{ $0.objectCount = 10 }, { $0.packSize = 500 }, { $0.treeSize = 100 }, { $0.inflatedSize = 9000 }]
      as [(inout PackLimits) -> Void]
    {
      var limits = PackLimits()
      change(&limits)
      let quarantine = Quarantine(for: sample.repository)
      #expect(throws: GitError.packTooLarge) { try remote.fetch(["refs/heads/main"], into: quarantine, limits: limits) }
    }
    #expect(throws: GitError.cancelled) {
      _ = try remote.fetch(["refs/heads/main"], into: Quarantine(for: sample.repository)) { true }
    }
    #expect(Self.incoming(sample).isEmpty)
  }

  @Test func `references are pushed one by one, each with its outcome`() throws {
    for scheme in ["", "file://"] {
      let sample = try Sample()
      let target = try Sample()
      let remote = try RemoteRepository(at: scheme + target.path, from: sample.repository)
      let one = try Self.commit(sample, on: nil, "1")
      let two = try Self.commit(sample, on: one, "2")
      let other = try Self.commit(sample, on: one, "other")
      func push(_ name: String, _ object: ObjectName, _ isForced: Bool = false) -> RemoteRepository.Push {
        RemoteRepository.Push(name: "refs/heads/\(name)", object: object, isForced: isForced)
      }
      #expect(
        try remote.push([push("main", one), push("nodes/x", two)]) == [
          "refs/heads/main": .updated, "refs/heads/nodes/x": .updated,
        ])
      #expect(try target.repository.resolve("refs/heads/nodes/x") == two)
      #expect(
        try remote.push([push("main", two), push("nodes/x", other), push("new", other)]) == [
          "refs/heads/main": .updated, "refs/heads/nodes/x": .notFastForward, "refs/heads/new": .updated,
        ])
      #expect(try target.repository.resolve("refs/heads/nodes/x") == two)
      #expect(
        try remote.push([push("nodes/x", other, true), push("main", two)]) == [
          "refs/heads/main": .upToDate, "refs/heads/nodes/x": .updated,
        ])
      #expect(try target.repository.resolve("refs/heads/nodes/x") == other)
      // A commit that is not known here.
      let foreign = try Self.commit(target, on: nil, "foreign")
      try target.repository.updateReference("refs/heads/f", from: nil, to: foreign, durability: .processCrash)
      #expect(try remote.push([push("f", one)]) == ["refs/heads/f": .notFastForward])
      #expect(throws: GitError.missing(.of(.commit, [1]))) { try remote.push([push("m", .of(.commit, [1]))]) }
      #expect(throws: GitError.invalidReferenceName) { try remote.push([push("..", one)]) }
      #expect(try target.fsck().isEmpty)
      #expect(Self.incoming(sample).isEmpty)
    }
  }

  @Test func `damage here is told before anything is sent`() throws {
    let sample = try Sample()
    let target = try Sample()
    let objects = Sample.commit(contents: [1, 2, 3], parents: [])
    try sample.repository.write(objects, durability: .processCrash)
    let file = "\(sample.path)/objects/\(objects[0].name.hex.prefix(2))/\(objects[0].name.hex.dropFirst(2))"
    try Program.check(["truncate", "-s", "5", file])
    let remote = try RemoteRepository(at: target.path, from: sample.repository)
    #expect(throws: GitError.corrupt(objects[0].name)) {
      try remote.push([RemoteRepository.Push(name: "refs/heads/main", object: objects[3].name)])
    }
    #expect(try target.repository.references().isEmpty)
  }

  @Test func `what is no repository, or nobody answers, is told apart`() throws {
    let sample = try Sample()
    for address in ["", "http://example.org/x", "git://localhost/x", "ext::sh -c x", "-x", "ftp://a/b"] {
      let error = #expect(throws: GitError.self, "\(address)") {
        _ = try RemoteRepository(at: address, from: sample.repository).heads()
      }
      #expect(error == .remote(.unsupportedAddress), "\(address)")
    }
    for address in [sample.directory("none"), sample.directory.path, "file:///none"] {
      #expect(throws: GitError.remote(.notFound), "\(address)") {
        _ = try RemoteRepository(at: address, from: sample.repository).heads()
      }
    }
    for address in ["https://127.0.0.1:1/x.git", "ssh://127.0.0.1:1/x.git"] {
      #expect(throws: GitError.remote(.unreachable), "\(address)") {
        _ = try RemoteRepository(at: address, from: sample.repository).heads()
      }
    }
  }

  @Test func `transfers tell how far they are`() throws {
    let (source, head) = try PackReaderTests.historic(seed: 96)
    for address in Self.addresses(source.path) {
      let told = Mutex<[RemoteProgress]>([])
      let sample = try Sample()
      var remote = try RemoteRepository(at: address, from: sample.repository)
      remote.progressed = { progress in told.withLock { $0.append(progress) } }
      let quarantine = Quarantine(for: sample.repository)
      let fetched = try remote.fetch(["refs/heads/main"], into: quarantine)
      let received = told.withLock { $0 }
      #expect(received.allSatisfy { $0.stage == .receiving })
      #expect(received.last?.objectCount == 48 && received.last?.totalCount == 48)
      #expect(try #require(received.last).byteCount > 1000)
      try Self.admit(fetched[0], quarantine, sample.repository)
      let new = try Self.commit(sample, on: head, "new")
      #expect(try remote.push([.init(name: "refs/heads/new", object: new)]) == ["refs/heads/new": .updated])
      let sent = try #require(told.withLock { $0 }.last { $0.stage == .sending })
      #expect(sent.objectCount == sent.totalCount && sent.totalCount >= 3)
      try source.git("branch", "-D", "new")
    }
  }

  @Test func `no configuration of git's is looked at`() throws {
    let (source, head) = try PackReaderTests.historic(seed: 93, commits: 2)
    let sample = try Sample()
    try sample.git("config", "url./none.insteadOf", source.path)
    #expect(try RemoteRepository(at: source.path, from: sample.repository).heads().contains { $0.object == head })
  }
}
