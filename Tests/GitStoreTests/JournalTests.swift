import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Journal") struct JournalTests {
  @Test(arguments: [1000, 300_000, 600_000, 1_100_000, 2_500_000])
  func `what is too large for the journal is made durable without it`(size: Int) throws {
    let directory = try TemporaryDirectory()
    let repository = try Repository.create(at: directory("r.git"))
    repository.expectManyWrites(readyFiles: 8)
    var generator = SeededGenerator(seed: UInt64(size))
    let objects = Sample.commit(contents: generator.bytes(size), parents: [])
    try repository.commit(
      objects, updating: "refs/heads/main", from: nil, to: objects[3].name, durability: .processCrash)
    try repository.makeDurableQuickly()
  }

  /// What a power loss can leave: of everything but the journal, which was synced, only what was durable in full before.
  @Test(arguments: 0..<8)
  func `what was made durable quickly is there after a power loss`(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    let path = directory("r.git")
    var generator = SeededGenerator(seed: seed)
    let repository = try Repository.create(at: path)
    repository.expectManyWrites(readyFiles: 8)
    var head: ObjectName?
    var acknowledged: ObjectName?
    func commit() throws {
      let objects = Sample.commit(contents: generator.bytes(50), parents: head.map { [$0] } ?? [])
      try repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
      head = objects[3].name
    }
    try commit()
    try repository.makeDurable()
    let disk = directory("disk.git")
    try Program.check(["cp", "-a", path, disk])
    for round in 0..<40 {
      try commit()
      if Bool.random(using: &generator) {
        try repository.makeDurableQuickly()
        acknowledged = head
      }
      // A full sync on the way begins a new half of the journal, and puts the rest on the disk.
      if round == 10 || round == 25 {
        try repository.makeDurable()
        acknowledged = head
        try Program.check(["rm", "-rf", disk])
        try Program.check(["cp", "-a", path, disk])
      }
    }
    try Program.check(["cp", "\(path)/polykey/journal", "\(disk)/polykey/journal"])
    // Some of the names reached the disk without their files' data.
    for file in try Program.check(["find", "\(path)/objects", "-type", "f"]).text.split(separator: "\n") {
      let copy = disk + file.dropFirst(path.count)
      if !FileManager.default.fileExists(atPath: copy), Bool.random(using: &generator) {
        try Program.check(["install", "-D", "-m", "0444", "/dev/null", copy])
      }
    }
    try Data("00000000-0000-0000-0000-000000000000 open\n".utf8)
      .write(to: URL(fileURLWithPath: "\(disk)/polykey/session"))

    let recovered = try Repository(opening: disk)
    let found = try #require(try recovered.resolve("refs/heads/main"))
    #expect(try recovered.isAncestor(try #require(acknowledged), of: found))
    let fsck = try Program.run(["git", "-C", disk, "fsck", "--strict", "--full"])
    #expect(fsck.status == 0, "\(fsck.errors)")
  }

  @Test func `a journal of rubbish changes nothing`() throws {
    let directory = try TemporaryDirectory()
    let path = directory("r.git")
    var generator = SeededGenerator(seed: 1)
    var head: ObjectName?
    do {
      let repository = try Repository.create(at: path)
      repository.expectManyWrites(readyFiles: 8)
      for _ in 0..<3 {
        let objects = Sample.commit(contents: generator.bytes(50), parents: head.map { [$0] } ?? [])
        try repository.commit(
          objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
        head = objects[3].name
        try repository.makeDurableQuickly()
      }
    }
    let sound = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path)/polykey/journal")))
    for _ in 0..<40 {
      var journal = sound
      for _ in 0..<Int.random(in: 1...20, using: &generator) {
        journal[Int.random(in: 0..<6000, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      if Bool.random(using: &generator) { journal.removeLast(Int.random(in: 1..<journal.count, using: &generator)) }
      try Data(journal).write(to: URL(fileURLWithPath: "\(path)/polykey/journal"))
      try Data("00000000-0000-0000-0000-000000000000 open\n".utf8)
        .write(to: URL(fileURLWithPath: "\(path)/polykey/session"))
      #expect(try Repository(opening: path).resolve("refs/heads/main") == head)
    }
  }
}
