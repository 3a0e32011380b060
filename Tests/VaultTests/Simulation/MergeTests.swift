import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// That a view depends on what is known alone: not on the order in which it came, how often, or over whom.
@Suite("Merge properties") struct MergeTests {
  /// Writers that wrote at random, and told each other some of it.
  private static func history(_ seed: UInt64, writers: Int) throws -> [SimulatedNode] {
    var generator = SeededGenerator(seed: seed)
    let nodes = try ExchangeTests.network([Role](repeating: .writer, count: writers - 1))
    for _ in 0..<(8 * writers) {
      let node = nodes[Int.random(in: nodes.indices, using: &generator)]
      if Int.random(in: 0..<4, using: &generator) > 0 {
        try node.write(&generator)
      } else {
        try node.push(to: nodes[Int.random(in: nodes.indices, using: &generator)])
      }
    }
    return nodes
  }

  /// One node that knows all of it, and the heads there.
  private static func heads(_ nodes: [SimulatedNode]) throws -> (Vault, [GraphCommit]) {
    for node in nodes[1...] { try node.push(to: nodes[0]) }
    let vault = try #require(nodes[0].vault)
    return (vault, try Divergence.heads(of: try vault.countingTips(), in: vault.graph))
  }

  @Test(arguments: 0..<UInt64(12))
  func `merging is commutative and idempotent, and heads of heads are the heads`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let nodes = try MergeTests.history(seed, writers: 4)
    defer { withExtendedLifetime(nodes) {} }
    let (vault, heads) = try MergeTests.heads(nodes)
    let names = heads.map(\.name)
    for _ in 0..<4 {
      let shuffled = names.shuffled(using: &generator)
      #expect(try Divergence.heads(of: shuffled + shuffled, in: vault.graph) == heads, "seed \(seed)")
      let cut = Int.random(in: 0...names.count, using: &generator)
      let some = try Divergence.heads(of: shuffled[..<cut], in: vault.graph)
      let rest = try Divergence.heads(of: shuffled[cut...], in: vault.graph)
      #expect(try Divergence.heads(of: (some + rest).map(\.name), in: vault.graph) == heads, "seed \(seed)")
    }
    guard heads.count > 1 else { return }
    let merge = ViewMerge(graph: vault.graph)
    let once = try merge.merge(heads)
    #expect(try merge.merge(heads).commit == once.commit, "seed \(seed)")
    // A head and what it contains are that head.
    let before = heads.flatMap(\.parents)
    #expect(try Divergence.heads(of: names + before, in: vault.graph) == heads, "seed \(seed)")
  }

  @Test(arguments: 0..<UInt64(12))
  func `merging is associative: over whomever the versions came, the tree is the same`(seed: UInt64) throws {
    let nodes = try MergeTests.history(seed, writers: 4)
    defer { withExtendedLifetime(nodes) {} }
    let (vault, heads) = try MergeTests.heads(nodes)
    guard heads.count > 2 else { return }
    let merge = ViewMerge(graph: vault.graph)
    let all = try merge.merge(heads)
    for index in heads.indices {
      // Somebody saw all but one, and wrote on that without changing anything.
      let rest = heads.enumerated().filter { $0.offset != index }.map(\.element)
      let partial = try merge.merge(rest)
      try vault.repository.add(partial.objects, durable: false)
      let next = try vault.dataCommit(tree: partial.commit.tree, after: Head(partial.commit))
      try vault.repository.add([next.object], durable: false)
      let pair = [try vault.graph.commit(next.object.name), heads[index]].sorted { $0.name < $1.name }
      #expect(try merge.merge(pair).commit.tree == all.commit.tree, "seed \(seed), all but \(index)")
    }
  }

  @Test(arguments: 0..<UInt64(12))
  func `whatever the order in which updates come, the view is the same`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let writers = try MergeTests.history(seed, writers: 3)
    var views: Set<Head> = []
    for _ in 0..<3 {
      let reader = try SimulatedNode()
      try #require(writers[0].vault).admit(reader.id, as: .replica, recipient: reader.keynode.identity.recipient)
      try reader.expect(try #require(writers[0].vault?.id))
      try writers[0].push(to: reader)
      var mail = try writers.flatMap { try $0.messages(to: [:]) }
      mail += mail
      mail.shuffle(using: &generator)
      // What came too early comes again.
      for message in mail + mail { _ = try reader.receive(message) }
      views.insert(try #require(try reader.vault?.view()))
    }
    #expect(views.count == 1, "seed \(seed)")
  }

  @Test(arguments: 0..<UInt64(8))
  func `forks of the members' log end in one, whatever the order in which they come`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let scene = try AttackScene([.owner, .owner, .owner])
    let quarantine = Quarantine(for: try scene.victim.repository)
    var known = try scene.victim.log
    let start = known
    var tips = [known.tip]
    while tips.count < 14 {
      let parent = tips.randomElement(using: &generator) ?? known.tip
      var state = try #require(known.state(at: parent))
      let owners = state.members.filter { $0.value.role == .owner }.keys.sorted()
      let author = try #require(owners.randomElement(using: &generator))
      let other = scene.nodes[Int.random(in: scene.nodes.indices, using: &generator)].id
      // Also the founder loses its rank, and comes back with another.
      let wasOwner = state.members[other]?.role == .owner
      state.removed[other] = wasOwner ? Frontier(tip: nil, view: nil) : nil
      state.members[other]?.role = wasOwner ? .reader : .owner
      guard state.members.values.contains(where: { $0.role == .owner }) else { continue }
      let tree = state.encodeTree()
      let message = MembersMessage(vault: try scene.victim.id, node: author)
      let identity = try #require(scene.nodes.first { $0.id == author }).keynode.identity
      let commit = try SignedCommit(
        tree: try #require(tree.last).name, parents: [parent], message: message.encoded, time: Int64(tips.count)
      ).object(signedBy: identity)
      for object in tree + [commit] { try quarantine.add(object) }
      try known.take(commit.name, in: quarantine)
      tips.append(commit.name)
    }
    for _ in 0..<6 {
      var log = start
      for tip in tips.shuffled(using: &generator) where log.state(at: tip) == nil { try log.take(tip, in: quarantine) }
      #expect(log.tip == known.tip && log.lost == known.lost, "seed \(seed)")
    }
  }
}
