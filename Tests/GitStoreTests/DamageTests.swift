import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Damage") struct DamageTests {
  private func loosePath(_ sample: Sample, _ name: ObjectName) -> String {
    sample.path + "/objects/" + name.hex.prefix(2) + "/" + name.hex.dropFirst(2)
  }

  @Test func `missing, wrong and damaged objects are told apart`() throws {
    let sample = try Sample()
    let repository = sample.repository
    let missing = ObjectName.of(.blob, [9])
    #expect(throws: GitError.missing(missing)) { try repository.read(missing, expecting: .blob) }
    #expect(try repository.kindAndSize(missing) == nil)
    var generator = SeededGenerator(seed: 5)
    let object = NewObject(kind: .blob, bytes: generator.bytes(70_000))
    try repository.write([object], durability: .processCrash)
    #expect(throws: GitError.wrongKind(object.name, found: .blob)) {
      try repository.read(object.name, expecting: .tree)
    }
    let path = loosePath(sample, object.name)
    let sound = try Data(contentsOf: URL(fileURLWithPath: path))
    for round in 0..<40 {
      var damaged = sound
      if round % 2 == 0 {
        damaged[Int.random(in: 0..<(damaged.count - 4), using: &generator)] ^=
          1 << UInt8.random(in: 0..<8, using: &generator)
      } else {
        damaged = damaged.prefix(Int.random(in: 0..<(damaged.count - 4), using: &generator))
      }
      try FileManager.default.removeItem(atPath: path)
      try damaged.write(to: URL(fileURLWithPath: path))
      #expect(throws: GitError.corrupt(object.name), "round \(round)") {
        try repository.read(object.name, expecting: .blob)
      }
    }
    // Another sound object in its place.
    let other = NewObject(kind: .blob, bytes: [1, 2, 3])
    try repository.write([other], durability: .processCrash)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: loosePath(sample, other.name), toPath: path)
    #expect(throws: GitError.corrupt(object.name)) { try repository.read(object.name, expecting: .blob) }
    try FileManager.default.removeItem(atPath: path)
    // Writing it anew heals it.
    try repository.write([object], durability: .processCrash)
    #expect(try repository.read(object.name, expecting: .blob) == object.bytes)
  }

  @Test func `a damaged pack is an error, not another object`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 6)
    let objects = Sample.commit(contents: generator.bytes(20_000), parents: [])
    try sample.repository.commit(
      objects, updating: "refs/heads/main", from: nil, to: objects[3].name, durability: .processCrash)
    try sample.git("repack", "-adq")
    let directory = sample.path + "/objects/pack"
    let pack = try #require(FileManager.default.contentsOfDirectory(atPath: directory).first { $0.hasSuffix(".pack") })
    var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(pack)"))
    bytes[bytes.count / 2] ^= 0x10
    try FileManager.default.removeItem(atPath: "\(directory)/\(pack)")
    try bytes.write(to: URL(fileURLWithPath: "\(directory)/\(pack)"))
    let fresh = try Repository(opening: sample.path)
    #expect(throws: GitError.corrupt(objects[0].name)) { try fresh.read(objects[0].name, expecting: .blob) }
  }

  @Test func `what is no repository is refused`() throws {
    let directory = try TemporaryDirectory()
    #expect(throws: GitError.notARepository) { try Repository(opening: directory("none")) }
    #expect(throws: GitError.notARepository) { try Repository(opening: directory.path) }
    let sample = try Sample()
    // No search upward from inside a repository.
    #expect(throws: GitError.notARepository) { try Repository(opening: sample.path + "/objects") }
    for (key, value) in [("core.repositoryformatversion", "2"), ("extensions.objectformat", "sha256")] {
      let other = try Sample()
      try Program.check(["git", "config", "-f", other.path + "/config", key, value])
      #expect(throws: GitError.unsupportedRepository) { try Repository(opening: other.path) }
    }
  }

  @Test func `a stock bare clone is opened and written`() throws {
    let sample = try Sample()
    let objects = Sample.commit(contents: [1], parents: [])
    try sample.repository.commit(
      objects, updating: "refs/heads/main", from: nil, to: objects[3].name, durability: .powerLoss)
    let path = sample.directory("clone.git")
    try Program.check(["git", "clone", "-q", "--bare", sample.path, path])
    let clone = try Repository(opening: path)
    let next = Sample.commit(contents: [2], parents: [objects[3].name])
    try clone.commit(
      next, updating: "refs/heads/main", from: objects[3].name, to: next[3].name, durability: .powerLoss)
    #expect(try Program.check(["git", "-C", path, "fsck", "--strict"]).status == 0)
    #expect(try Program.check(["git", "-C", path, "rev-list", "--count", "main"]).text == "2")
  }
}
