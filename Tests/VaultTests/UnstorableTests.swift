import Foundation
import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// What no object can hold, and what is kept beside the versions.
@Suite("Unstorable nodes") struct UnstorableTests {
  /// A file of 1 MiB with so many names that the limit is all but reached.
  private func linked(_ backing: VaultBacking, _ generator: inout SeededGenerator, beyond: Int = 0) -> StoredNode {
    let name = [UInt8](repeating: 0x61, count: 251)
    var paths: [[UInt8]] = []
    while backing.limits.cost(names: (paths + [name]).map(\.count), attributes: []) <= backing.limits.total {
      paths.append(name.dropLast(4) + Array(String(1000 + paths.count).utf8))
    }
    for index in 0..<beyond { paths.append(Array("\(index)".utf8)) }
    var node = StoredNode.file(["x"], generator.bytes(FileContent.partSize), object: .random(&generator))
    node.paths = paths
    return node
  }

  @Test func `as many names as the limit allows make a blob that every peer accepts, and more are refused`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 11)
    let backing = try VaultBacking(sample.vault)
    let node = linked(backing, &generator)
    #expect(node.paths.count > 450)
    let beyond = linked(backing, &generator, beyond: 3)
    let deep = StoredNode.file([String(repeating: "a/", count: 4096) + "b"], [1], object: .random(&generator))
    let good = StoredNode.file(["good"], [1], object: .random(&generator))
    let outcome = try backing.commit(CommitBatch(puts: [deep, node, beyond, good]))
    guard case .committed(let receipt, let refused) = outcome else { throw Program.Failure(description: "not stored") }
    #expect(Set(receipt.keys) == [node.object, good.object])
    #expect(refused == [deep.object: VFSError(.argumentListTooLong), beyond.object: VFSError(.argumentListTooLong)])
    let again = try VaultBacking(try sample.reopened()).nodes()
    #expect(Set(again.map(\.object)) == [node.object, good.object])
    #expect(again.first { $0.object == node.object }?.paths == node.paths)
    let sizes = try Program.check([
      "git", "-C", sample.vault.repository.path, "cat-file", "--batch-all-objects", "--batch-check=%(objectsize)",
    ])
    // Admission.swift: peers accept blobs of 3 MiB.
    #expect(sizes.text.split(separator: "\n").compactMap { Int($0) }.max() ?? .max < 3 << 20)
    // Nothing but refused nodes makes no version.
    let tip = try sample.vault.ownTip()
    _ = try backing.commit(CommitBatch(puts: [deep]))
    #expect(try sample.vault.ownTip() == tip && sample.findings().isEmpty)
  }

  @Test(arguments: [0, 1, 511, FileContent.partSize, FileContent.partSize + 1, 3 * FileContent.partSize + 7])
  func `what is kept comes back with all that belongs to it, until it is discarded`(size: Int) throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: UInt64(size))
    let content = generator.bytes(size)
    var node = StoredNode.file(["d/secret.tmp", "second"], content, object: .random(&generator))
    node.extendedAttributes = [[UInt8]("user.a".utf8): [0, 1, 255]]
    let backing = try VaultBacking(sample.vault)
    try backing.keep(StoredNode.file(["older"], [1], object: node.object))
    try backing.keep(node)
    let reopened = try VaultBacking(try sample.reopened())
    let nodes = try reopened.keptNodes()
    let kept = try #require(nodes.first)
    #expect(nodes.count == 1 && kept.object == node.object && kept.paths == node.paths && kept.mode == node.mode)
    #expect(kept.modified == node.modified && kept.extendedAttributes == node.extendedAttributes)
    guard case .regular(let body) = kept.body else { throw Program.Failure(description: "another kind") }
    var bytes: [UInt8] = []
    for case .fresh(let block) in body.parts { unsafe block.withBytes { unsafe bytes.append(contentsOf: $0) } }
    #expect(bytes == content && body.size == Int64(size))
    // No version, and nothing in clear.
    #expect(try reopened.nodes().isEmpty)
    let file = try #require(try KeptNodesFiles(sample).paths.first)
    let stored = try Data(contentsOf: URL(fileURLWithPath: file))
    #expect(stored.range(of: Data("secret.tmp".utf8)) == nil && stored.starts(with: Data("age-encryption.org/v1".utf8)))
    reopened.discardKept([node.object])
    #expect(try reopened.keptNodes().isEmpty && KeptNodesFiles(sample).paths.isEmpty)
  }

  @Test func `what somebody else put there, or a disk damaged, is left out and left alone`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 3)
    let backing = try VaultBacking(sample.vault)
    let node = StoredNode.file(["a"], [1, 2, 3], object: .random(&generator))
    try backing.keep(node)
    let file = try #require(try KeptNodesFiles(sample).paths.first)
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    bytes[bytes.count - 1] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    try Data("x".utf8).write(to: URL(fileURLWithPath: file.replacingOccurrences(of: node.object.hex, with: "junk")))
    #expect(try backing.keptNodes().isEmpty && KeptNodesFiles(sample).paths.count == 2)
  }

  private struct KeptNodesFiles {
    let paths: [String]

    init(_ sample: Sample) throws {
      let directory = "\(sample.vault.statePath)/kept"
      paths = try FileManager.default.contentsOfDirectory(atPath: directory).map { "\(directory)/\($0)" }
    }
  }
}
