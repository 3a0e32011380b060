import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Crashes", .serialized) struct CrashTests {
  /// Commits for ever, noting each commit's name after its call returned, until killed from a second thread.
  private static func writeUntilKilled(path: String, microseconds: Int) throws {
    let repository = try Repository(opening: path)
    Thread.detachNewThread {
      usleep(UInt32(microseconds))
      kill(getpid(), SIGKILL)
    }
    if microseconds % 3 == 0 {
      Thread.detachNewThread { while true { _ = try? repository.consolidate(looseLimit: 20, grace: 0) } }
    }
    var head = try repository.resolve("refs/heads/main")
    let log = unsafe open(path + "/../log", O_WRONLY | O_APPEND | O_CREAT, 0o600)
    for index in 0... {
      let objects = Sample.commit(contents: Array("\(microseconds) \(index)".utf8), parents: head.map { [$0] } ?? [])
      try repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name,
        durability: index % 5 == 4 ? .powerLoss : .processCrash)
      head = objects[3].name
      unsafe write(log, objects[3].name.hex + "\n", 41)
    }
  }

  @Test func `a writer killed at any moment loses no finished commit and blocks nobody`() async throws {
    let sample = try TemporaryDirectory()
    let path = sample("r.git")
    _ = try Repository.create(at: path)
    var generator = SeededGenerator(seed: 9)
    for round in 0..<15 {
      let microseconds = Int.random(in: 300...40_000, using: &generator)
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, microseconds = microseconds as Int] in
        try Self.writeUntilKilled(path: path, microseconds: microseconds)
      }
      let fsck = try Program.run(["git", "-C", path, "fsck", "--strict"])
      #expect(fsck.status == 0, "round \(round): \(fsck.errors)")
      let repository = try Repository(opening: path)
      let log = (try? String(contentsOfFile: sample("log"), encoding: .utf8)) ?? ""
      if let last = log.split(separator: "\n").last, let name = ObjectName(hex: String(last)) {
        let head = try #require(try repository.resolve("refs/heads/main"))
        #expect(try repository.isAncestor(name, of: head))
      }
      let head = try repository.resolve("refs/heads/main")
      let objects = Sample.commit(contents: Array("after \(round)".utf8), parents: head.map { [$0] } ?? [])
      try repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
      let garbage = try Program.check(["find", path, "-name", "tmp_*", "-o", "-name", "*.lock"]).text
      #expect(garbage.isEmpty)
    }
  }

  /// What a power loss can leave: the files of what was not durable are empty or old, though their names are there.
  @Test(arguments: 0..<12)
  func `after a power loss the newest whole commit is found`(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    let path = directory("r.git")
    var generator = SeededGenerator(seed: seed)
    var commits: [[NewObject]] = []
    do {
      let repository = try Repository.create(at: path)
      func commit(_ durability: Durability) throws {
        let head = commits.last?[3].name
        let objects = Sample.commit(contents: generator.bytes(50), parents: head.map { [$0] } ?? [])
        try repository.commit(
          objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: durability)
        commits.append(objects)
      }
      for _ in 0..<3 { try commit(.processCrash) }
      try repository.makeDurable()
      if seed % 2 == 0 { try commit(.powerLoss) }
    }
    let durable = commits.count
    // A second session that never ends: copied while open, as the disk would be found.
    let repository = try Repository(opening: path)
    for _ in 0..<5 {
      let head = commits.last?[3].name
      let objects = Sample.commit(contents: generator.bytes(50), parents: head.map { [$0] } ?? [])
      try repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
      commits.append(objects)
    }
    let copy = directory("copy.git")
    try Program.check(["cp", "-a", path, copy])
    try "00000000-0000 open\n".write(toFile: copy + "/polykey/session", atomically: true, encoding: .utf8)
    var firstDamaged = commits.count
    var hidesParent = false
    for index in durable..<commits.count {
      for object in commits[index] where Int.random(in: 0..<8, using: &generator) == 0 {
        let file = "\(copy)/objects/\(object.name.hex.prefix(2))/\(object.name.hex.dropFirst(2))"
        try Program.check([
          "sh", "-c", Bool.random(using: &generator) ? "rm -f \(file)" : "rm -f \(file) && : > \(file)",
        ])
        firstDamaged = min(firstDamaged, index)
        if object.kind == .commit { hidesParent = true }
      }
    }
    let reference = copy + "/refs/heads/main"
    switch seed % 3 {
    case 0: break
    case 1:
      try Data().write(to: URL(fileURLWithPath: reference))
      firstDamaged = durable
    default:
      // An old value, from a file that is used again.
      try "\(commits[0][3].name.hex)\n".write(toFile: reference, atomically: false, encoding: .utf8)
      firstDamaged = durable
    }
    let recovered = try Repository(opening: copy)
    // Where a damaged commit hides its parent, the last durable one is all that can be known.
    let head = try recovered.resolve("HEAD")
    let allowed = hidesParent ? [durable - 1, firstDamaged - 1] : [firstDamaged - 1]
    #expect(allowed.contains { commits[$0][3].name == head })
    let fsck = try Program.run(["git", "-C", copy, "fsck", "--strict"])
    #expect(fsck.status == 0, "\(fsck.errors)\(fsck.text)")
  }

  @Test(.enabled(if: SmallDisk.isPossible, "mounting needs root"))
  func `a full disk is an error that leaves the repository sound`() throws {
    guard let disk = try SmallDisk(size: "3m") else { return }
    let path = disk("r.git")
    let repository = try Repository.create(at: path)
    var head: ObjectName?
    var generator = SeededGenerator(seed: 11)
    var failure: GitError?
    while failure == nil {
      let objects = Sample.commit(contents: generator.bytes(20_000), parents: head.map { [$0] } ?? [])
      do {
        try repository.commit(
          objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
        head = objects[3].name
      } catch {
        failure = error
      }
    }
    #expect(failure == .outOfSpace)
    #expect(try repository.availableBytes() < 100_000)
    #expect(throws: GitError.outOfSpace) { try repository.consolidate(looseLimit: 0) }
    #expect(try repository.resolve("refs/heads/main") == head)
    let fsck = try Program.run(["git", "-C", path, "fsck", "--strict"])
    #expect(fsck.status == 0, "\(fsck.errors)")
    #expect(try Program.check(["find", path, "-name", "tmp_*", "-o", "-name", "*.lock"]).text.isEmpty)
  }
}
