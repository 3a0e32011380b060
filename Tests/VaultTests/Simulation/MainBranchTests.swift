import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// What stock git shows of a vault: whoever moves `main` last, it is the view.
@Suite("The branch main") struct MainBranchTests {
  private let nodes: [SimulatedNode]
  private let vault: Vault
  private var generator = SeededGenerator(seed: 1)

  /// Of two writers, the second's vault, in which both have written.
  init() throws {
    nodes = try ExchangeTests.network([.writer])
    vault = try #require(nodes[1].vault)
    for (node, path) in zip(nodes, ["theirs", "ours"]) { try write(path, by: node) }
    try ExchangeTests.settle(nodes)
  }

  private mutating func write(_ path: String, by node: SimulatedNode) throws {
    try node.commit(CommitBatch(puts: [.file([path], generator.bytes(8), object: .random(&generator))]))
  }

  private func mainShowsTheView() throws -> Bool { try vault.repository.tip(of: Vault.main) == vault.headCommit() }

  @Test mutating func `a commit while another process makes main show what it saw before`() throws {
    #expect(try mainShowsTheView())
    var test = self
    var calls = 0
    try vault.showInMain { () throws(VaultError) in
      let seen = try test.vault.headCommit()
      calls += 1
      if calls == 1 { do { try test.write("more", by: test.nodes[1]) } catch { Issue.record(error) } }
      return seen
    }
    #expect(calls > 1)
    #expect(try mainShowsTheView())
  }

  @Test mutating func `a commit on a view that is not the newest any more`() throws {
    try write("more of theirs", by: nodes[0])
    // Another process takes it, and the one that commits was not told yet.
    let other = VaultExchange(try nodes[1].keynode.openVault(nodes[1].name))
    for message in try nodes[0].messages(to: nodes[1].tips) {
      let update = try other.receive()
      try update.feed(message.pack)
      _ = try update.finish(message.tips)
    }
    #expect(try mainShowsTheView())
    try write("more of ours", by: nodes[1])
    #expect(try mainShowsTheView())
  }
}
