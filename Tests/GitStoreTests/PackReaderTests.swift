import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Pack streams, read") struct PackReaderTests {
  /// Reads a pack given in pieces of `size` bytes.
  static func read(
    _ pack: [UInt8], by size: Int = 65_536, limits: PackLimits = PackLimits(), bases: [NewObject] = []
  ) throws -> [NewObject] {
    let objects = Received(bases)
    let reader = try PackStreamReader(limits: limits) { (name) throws(GitError) in
      objects.known[name].map { ($0.kind, $0.bytes) }
    } deliver: { (object) throws(GitError) in
      objects.add(object)
    }
    for start in stride(from: 0, to: pack.count, by: size) {
      #expect(!reader.isComplete)
      try reader.feed(Array(pack[start..<min(pack.count, start + size)]))
    }
    #expect(reader.objectCount == objects.list.count)
    try reader.finish()
    return objects.list
  }

  /// A repository with some history in which trees and blobs resemble their predecessors, so that git makes deltas of all sorts.
  static func historic(seed: UInt64, commits: Int = 12) throws -> (sample: Sample, head: ObjectName) {
    let sample = try Sample()
    var generator = SeededGenerator(seed: seed)
    var tree = PackWriterTests.wideTree(&generator).entries
    var text = String((0..<400).map { _ in "abcdefgh \n".randomElement(using: &generator) ?? "a" })
    var head: ObjectName?
    for round in 0..<commits {
      text += "line \(round)\n"
      let blob = NewObject(kind: .blob, bytes: Array(text.utf8))
      tree = tree.map { TreeEntry(mode: .file, name: $0.name, object: blob.name) }
      tree[Int.random(in: tree.indices, using: &generator)].object = blob.name
      var objects = Sample.commit(contents: Array(text.utf8), parents: head.map { [$0] } ?? [])
      objects[1] = NewObject(kind: .tree, bytes: Tree.encode(tree))
      objects[2] = NewObject(
        kind: .tree, bytes: Tree.encode([TreeEntry(mode: .directory, name: "ab", object: objects[1].name)]))
      let commit = CommitObject(
        tree: objects[2].name, parents: head.map { [$0] } ?? [], author: Sample.person(Int64(round)),
        committer: Sample.person(Int64(round)), message: Array("m\n".utf8))
      objects[3] = NewObject(kind: .commit, bytes: commit.encode())
      try sample.repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
      head = objects[3].name
    }
    return (sample, try #require(head))
  }

  /// What `git pack-objects` makes of the revisions.
  static func stockPack(_ sample: Sample, _ revisions: [String], _ options: [String]) throws -> [UInt8] {
    try Program.check(
      ["git", "-C", sample.path, "pack-objects", "-q", "--revs", "--stdout", "--window=50"] + options,
      input: Array((revisions.joined(separator: "\n") + "\n").utf8)
    ).output
  }

  @Test(arguments: [[], ["--delta-base-offset"], ["--depth=0"], ["--delta-base-offset", "--depth=3"]])
  func `git's packs are read, in pieces of any size`(options: [String]) throws {
    let (sample, head) = try Self.historic(seed: 31)
    try sample.git("tag", "-a", "-m", "t", "tag", head.hex)
    let pack = try Self.stockPack(sample, ["tag"], options)
    for size in [1, 7, 4096, 1 << 20] {
      let objects = try Self.read(pack, by: size)
      #expect(objects.count == 49)
      for object in objects { #expect(try sample.repository.read(object.name, expecting: object.kind) == object.bytes) }
    }
  }

  @Test func `git's thin packs are read where the bases are`() throws {
    let (sample, head) = try Self.historic(seed: 32)
    let pack = try Self.stockPack(sample, [head.hex, "^\(head.hex)~3"], ["--thin"])
    let all = try sample.git("rev-list", "--objects", "\(head.hex)~3").split(separator: "\n")
    var bases: [NewObject] = []
    for line in all {
      let name = try #require(ObjectName(hex: String(line.prefix(40))))
      let (kind, bytes) = try sample.repository.read(name)
      bases.append(NewObject(kind: kind, bytes: bytes))
    }
    let objects = try Self.read(pack, by: 11, bases: bases)
    #expect(objects.count == 12)
    for object in objects { #expect(try sample.repository.read(object.name, expecting: object.kind) == object.bytes) }
    #expect(throws: GitError.packMalformed) { try Self.read(pack) }
  }

  /// A pack of ours with whole objects and deltas, the objects in it, and the base that it lacks.
  static func mixed(seed: UInt64) throws -> (pack: [UInt8], objects: [NewObject], base: NewObject) {
    var generator = SeededGenerator(seed: seed)
    var tree = Tree((0..<12).map { TreeEntry(mode: .file, name: "f\($0)", object: .of(.blob, generator.bytes(8))) })
      .entries
    let base = NewObject(kind: .tree, bytes: Tree.encode(tree))
    var objects: [(NewObject, DeltaBase?)] = [(NewObject(kind: .blob, bytes: generator.bytes(100)), nil)]
    var previous = base
    for _ in 0..<3 {
      tree[Int.random(in: tree.indices, using: &generator)].object = .of(.blob, generator.bytes(8))
      let next = NewObject(kind: .tree, bytes: Tree.encode(tree))
      objects.append((next, DeltaBase(name: previous.name, bytes: previous.bytes)))
      previous = next
    }
    objects.append((Sample.commit(contents: generator.bytes(5), parents: [])[3], nil))
    objects.append((NewObject(kind: .tree, bytes: previous.bytes + previous.bytes), nil))
    return (try PackWriterTests.pack(objects), objects.map(\.0), base)
  }

  @Test func `our own packs come back`() throws {
    for seed in 40..<50 as Range<UInt64> {
      let (pack, objects, base) = try Self.mixed(seed: seed)
      #expect(try Self.read(pack, by: 13, bases: [base]).map(\.name) == objects.map(\.name))
    }
    #expect(try Self.read(try PackWriterTests.pack([])).isEmpty)
  }

  @Test func `cut, continued or changed anywhere, a pack is refused`() throws {
    let (pack, _, base) = try Self.mixed(seed: 51)
    for count in 0..<pack.count {
      #expect(throws: GitError.packMalformed) { try Self.read(Array(pack[..<count]), bases: [base]) }
    }
    #expect(throws: GitError.packMalformed) { try Self.read(pack + [0], bases: [base]) }
    #expect(throws: GitError.packMalformed) { try Self.read(pack, by: pack.count, bases: []) }
    for index in pack.indices {
      for bit in [0, 3, 7] as [UInt8] {
        var changed = pack
        changed[index] ^= 1 << bit
        let error = #expect(throws: GitError.self) { try Self.read(changed, bases: [base]) }
        #expect(error == .packMalformed || error == .packTooLarge, "byte \(index)")
      }
    }
  }

  @Test(arguments: 0..<8)
  func `mutations that keep the checksum yield errors or other objects, nothing worse`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var limits = PackLimits()
    limits.objectCount = 1000
    (limits.blobSize, limits.treeSize, limits.commitSize, limits.inflatedSize) = (4096, 4096, 4096, 1 << 20)
    let (mixed, _, base) = try Self.mixed(seed: seed)
    var packs = [mixed]
    let (sample, _) = try Self.historic(seed: seed, commits: 4)
    packs.append(try Self.stockPack(sample, ["main"], ["--delta-base-offset"]))
    for round in 0..<400 {
      var pack = packs[round % 2]
      pack.removeLast(20)
      for _ in 0..<Int.random(in: 1...4, using: &generator) where pack.count > 40 {
        let place = Int.random(in: 4..<pack.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: pack[place] = .random(in: 0...255, using: &generator)
        case 1: pack[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: pack.remove(at: place)
        case 3: pack.insert(.random(in: 0...255, using: &generator), at: place)
        default:
          let other = Int.random(in: place..<min(pack.count, place + 40), using: &generator)
          pack.insert(contentsOf: pack[place..<other], at: Int.random(in: 12..<pack.count, using: &generator))
        }
      }
      pack += PackWriterTests.checksum(pack)
      do {
        for object in try Self.read(pack, by: 100, limits: limits, bases: [base]) {
          #expect(object.name == .of(object.kind, object.bytes))
          #expect(object.bytes.count <= 4096)
        }
      } catch {
        let error = error as? GitError
        #expect(error == .packMalformed || error == .packTooLarge)
      }
    }
  }
}

/// Objects as they are delivered.
final class Received {
  private(set) var list: [NewObject] = []
  private(set) var known: [ObjectName: NewObject] = [:]

  init(_ bases: [NewObject] = []) { for base in bases { known[base.name] = base } }

  func add(_ object: NewObject) {
    list.append(object)
    known[object.name] = object
  }
}
