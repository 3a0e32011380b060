import Foundation
import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// What is committed comes back, whatever its kind and size, and two writers lose nothing.
@Suite("Vault backing") struct BackingTests {
  private static let part = FileContent.partSize

  /// A file's bytes, read as a file system reads them.
  private func bytes(of node: StoredNode, from backing: VaultBacking) throws -> [UInt8] {
    guard case .regular(let content) = node.body else { return [] }
    var bytes: [UInt8] = []
    for (index, part) in content.parts.enumerated() {
      let start = bytes.count
      if case .stored(let reference) = part {
        let block = try backing.load(reference, of: node.object)
        unsafe block.withBytes { unsafe bytes.append(contentsOf: $0) }
      }
      bytes.append(contentsOf: repeatElement(0, count: content.length(ofPart: index) - (bytes.count - start)))
    }
    return bytes
  }

  @Test(arguments: [
    0, 1, 511, 512, 513, 65_535, 65_536, part - 512, part - 1, part, part + 1, part + 512, 2 * part, 3 * part + 7,
  ])
  func `a file of any size comes back, also with hard links and attributes`(size: Int) throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: UInt64(size))
    let content = generator.bytes(size)
    var linked = StoredNode.file(["d/linked", "d/other name", "third"], content, object: .random(&generator))
    linked.extendedAttributes = [[UInt8]("user.a".utf8): [0, 1, 255], [UInt8]("user.empty".utf8): []]
    let plain = StoredNode.file(["plain"], content, object: .random(&generator))
    _ = try VaultBacking(sample.vault).commit(CommitBatch(puts: [linked, plain]))

    let backing = try VaultBacking(try sample.reopened())
    let nodes = Dictionary(uniqueKeysWithValues: try backing.nodes().map { ($0.object, $0) })
    for expected in [linked, plain] {
      let node = try #require(nodes[expected.object])
      #expect(node.paths == expected.paths && node.mode == 0o640 && node.owner == 7 && node.group == 8)
      #expect(node.modified == expected.modified && node.extendedAttributes == expected.extendedAttributes)
      #expect(try bytes(of: node, from: backing) == content)
    }
    #expect(try sample.findings().isEmpty)
  }

  @Test func `holes come back as zeros, and cost one blob for all`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 5)
    let middle = generator.bytes(BackingTests.part)
    let zeros = [UInt8](repeating: 0, count: BackingTests.part)
    let content = zeros + middle + zeros + zeros + [0, 0, 0]
    let node = StoredNode.file(["sparse"], content, object: .random(&generator), holes: [0, 2, 3, 4])
    _ = try VaultBacking(sample.vault).commit(CommitBatch(puts: [node]))
    let backing = try VaultBacking(try sample.reopened())
    #expect(try bytes(of: try #require(try backing.nodes().first), from: backing) == content)
    let tree = try Program.check([
      "git", "-C", sample.vault.repository.path, "ls-tree", "-r", "--format=%(objectname)", "main",
    ])
    let blobs = tree.text.split(separator: "\n")
    // README, header, five parts and the padding, of which three are the same.
    #expect(blobs.count == 8 && Set(blobs).count == 6)
  }

  @Test func `every kind of node comes back, and goes when it is removed`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 6)
    let bodies: [StoredNode.Body] = [
      .directory, .symbolicLink(target: [0x2E, 0xFF]), .symbolicLink(target: [UInt8](repeating: 0x61, count: 4095)),
      .fifo, .characterDevice(major: 1, minor: 3), .blockDevice(major: 259, minor: 65_536),
    ]
    var nodes: [StoredNode] = []
    for (index, body) in bodies.enumerated() {
      nodes.append(
        StoredNode(
          object: .random(&generator), body: body, paths: [[0xFF, UInt8(0x61 + index)]], mode: 0o7777, owner: .max - 1,
          group: 1 << 21, modified: Timestamp(seconds: -1, nanoseconds: 999_999_999)))
    }
    nodes.append(
      StoredNode(
        object: .random(&generator), body: .fifo,
        paths: [[UInt8](repeatElement(String(repeating: "b", count: 255), count: 16).joined(separator: "/").utf8)],
        mode: 0, owner: 0, group: 0, modified: Timestamp(seconds: 1 << 34)))
    let writer = try VaultBacking(sample.vault)
    _ = try writer.commit(CommitBatch(puts: nodes))
    let found = Dictionary(
      uniqueKeysWithValues: try VaultBacking(try sample.reopened()).nodes().map { ($0.object, $0) })
    #expect(found.count == nodes.count)
    for node in nodes {
      let again = try #require(found[node.object])
      #expect("\(again.body)" == "\(node.body)" && again.paths == node.paths && again.mode == node.mode)
      #expect(again.owner == node.owner && again.group == node.group && again.modified == node.modified)
    }
    _ = try writer.commit(CommitBatch(removals: nodes.map(\.object)))
    #expect(try VaultBacking(try sample.reopened()).nodes().isEmpty)
    #expect(try sample.findings().isEmpty)
  }

  @Test func `a rewritten part of a large file is the only part that is new`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 7)
    let object = ObjectID.random(&generator)
    var content = generator.bytes(3 * BackingTests.part)
    let backing = try VaultBacking(sample.vault)
    let outcome = try backing.commit(CommitBatch(puts: [.file(["large"], content, object: object)]))
    guard case .committed(let receipt, _) = outcome, let parts = receipt[object] else {
      Issue.record("not committed")
      return
    }
    content[BackingTests.part + 5] ^= 1
    var node = StoredNode.file(["large"], content, object: object)
    guard case .regular(var file) = node.body else { return }
    for index in [0, 2] { file.parts[index] = .stored(try #require(parts[index])) }
    node.body = .regular(file)
    _ = try backing.commit(CommitBatch(puts: [node]))
    let difference = try Program.check([
      "git", "-C", sample.vault.repository.path, "diff-tree", "-r", "--name-only", "--no-commit-id", "main",
    ])
    #expect(difference.text.split(separator: "\n").filter { $0.contains(".p") }.count == 1)
    let again = try VaultBacking(try sample.reopened())
    #expect(try bytes(of: try #require(try again.nodes().first), from: again) == content)
  }

  @Test func `two writers in turns see each other's changes and lose nothing`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 8)
    let backings = [try VaultBacking(sample.vault), try VaultBacking(try sample.reopened())]
    var known: [Set<ObjectID>] = [[], []]
    for turn in 0..<20 {
      let side = turn % 2
      let node = StoredNode.file(["f\(turn)"], [UInt8(turn)], object: .random(&generator))
      if case .outdated(let changes) = try backings[side].commit(CommitBatch(puts: [node])) {
        for case .put(let other) in changes { known[side].insert(other.object) }
        guard case .committed = try backings[side].commit(CommitBatch(puts: [node])) else {
          Issue.record("outdated again, with nobody else at work")
          return
        }
      } else {
        #expect(turn == 0, "the other's commit was not noticed")
      }
      known[side].insert(node.object)
      #expect(known[side].count == turn + 1)
      #expect(backings[1 - side].isBehind && !backings[side].isBehind)
    }
    #expect(try VaultBacking(try sample.reopened()).nodes().count == 20)
    #expect(try sample.findings().isEmpty)
  }

  @Test func `two writers at once lose nothing`() throws {
    let sample = try Sample()
    let backings = [try VaultBacking(sample.vault), try VaultBacking(try sample.reopened())]
    DispatchQueue.concurrentPerform(iterations: 2) { side in
      var generator = SeededGenerator(seed: 100 + UInt64(side))
      for number in 0..<60 {
        let node = StoredNode.file(["s\(side)n\(number)"], [UInt8(number)], object: .random(&generator))
        do {
          // As the file system above does.
          while case .outdated = try backings[side].commit(CommitBatch(puts: [node], durable: number % 9 == 0)) {}
        } catch {
          Issue.record(error)
        }
      }
    }
    let backing = try VaultBacking(try sample.reopened())
    let nodes = try backing.nodes()
    #expect(Set(nodes.flatMap(\.paths)).count == 120)
    let count = try Program.check(["git", "-C", sample.vault.repository.path, "rev-list", "--count", "main"]).text
    #expect(count == "120")
    #expect(try sample.findings().isEmpty)
  }
}
