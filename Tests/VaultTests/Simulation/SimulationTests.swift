import Foundation
import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Random networks: 2 to 7 nodes that write, are admitted, removed and demoted, crash and restart, with messages that are lost, late,
/// repeated and out of order, and clocks that are wrong by up to a year.
///
/// Whatever happens, when all have talked to each other: all show the same tree, nobody makes another commit, and what a completed write
/// returned for is part of it, unless its author was removed.
@Suite("Simulated networks") struct SimulationTests {
  /// A network's whole state; a failure is replayed by its seed.
  private final class World {
    var generator: SeededGenerator
    var nodes: [SimulatedNode] = []
    /// Messages under way, with the index of whom they are for.
    var mail: [(to: Int, message: SimulatedNode.Message)] = []
    /// Links that are cut.
    var cut: Set<[Int]> = []
    /// Whether backups are made and put back.
    let backups: Bool
    /// Nodes that lost the right to write at some time.
    var demoted: Set<NodeID> = []

    init(seed: UInt64) throws {
      generator = SeededGenerator(seed: seed)
      backups = seed % 8 == 0
      // Mostly few: what goes wrong goes wrong among three.
      let count = min(Int.random(in: 2...7, using: &generator), Int.random(in: 2...7, using: &generator))
      for index in 0..<count {
        nodes.append(try SimulatedNode(skew: Int64.random(in: -31_536_000...31_536_000, using: &generator)))
        guard index > 0 else {
          try nodes[0].found()
          continue
        }
        let role =
          index == 1
          ? Role.owner : [.owner, .writer, .writer, .reader, .replica].randomElement(using: &generator) ?? .writer
        try admit(nodes[index], as: role, by: nodes[0])
        try nodes[0].push(to: nodes[index])
      }
    }

    func admit(_ node: SimulatedNode, as role: Role, by owner: SimulatedNode) throws {
      guard let vault = owner.vault else { return }
      try vault.admit(node.id, as: role, recipient: node.keynode.identity.recipient)
      if node.vault == nil { try node.expect(vault.id) }
    }

    func step() throws {
      let index = Int.random(in: nodes.indices, using: &generator)
      let node = nodes[index]
      switch Int.random(in: 0..<100, using: &generator) {
      case 0..<45: try node.write(&generator)
      case 45..<65:
        let other = Int.random(in: nodes.indices, using: &generator)
        guard other != index, !cut.contains([min(index, other), max(index, other)]) else { return }
        for message in try node.messages(to: try nodes[other].tips) { mail.append((other, message)) }
      case 65..<88: try deliver()
      case 88..<91:
        let other = Int.random(in: nodes.indices, using: &generator)
        let link = [min(index, other), max(index, other)]
        if !cut.insert(link).inserted { cut.remove(link) }
      case 91..<93: if node.vault != nil { try node.restart() }
      case 93:
        if let (to, message) = mail.randomElement(using: &generator) { try nodes[to].crash(receiving: message) }
      case 94: if backups { try node.backUp() }
      case 95: if backups { try node.putBack(amid: nodes.filter { $0 !== node }) }
      default: try govern(node)
      }
    }

    private func deliver() throws {
      guard !mail.isEmpty else { return }
      // Any message, not the oldest.
      let place = Int.random(in: mail.indices, using: &generator)
      let (to, message) = mail[place]
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: mail.remove(at: place)
      case 1: _ = try nodes[to].receive(message)
      default:
        mail.remove(at: place)
        _ = try nodes[to].receive(message)
      }
    }

    private func govern(_ node: SimulatedNode) throws {
      guard let vault = node.vault, vault.role == .owner else { return }
      let other = nodes[Int.random(in: nodes.indices, using: &generator)]
      // The founder stays an owner, so that there is one who can act to the end.
      guard other !== node, other !== nodes[0] else { return try vault.rotate() }
      let isMember = vault.membership.members[other.id] != nil
      switch Int.random(in: 0..<4, using: &generator) {
      case 0 where isMember:
        demoted.insert(other.id)
        try vault.remove(other.id)
      case 1 where isMember:
        let role = Role.allCases.randomElement(using: &generator) ?? .writer
        if !role.mayWrite { demoted.insert(other.id) }
        try vault.setRole(of: other.id, to: role)
      case 2 where !isMember: try admit(other, as: .writer, by: node)
      default: try vault.rotate()
      }
    }

    var members: [SimulatedNode] {
      let members = nodes[0].vault?.membership.members ?? [:]
      return nodes.filter { members[$0.id] != nil }
    }
  }

  /// How many networks: POLYKEY_SIMULATIONS, from POLYKEY_SEED on.
  private static var seeds: Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["POLYKEY_SEED"].flatMap { UInt64($0) } ?? 0
    return first..<(first + (environment["POLYKEY_SIMULATIONS"].flatMap { UInt64($0) } ?? 300))
  }

  @Test(arguments: seeds)
  func `every network comes to rest, agrees, and has lost nothing`(seed: UInt64) throws {
    let world = try World(seed: seed)
    for _ in 0..<Int.random(in: 10...40, using: &world.generator) { try world.step() }
    try ExchangeTests.settle(world.nodes)
    let members = world.members.filter { $0.vault != nil }
    let views = try members.map { try $0.vault?.view() }
    #expect(Set(views).count <= 1, "seed \(seed): they do not agree")
    #expect(Set(members.compactMap { $0.vault?.membership.commit }).count == 1, "seed \(seed): two member lists")
    // Rest: another round makes no commit and moves nothing.
    let before = try members.map { try $0.tips }
    try ExchangeTests.settle(world.nodes)
    #expect(try members.map { try $0.tips } == before, "seed \(seed): something moved at rest")
    guard let view = views.first ?? nil, let vault = members.first?.vault else { return }
    for node in world.nodes where !world.demoted.contains(node.id) {
      for commit in node.acknowledged {
        let walk = try Divergence(of: Array(Set([view.commit, commit])).sorted(), in: vault.graph)
        let all = walk.tips(reaching: commit)
        #expect(view.commit == commit || all == 3, "seed \(seed): an acknowledged version is gone")
      }
    }
    let shown = members.filter { $0.vault?.role?.mayRead == true }.map { node in
      Set(node.shown.values.flatMap(\.paths).map { String(decoding: $0, as: UTF8.self) })
    }
    #expect(Set(shown).count <= 1, "seed \(seed): they show different paths")
    let sample = members[Int(seed) % members.count]
    if sample.vault?.role?.mayRead == true {
      _ = try sample.vault?.verify { Issue.record("seed \(seed): \($0.reason)") }
    }
  }
}
