import GitStore
import TestSupport
import VirtualFS

@testable import Vault

/// One node of a simulated network: a real keynode and repository, and what its file system would show.
final class SimulatedNode {
  let directory: TemporaryDirectory
  let keynode: Keynode
  let name: VaultName
  private(set) var exchange: VaultExchange?
  private(set) var backing: VaultBacking?
  private var clone: VaultClone?
  /// What the file system above has been told.
  private(set) var shown: [ObjectID: StoredNode] = [:]
  /// Commits that a completed write returned for.
  private(set) var acknowledged: [ObjectName] = []
  private var hasBackup = false

  var id: NodeID { keynode.identity.node }
  var vault: Vault? { exchange?.vault }

  /// A node whose clock is wrong by `skew` seconds.
  init(skew: Int64 = 0) throws {
    directory = try TemporaryDirectory(inMemory: true)
    keynode = Keynode(
      at: KeynodePaths(home: directory.path), identity: try Identity(), now: { 1_700_000_000 + skew })
    name = try VaultName("v")
  }

  /// Makes a vault of which this node is the owner.
  func found() throws {
    try keynode.createVault(name)
    try restart()
  }

  /// Is going to get a vault from others.
  func expect(_ vault: VaultID) throws { clone = try VaultClone(of: vault, as: name, at: keynode) }

  /// Forgets all that is in memory, as a killed process does, and opens the vault anew.
  func restart() throws {
    try open()
    try mount()
  }

  /// Opens the vault anew, without anything to show it.
  func open() throws {
    (exchange, backing) = (nil, nil)
    exchange = VaultExchange(try keynode.openVault(name))
  }

  private func mount() throws {
    guard let vault else { return }
    backing = nil
    shown = [:]
    guard vault.role?.mayRead ?? true else { return }
    let backing = try VaultBacking(vault)
    for node in try backing.nodes() { shown[node.object] = node }
    self.backing = backing
  }

  // MARK: writing

  /// Commits, after taking in what others changed; false if this node may not write.
  @discardableResult
  func commit(_ batch: CommitBatch) throws -> Bool {
    guard let backing, vault?.role?.mayWrite == true else { return false }
    while true {
      switch try backing.commit(batch) {
      case .committed(let receipt, let refused):
        if let error = refused.values.first { throw error }
        for node in batch.puts {
          var node = node
          if case .regular(var content) = node.body, let parts = receipt[node.object] {
            content.parts = parts.map { $0.map { .stored($0) } ?? .hole }
            node.body = .regular(content)
          }
          shown[node.object] = node
        }
        for object in batch.removals { shown[object] = nil }
        if let commit = try vault?.ownTip(), !batch.puts.isEmpty || !batch.removals.isEmpty {
          acknowledged.append(commit)
        }
        return true
      case .outdated(let changes): apply(changes)
      }
    }
  }

  private func apply(_ changes: [ExternalChange]) {
    for case .removed(let object) in changes { shown[object] = nil }
    for case .put(let node) in changes { shown[node.object] = node }
  }

  /// Shows what came from others.
  func refresh() throws {
    guard let backing else { return }
    if case .outdated(let changes) = try backing.commit(CommitBatch()) { apply(changes) }
  }

  /// A random change of a random secret.
  func write(_ generator: inout SeededGenerator) throws {
    let objects = shown.values.filter { if case .regular = $0.body { true } else { false } }.sorted {
      $0.object < $1.object
    }
    let path = ["a", "b", "d/c", "d/e", "d"].randomElement(using: &generator) ?? "a"
    let bytes = generator.bytes(8)
    // A file system lets no file be where a directory is.
    let paths = shown.values.flatMap(\.paths).map { String(decoding: $0, as: UTF8.self) }
    if paths.contains(where: { $0.hasPrefix("\(path)/") || path.hasPrefix("\($0)/") }) { return }
    let taken = shown.values.filter { $0.paths.contains([UInt8](path.utf8)) }
    if taken.contains(where: { if case .directory = $0.body { true } else { false } }) { return }
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<4:
      // A file system replaces what is at the path.
      if let there = taken.first {
        try commit(CommitBatch(puts: [.file([path], bytes, object: there.object)]))
      } else {
        try commit(CommitBatch(puts: [.file([path], bytes, object: .random(&generator))]))
      }
    case 4..<7:
      guard let node = objects.randomElement(using: &generator) else { return }
      var changed = StoredNode.file([], bytes, object: node.object)
      changed.paths = node.paths
      try commit(CommitBatch(puts: [changed]))
    case 7:
      guard var node = objects.randomElement(using: &generator) else { return }
      let parents = implied(above: node, &generator)
      node.paths = [[UInt8](path.utf8)]
      try commit(CommitBatch(puts: [node] + parents, removals: taken.map(\.object).filter { $0 != node.object }))
    default:
      guard let node = objects.randomElement(using: &generator) else { return }
      try commit(CommitBatch(puts: implied(above: node, &generator), removals: [node.object]))
    }
  }

  /// The directory that a node is about to leave, if no object is that directory: a file system stores it then, as it stays.
  private func implied(above node: StoredNode, _ generator: inout SeededGenerator) -> [StoredNode] {
    guard let path = node.paths.first, let slash = path.lastIndex(of: 0x2F), slash > 0, !Presentation.isAside([path])
    else {
      return []
    }
    let parent = [UInt8](path[..<slash])
    if shown.values.contains(where: { $0.paths == [parent] }) { return [] }
    return [
      StoredNode(
        object: .random(&generator), body: .directory, paths: [parent], mode: 0o700, owner: 0, group: 0,
        modified: Timestamp(seconds: 0))
    ]
  }

  // MARK: exchange

  /// A message on its way.
  struct Message {
    let tips: [String: ObjectName]
    let pack: [UInt8]
  }

  var tips: [String: ObjectName] { get throws { try exchange?.tips() ?? [:] } }

  /// What a node with these branches lacks, as messages.
  func messages(to have: [String: ObjectName]) throws -> [Message] {
    var messages: [Message] = []
    try exchange?.outgoing(to: have) { tips, pack in
      let sink = Bytes()
      try pack { bytes in sink.bytes += bytes }
      messages.append(Message(tips: tips, pack: sink.bytes))
    }
    return messages
  }

  private final class Bytes {
    var bytes: [UInt8] = []
  }

  /// Takes a message; what cannot be used is refused, and harms nothing.
  func receive(_ message: Message) throws -> Verdict {
    guard exchange != nil else {
      guard let clone, message.tips["members"] != nil else { return Verdict() }
      let update = try clone.receive()
      let verdict: Verdict
      do throws(VaultError) {
        try update.feed(message.pack)
        verdict = try update.finish(message.tips)
      } catch {
        return Verdict(refused: ["": "\(error)"])
      }
      exchange = clone.vault
      try mount()
      return verdict
    }
    let verdict = try take(message)
    // A reader may have become a replica, or the other way round.
    if (backing != nil) != (vault?.role?.mayRead ?? true) { try mount() }
    try refresh()
    return verdict
  }

  /// Takes a message of a vault that is there, and shows nothing.
  func take(_ message: Message) throws -> Verdict {
    guard let update = try exchange?.receive() else { return Verdict() }
    do throws(VaultError) {
      try update.feed(message.pack)
    } catch {
      return Verdict(refused: ["": "\(error)"])
    }
    return try update.finish(message.tips)
  }

  /// Is killed when all of a message is stored and no branch has moved yet.
  func crash(receiving message: Message) throws {
    guard let vault else { return }
    let quarantine = Quarantine(for: vault.repository)
    let reader = try quarantine.packReader(limits: Admission.limits)
    do {
      try reader.feed(message.pack)
      try reader.finish()
      try quarantine.admit(quarantine.names)
    } catch {
      // It builds on what this node does not have.
      return
    }
    try restart()
  }

  /// What a backup of the vault is: its repository as it is now.
  func backUp() throws {
    guard exchange != nil else { return }
    try Program.check(["rm", "-rf", directory("backup")])
    try Program.check(["cp", "-a", keynode.paths.vaults, directory("backup")])
    hasBackup = true
  }

  /// Puts the backup back; what nobody else has of later versions is gone.
  func putBack(amid others: [SimulatedNode]) throws {
    guard hasBackup else { return }
    try Program.check(["rm", "-rf", keynode.paths.vaults])
    try Program.check(["cp", "-a", directory("backup"), keynode.paths.vaults])
    try restart()
    let repositories = ([self] + others).compactMap { $0.vault?.repository }
    acknowledged = try acknowledged.filter { commit in try repositories.contains { try $0.contains(commit) } }
  }

  /// Gives `other` all that it lacks, at once; returns whether anything moved.
  @discardableResult
  func push(to other: SimulatedNode) throws -> Bool {
    var moved = false
    for message in try messages(to: try other.tips) {
      let verdict = try other.receive(message)
      moved = !verdict.moved.isEmpty || verdict.callsForAnswer || moved
    }
    return moved
  }
}
