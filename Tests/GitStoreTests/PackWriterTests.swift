import Foundation
import TestSupport
import Testing

@testable import GitStore

@Suite("Pack streams, written") struct PackWriterTests {
  /// A tree as a vault's are: 256 entries of 37 bytes and more.
  static func wideTree(_ generator: inout SeededGenerator) -> Tree {
    Tree(
      (0..<256).map { index in
        let name = String(index + 256, radix: 16).dropFirst() + ".age"
        return TreeEntry(mode: .file, name: String(name), object: .of(.blob, generator.bytes(8)))
      })
  }

  /// The pack of `objects`, written by us.
  static func pack(_ objects: [(object: NewObject, base: DeltaBase?)]) throws -> [UInt8] {
    let output = Collected()
    let writer = try PackStreamWriter(objectCount: objects.count) { (bytes) throws(GitError) in output.add(bytes) }
    for (object, base) in objects { try writer.add(object.kind, object.bytes, base: base) }
    try writer.finish()
    #expect(output.largest <= 65_536)
    return output.bytes
  }

  @Test func `git takes a pack of every kind and size`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 21)
    var objects = [0, 1, 15, 16, 2047, 2048, 65_535, 65_536, 200_000].map {
      NewObject(kind: .blob, bytes: generator.bytes($0))
    }
    objects.append(NewObject(kind: .blob, bytes: [UInt8](repeating: 7, count: 100_000)))
    for blob in objects {
      let tree = Tree.encode([TreeEntry(mode: .file, name: "f", object: blob.name)])
      objects.append(NewObject(kind: .tree, bytes: tree))
    }
    objects.append(Sample.commit(contents: [1], parents: [])[3])
    objects += Sample.commit(contents: [1], parents: []).dropLast()
    let tag = "object \(objects[20].name.hex)\ntype commit\ntag t\ntagger A <a> 1 +0000\n\nm\n"
    objects.append(NewObject(kind: .tag, bytes: Array(tag.utf8)))
    let pack = try Self.pack(objects.map { ($0, nil) })
    try Program.check(["git", "-C", sample.path, "index-pack", "--strict", "--stdin"], input: pack)
    for object in objects {
      #expect(try Repository(opening: sample.path).read(object.name, expecting: object.kind) == object.bytes)
      #expect(try sample.git("cat-file", "-t", object.name.hex) == object.kind.word)
    }
    let none = try Self.pack([])
    #expect(none.count == 32)
    try Program.check(["git", "-C", sample.path, "unpack-objects"], input: none)
  }

  @Test func `one changed name in a wide tree is a small delta, also against a base that only the receiver has`() throws
  {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 22)
    var objects: [(NewObject, DeltaBase?)] = []
    let first = Self.wideTree(&generator)
    let start = NewObject(kind: .tree, bytes: first.encode())
    try sample.repository.write([start], durability: .processCrash)
    var entries = first.entries
    var previous = start
    let plain = try Self.pack([]).count
    for round in 0..<40 {
      // One name, several, a row less, a row more, everything.
      switch round {
      case ..<20: entries[Int.random(in: entries.indices, using: &generator)].object = .of(.blob, generator.bytes(8))
      case ..<30:
        for _ in 0..<5 {
          entries[Int.random(in: entries.indices, using: &generator)].object = .of(.blob, generator.bytes(8))
        }
      case 30: entries.remove(at: 100)
      case 31: entries.append(TreeEntry(mode: .file, name: "a0a.age", object: start.name))
      case 32: entries.removeFirst()
      case 33: entries.removeLast()
      default: entries = Self.wideTree(&generator).entries
      }
      let next = NewObject(kind: .tree, bytes: Tree.encode(entries))
      let base = DeltaBase(name: previous.name, bytes: previous.bytes)
      objects.append((next, base))
      let size = try Self.pack([(next, base)]).count - plain
      switch round {
      case ..<20: #expect(size < 100)
      case ..<30: #expect(size < 300)
      case ..<34: #expect(size < 120)
      default: break
      }
      previous = next
    }
    let pack = try Self.pack(objects)
    try Program.check(["git", "-C", sample.path, "index-pack", "--fix-thin", "--stdin"], input: pack)
    let repository = try Repository(opening: sample.path)
    for (object, _) in objects { #expect(try repository.read(object.name, expecting: .tree) == object.bytes) }
  }

  /// SHA-1 as packs have it at their ends.
  static func checksum(_ bytes: [UInt8]) -> [UInt8] {
    let sum = PlainSHA1()
    sum.add(bytes)
    return sum.finish().bytes
  }

  @Test func `checksums are sha1sum's`() throws {
    var generator = SeededGenerator(seed: 24)
    for count in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 10_000] {
      let bytes = generator.bytes(count)
      let sum = PlainSHA1()
      var rest = bytes[...]
      while !rest.isEmpty {
        let part = rest.prefix(Int.random(in: 1...200, using: &generator))
        sum.add(Array(part))
        rest = rest.dropFirst(part.count)
      }
      #expect(try sum.finish().hex == Program.check(["sha1sum"], input: bytes).text.prefix(40))
    }
  }

  @Test func `what the sink throws ends the writing`() throws {
    var generator = SeededGenerator(seed: 23)
    let blob = generator.bytes(300_000)
    let writer = try PackStreamWriter(objectCount: 1) { (_) throws(GitError) in throw .outOfSpace }
    #expect(throws: GitError.outOfSpace) { try writer.add(.blob, blob) }
  }
}

/// What a sink got.
final class Collected {
  private(set) var bytes: [UInt8] = []
  private(set) var largest = 0

  func add(_ more: [UInt8]) {
    bytes += more
    largest = max(largest, more.count)
  }
}
