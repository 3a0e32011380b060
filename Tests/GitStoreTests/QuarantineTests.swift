import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Quarantine", .serialized) struct QuarantineTests {
  /// A chain of commits whose blobs have the given sizes, parents first.
  private static func chain(_ sizes: [Int], seed: UInt64, from head: ObjectName? = nil) -> [[NewObject]] {
    var generator = SeededGenerator(seed: seed)
    var head = head
    return sizes.map { size in
      let objects = Sample.commit(contents: generator.bytes(size), parents: head.map { [$0] } ?? [])
      head = objects[3].name
      return objects
    }
  }

  private static func incoming(_ path: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: path + "/polykey/incoming")) ?? []
  }

  private static func loose(_ sample: Sample) throws -> Int {
    try Int(sample.git("count-objects").prefix { $0 != " " }) ?? -1
  }

  @Test func `a small update touches the disk only when it is admitted`() throws {
    let sample = try Sample()
    let chain = Self.chain([1000, 2000], seed: 60)
    let quarantine = Quarantine(for: sample.repository)
    for object in chain.joined() { try quarantine.add(object) }
    #expect(Self.incoming(sample.path).isEmpty)
    #expect(try Self.loose(sample) == 0)
    #expect(quarantine.names.count == 8)
    let head = chain[1][3].name
    #expect(try quarantine.commit(head).parents == [chain[0][3].name])
    #expect(try quarantine.tree(chain[1][2].name).entries.count == 1)
    #expect(try quarantine.contains(chain[0][0].name) && !sample.repository.contains(chain[0][0].name))
    #expect(try quarantine.kindAndSize(chain[0][0].name)?.size == 1000)
    #expect(throws: GitError.missing(.zero)) { try quarantine.read(.zero) }
    var changed = 0
    try quarantine.differences(old: chain[0][2].name, new: chain[1][2].name) { _ in changed += 1 }
    #expect(changed == 1)
    var walk = quarantine.history(from: head)
    #expect(try walk.next()?.name == head)
    #expect(try quarantine.isAncestor(chain[0][3].name, of: head))
    // In whatever order they are named.
    try quarantine.admit(quarantine.names.sorted())
    #expect(sample.repository.hasPendingWrites)
    #expect(quarantine.names.isEmpty)
    #expect(try quarantine.commit(head).parents == [chain[0][3].name])
    try sample.repository.updateReference("refs/heads/main", from: nil, to: head, durability: .powerLoss)
    #expect(try sample.fsck().isEmpty)
    #expect(try sample.git("rev-list", "--objects", "--count", "main") == "8")
  }

  @Test func `a large one is files, of which those not admitted go`() throws {
    let sample = try Sample()
    let chain = Self.chain([100, 60_000, 70_000, 10], seed: 61)
    var quarantine: Quarantine? = Quarantine(for: sample.repository, memoryLimit: 50_000)
    for object in chain.joined() { try quarantine?.add(object) }
    for object in chain.joined() { try quarantine?.add(object) }
    #expect(quarantine?.byteCount == chain.joined().reduce(0) { $0 + $1.bytes.count })
    #expect(Self.incoming(sample.path).count == 1)
    #expect(try Self.loose(sample) == 0)
    // Another process, and another instance, open the repository: they leave it alone.
    for _ in 0..<2 { _ = try Repository(opening: sample.path) }
    for object in chain.joined() { #expect(try quarantine?.read(object.name, expecting: object.kind) == object.bytes) }
    #expect(throws: GitError.missing(.zero)) { try quarantine?.admit([chain[0][0].name, .zero]) }
    #expect(try Self.loose(sample) == 0)
    try quarantine?.admit(chain[..<2].joined().map(\.name), durability: .powerLoss)
    #expect(!sample.repository.hasPendingWrites)
    try quarantine?.admit(chain[0].map(\.name))
    #expect(try Self.loose(sample) == 8)
    #expect(try sample.fsck().isEmpty)
    quarantine?.discard()
    #expect(Self.incoming(sample.path).isEmpty)
    #expect(throws: GitError.missing(chain[2][0].name)) { try quarantine?.read(chain[2][0].name) }
    for object in chain.joined() { try quarantine?.add(object) }
    #expect(Self.incoming(sample.path).count == 1)
    quarantine = nil
    #expect(Self.incoming(sample.path).isEmpty)
  }

  @Test func `what a pack brings is admitted as it came`() throws {
    let (source, head) = try PackReaderTests.historic(seed: 62)
    let pack = try PackReaderTests.stockPack(source, ["main"], ["--delta-base-offset"])
    let sample = try Sample()
    let quarantine = Quarantine(for: sample.repository, memoryLimit: 20_000)
    let reader = try PackStreamReader { (name) throws(GitError) in
      try quarantine.contains(name) ? try quarantine.read(name) : nil
    } deliver: { (object) throws(GitError) in
      try quarantine.add(object)
    }
    try reader.feed(pack)
    try reader.finish()
    try quarantine.admit(quarantine.names)
    try sample.repository.updateReference("refs/heads/main", from: nil, to: head, durability: .processCrash)
    #expect(try sample.fsck().isEmpty)
    #expect(try sample.git("rev-list", "--objects", "--count", "main") == "48")
  }

  @Test func `a damaged file in quarantine is told, and never admitted unseen`() throws {
    let sample = try Sample()
    let chain = Self.chain([5000], seed: 63)
    let quarantine = Quarantine(for: sample.repository, memoryLimit: 0)
    for object in chain[0] { try quarantine.add(object) }
    let path = try #require(Self.incoming(sample.path).first)
    let file = "\(sample.path)/polykey/incoming/\(path)/\(chain[0][3].name.hex)"
    try FileManager.default.removeItem(atPath: file)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: file))
    #expect(throws: GitError.corrupt(chain[0][3].name)) { try quarantine.commit(chain[0][3].name) }
    // Another sound object in its place.
    let other = "\(sample.path)/polykey/incoming/\(path)/\(chain[0][2].name.hex)"
    try FileManager.default.removeItem(atPath: file)
    try FileManager.default.copyItem(atPath: other, toPath: file)
    #expect(throws: GitError.corrupt(chain[0][3].name)) { try quarantine.commit(chain[0][3].name) }
    #expect(throws: GitError.corrupt(chain[0][3].name)) { try quarantine.admit(chain[0].map(\.name)) }
    #expect(try Self.loose(sample) == 0)
    let odd = NewObject(kind: .tree, bytes: [1])
    try quarantine.add(odd)
    #expect(throws: GitError.malformed(.tree)) { try quarantine.admit([odd.name]) }
  }

  // MARK: Kills

  private static let sizes = [100, 3000, 70_000, 20, 5, 40_000, 100, 100]

  /// Receives and admits for ever, until killed from a second thread.
  private static func admitUntilKilled(path: String, microseconds: Int) throws {
    let repository = try Repository(opening: path)
    Thread.detachNewThread {
      usleep(UInt32(microseconds))
      kill(getpid(), SIGKILL)
    }
    for index in 0... {
      let seed = UInt64(microseconds) << 20 + UInt64(index)
      let quarantine = Quarantine(for: repository, memoryLimit: index % 2 * 60_000)
      let chain = chain(sizes, seed: seed, from: try repository.resolve("refs/heads/main"))
      for object in chain.joined() { try quarantine.add(object) }
      try quarantine.admit(quarantine.names)
      let head = try repository.resolve("refs/heads/main")
      try repository.updateReference(
        "refs/heads/main", from: head, to: chain[chain.count - 1][3].name, durability: .processCrash)
    }
  }

  @Test func `killed at any moment, it leaves a sound repository and nothing for ever`() async throws {
    let sample = try TemporaryDirectory()
    let path = sample("r.git")
    _ = try Repository.create(at: path)
    var generator = SeededGenerator(seed: 64)
    for round in 0..<15 {
      let microseconds = Int.random(in: 300...30_000, using: &generator)
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, microseconds = microseconds as Int] in
        try Self.admitUntilKilled(path: path, microseconds: microseconds)
      }
      let fsck = try Program.run(["git", "-C", path, "fsck", "--strict", "--full"])
      #expect(fsck.status == 0, "round \(round): \(fsck.errors)")
      _ = try Repository(opening: path)
      #expect(Self.incoming(path).isEmpty)
    }
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let quarantine = Quarantine(for: try Repository(opening: path), memoryLimit: 0)
      for object in Self.chain(Self.sizes, seed: 66).joined() { try quarantine.add(object) }
      kill(getpid(), SIGKILL)
    }
    #expect(Self.incoming(path).count == 1)
    _ = try Repository(opening: path)
    #expect(Self.incoming(path).isEmpty)
  }

  // MARK: A full disk

  @Test(.enabled(if: SmallDisk.isPossible, "mounting needs root"))
  func `others may not fill the last twentieth of a disk, but its owner may`() throws {
    guard let disk = try SmallDisk(size: "20m") else { return }
    let path = disk("r.git")
    let repository = try Repository.create(at: path)
    func blob(_ byte: Int, _ count: Int) -> NewObject {
      NewObject(kind: .blob, bytes: [UInt8](repeating: UInt8(byte), count: count))
    }
    let quarantine = Quarantine(for: repository, memoryLimit: 0)
    var taken: [ObjectName] = []
    var failure: GitError?
    while failure == nil {
      let object = blob(taken.count, 200_000)
      do {
        try quarantine.add(object)
        taken.append(object.name)
      } catch {
        failure = error
      }
    }
    #expect(failure == .outOfSpace)
    let left = try repository.availableBytes()
    #expect((1 << 20)..<(1 << 20) + 300_000 ~= left)
    // What is in memory counts when it is admitted, unless it must be taken: who is a member may be what the disk needs.
    let small = Quarantine(for: repository)
    let object = blob(0, 300_000)
    try small.add(object)
    #expect(throws: GitError.outOfSpace) { try small.admit([object.name], sparingly: true) }
    #expect(small.isReceived(object.name))
    try small.admit([object.name])
    #expect(try repository.contains(object.name))
    // What is on the disk already takes no more room.
    try quarantine.admit(Array(taken.prefix(1)))
    try repository.write([blob(0, 400_000)], durability: .processCrash)
    #expect(try Program.run(["git", "-C", path, "fsck", "--strict"]).status == 0)
  }

  @Test(.enabled(if: SmallDisk.isPossible, "mounting needs root"))
  func `a full disk is an error that leaves nothing in quarantine`() throws {
    guard let disk = try SmallDisk(size: "3m") else { return }
    let path = disk("r.git")
    let repository = try Repository.create(at: path)
    let free = try repository.availableBytes()
    let chain = Self.chain([20_000, 4_000_000, 1_500_000], seed: 65)
    do {
      let quarantine = Quarantine(for: repository, memoryLimit: 0)
      for object in chain[0] { try quarantine.add(object) }
      #expect(throws: GitError.outOfSpace) { try quarantine.add(chain[1][0]) }
      #expect(!quarantine.isReceived(chain[1][0].name))
      for object in chain[2] { try quarantine.add(object) }
      // What is on the disk already is renamed; there is no room for a copy.
      try quarantine.admit(chain[0].map(\.name))
    }
    #expect(Self.incoming(path).isEmpty)
    #expect(try free - repository.availableBytes() < 100_000)
    let quarantine = Quarantine(for: repository)
    for object in chain.joined() { try quarantine.add(object) }
    #expect(throws: GitError.outOfSpace) { try quarantine.admit(quarantine.names) }
    let fsck = try Program.run(["git", "-C", path, "fsck", "--strict"])
    #expect(fsck.status == 0, "\(fsck.errors)")
    #expect(try Program.check(["find", path, "-name", "tmp_*"]).text.isEmpty)
  }
}
