import Foundation
import GitStore
import PowerLoss
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// A vault's whole life, and power lost at any moment of it: what is found opens, and has all that was synced.
@Suite("Vaults and power loss") struct VaultPowerLossTests {
  private static let rounds = ProcessInfo.processInfo.environment["POLYKEY_POWER_LOSSES"].flatMap { UInt64($0) } ?? 4

  @Test(arguments: 0..<rounds)
  func `a vault opens after a power loss in any phase, with all that was synced`(seed: UInt64) throws {
    var life = try Life(seed: seed)
    try life.live()
    for phase in life.phases { try life.lose(8, in: phase) }
  }

  @Test func `a vault that was never written to is sound for git`() throws {
    let (founder, node) = (try SimulatedNode(), try SimulatedNode())
    try founder.found()
    let vault = try #require(founder.vault)
    try vault.admit(node.id, as: .writer, recipient: node.keynode.identity.recipient)
    try node.expect(vault.id)
    try founder.push(to: node)
    for node in [founder, node] {
      let path = try #require(node.vault).repository.path
      let fsck = try Program.run(["git", "-C", path, "fsck", "--strict"])
      #expect(fsck.status == 0, "\(fsck.errors)")
    }
    // The first write makes main, which follows this node's branch.
    let object = ObjectID(high: 1, low: 2)
    try founder.commit(CommitBatch(puts: [.file(["a"], [1], object: object)]))
    #expect(try vault.repository.reference(Vault.main) == .symbolic(vault.branch))
    #expect(try vault.repository.tip(of: Vault.main) == vault.headCommit())
  }

  @Test func `a keynode's state with links or special files in it is not used`() throws {
    for command in [["ln", "-s", "/"], ["mkfifo"]] {
      let directory = try TemporaryDirectory()
      let paths = KeynodePaths(home: directory("home"))
      try IdentityFile.create(try Identity(), label: nil, passphrase: nil, at: paths)
      _ = try IdentityFile.open(at: paths)
      try Program.check(["mkdir", "\(paths.state)/sub"])
      try Program.check(command + ["\(paths.state)/sub/strange"])
      #expect(throws: VaultError.repository(.notPlain)) { try IdentityFile.open(at: paths) }
      try Program.check(["rm", "-r", "\(paths.state)/sub"])
      // A FIFO for an identity is not waited for.
      try Program.check(["rm", paths.plainIdentity])
      try Program.check(["mkfifo", paths.plainIdentity])
      #expect(throws: VaultError.repository(.notPlain)) { try IdentityFile.open(at: paths) }
    }
  }
}

/// What a node does and is given, recorded.
private struct Life {
  /// Bytes at a path that are there from some moment on.
  private struct Promise {
    let moment: Int
    let path: String
    let versions: [[UInt8]]
  }
  struct Phase {
    let name: String
    let moments: ClosedRange<Int>
  }

  private let seed: UInt64
  private var generator: SeededGenerator
  private let founder: SimulatedNode
  private let node: SimulatedNode
  private let loss: PowerLoss
  /// The same for the founder, whose vault is created.
  private let founderLoss: PowerLoss
  private(set) var phases: [Phase] = []
  private var promises: [Promise] = []
  private var latest: [String: [[UInt8]]] = [:]

  init(seed: UInt64) throws {
    self.seed = seed
    generator = SeededGenerator(seed: seed)
    (founder, node) = (try SimulatedNode(), try SimulatedNode())
    founderLoss = try PowerLoss(recording: founder.directory.path)
    loss = try PowerLoss(recording: node.directory.path)
  }

  private mutating func phase(_ name: String, _ body: (inout Life) throws -> Void) throws {
    let start = loss.now
    try body(&self)
    phases.append(Phase(name: name, moments: start...loss.now))
  }

  mutating func live() throws {
    try founder.found()
    let vault = try #require(founder.vault)
    try writeElsewhere()
    try vault.admit(node.id, as: .writer, recipient: node.keynode.identity.recipient)
    try node.expect(vault.id)
    try phase("join") { life in
      for _ in 0..<2 { try life.founder.push(to: life.node) }
      try life.node.vault?.flush()
    }
    node.vault?.prepareForWriting()
    try phase("exchange") { life in
      for _ in 0..<25 { try life.step() }
    }
    try phase("members") { life in
      for role in [Role.owner, .writer] {
        try #require(life.founder.vault).setRole(of: life.node.id, to: role)
        try #require(life.founder.vault).rotate()
        try life.founder.push(to: life.node)
        try life.step()
      }
    }
    try phase("bundle") { life in
      for _ in 0..<3 { try life.writeElsewhere() }
      let bundle = Collected()
      _ = try life.founder.exchange?.writeBundle(since: nil) { bundle.bytes += $0 }
      let incoming = try #require(life.node.exchange).receiveBundle()
      try incoming.feed(bundle.bytes)
      _ = try incoming.finish()
      try life.node.refresh()
      try life.write(durably: true)
    }
    try phase("consolidation") { life in
      try #require(life.node.vault).flush()
      try #require(life.node.vault).repository.consolidate(looseLimit: 10, grace: 0)
      for _ in 0..<4 { try life.step() }
      try #require(life.node.vault).repository.consolidate(looseLimit: 10, grace: 0, now: 4_000_000_000)
    }
    try phase("unmount and mount") { life in
      try life.step()
      try life.node.vault?.flush()
      try life.node.restart()
      life.node.vault?.prepareForWriting()
      life.promise()
      try life.step()
    }
    loss.stop()
    founderLoss.stop()
  }

  private final class Collected: @unchecked Sendable {
    // SAFETY: one thread at a time.
    var bytes: [UInt8] = []
  }

  private mutating func step() throws {
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<2: try writeElsewhere()
    case 2..<4: try founder.push(to: node)
    case 4: try node.push(to: founder)
    case 5:
      // Another process, which is killed or goes.
      let other = VaultExchange(try node.keynode.openVault(node.name))
      for message in try founder.messages(to: node.tips) {
        let update = try other.receive()
        try update.feed(message.pack)
        _ = try update.finish(message.tips)
      }
      try node.refresh()
    case 6:
      try #require(node.vault).flush()
      promise()
    case 7: try write(durably: true)
    default: try write(durably: false)
    }
  }

  /// Writes a secret that nobody else touches, so that it is known what has to be there.
  private mutating func write(durably: Bool) throws {
    let path = "own/\(Int.random(in: 0..<4, using: &generator))"
    let bytes = generator.bytes(12)
    let there = node.shown.values.first { $0.paths == [[UInt8](path.utf8)] }
    var batch = CommitBatch(puts: [.file([path], bytes, object: there?.object ?? .random(&generator))])
    batch.durable = durably
    guard try node.commit(batch) else { return }
    latest[path, default: []].append(bytes)
    if durably { promise() }
  }

  /// The founder writes a secret of its own.
  private mutating func writeElsewhere() throws {
    let path = "founder/\(Int.random(in: 0..<3, using: &generator))"
    let there = founder.shown.values.first { $0.paths == [[UInt8](path.utf8)] }
    try founder.commit(
      CommitBatch(puts: [.file([path], generator.bytes(8), object: there?.object ?? .random(&generator))]))
  }

  private mutating func promise() {
    for (path, versions) in latest { promises.append(Promise(moment: loss.now, path: path, versions: versions)) }
  }

  /// Loses power some times in a phase, and looks at what is there.
  mutating func lose(_ times: Int, in phase: Phase) throws {
    for number in 0..<times {
      let moment = Int.random(in: phase.moments, using: &generator)
      let comment: Comment = "seed \(seed), \(phase.name), loss \(number), at \(moment)"
      let directory = try TemporaryDirectory(inMemory: true)
      let home = directory("home")
      try loss.leave(at: moment, in: home, using: &generator)
      let keynode = Keynode(at: KeynodePaths(home: home), identity: node.keynode.identity)
      guard try Keynode.vaults(at: keynode.paths).contains(node.name) else {
        #expect(phase.name == "join", comment)
        continue
      }
      try look(keynode, moment, comment)
    }
  }

  private func look(_ keynode: Keynode, _ moment: Int, _ comment: Comment) throws {
    let vault: Vault
    do {
      vault = try keynode.openVault(node.name)
      let backing = try VaultBacking(vault)
      let shown = try backing.nodes()
      for promise in promises where promise.moment <= moment {
        let path = [UInt8](promise.path.utf8)
        let file = shown.first { $0.paths == [path] }
        // What was promised last of the path, or something newer.
        let found = try file.map { try text(of: $0, in: backing) } ?? nil
        let newer = latest[promise.path]?.dropFirst(promise.versions.count - 1)
        #expect(newer?.contains { $0 == found } == true, comment)
      }
      _ = try vault.verify { Issue.record("\($0): \(comment.rawValue)") }
      #expect(try vault.setbacks() == [], comment)
    } catch {
      Issue.record(error, comment)
      return
    }
    let fsck = try Program.run([
      "git", "-C", vault.repository.path, "fsck", "--strict", "--full", "--no-dangling",
    ])
    #expect(fsck.status == 0, "\(comment.rawValue): \(fsck.errors)\(fsck.text)")
    if let view = try vault.view() { #expect(try vault.repository.tip(of: Vault.main) == view.commit, comment) }
  }

  private func text(of file: StoredNode, in backing: VaultBacking) throws -> [UInt8]? {
    guard case .regular(let content) = file.body, case .stored(let reference)? = content.parts.first else { return nil }
    var bytes: [UInt8] = []
    unsafe try backing.load(reference, of: file.object).withBytes { unsafe bytes.append(contentsOf: $0) }
    return bytes
  }
}
