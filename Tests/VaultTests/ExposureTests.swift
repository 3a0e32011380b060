import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// What those who may read no more could read, or can.
@Suite("Exposure") struct ExposureTests {
  private func put(_ node: SimulatedNode, _ path: String, _ text: String, _ id: UInt64) throws {
    try node.commit(
      CommitBatch(puts: [.file([path], [UInt8](text.utf8), object: ObjectID(high: id << 32, low: id))]))
  }

  private func exposed(_ node: SimulatedNode, to other: SimulatedNode) throws -> [String] {
    try #require(node.vault).exposed(to: other.id).map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  @Test func `what is written under an old key by somebody who had not heard of the removal is exposed`() throws {
    let nodes = try ExchangeTests.network([.writer, .reader])
    let (owner, writer, reader) = (nodes[0], nodes[1], nodes[2])
    for (index, path) in ["same", "changed", "stale"].enumerated() { try put(owner, path, "1", UInt64(index + 1)) }
    try ExchangeTests.settle(nodes)
    try #require(owner.vault).remove(reader.id)
    try put(owner, "changed", "2", 2)
    try put(owner, "new", "1", 4)
    // The writer has not heard of it.
    try put(writer, "stale", "2", 3)
    try put(writer, "late", "1", 5)
    try writer.push(to: owner)
    try owner.refresh()
    #expect(try #require(owner.vault).formerReaders() == [reader.id])
    #expect(try exposed(owner, to: reader) == ["late", "same", "stale"])
    // Encrypted anew, what was never readable to it is not any more; what it could read stays in the list until it is changed.
    try #require(owner.vault).reencryptAll()
    try owner.refresh()
    #expect(try exposed(owner, to: reader) == ["same"])
    try put(owner, "same", "2", 1)
    #expect(try exposed(owner, to: reader).isEmpty)
  }

  @Test func `a reader that became a replica is told of, too`() throws {
    let nodes = try ExchangeTests.network([.reader])
    try put(nodes[0], "old", "1", 1)
    try ExchangeTests.settle(nodes)
    try #require(nodes[0].vault).setRole(of: nodes[1].id, to: .replica)
    try put(nodes[0], "new", "1", 2)
    #expect(try #require(nodes[0].vault).formerReaders() == [nodes[1].id])
    #expect(try exposed(nodes[0], to: nodes[1]) == ["old"])
  }
}
