import GitStore
import PeerScripts
import TestSupport
import VirtualFS

@testable import Vault

/// One person on a stage without kernel and network: a keynode, its repository and the file system over it, as a mount has them.
final class LibraryPerson {
  let keynode: Keynode
  private let directory: TemporaryDirectory
  private let name: VaultName
  private(set) var exchange: VaultExchange?
  private(set) var files: LibraryFiles?
  private var clone: VaultClone?
  private(set) var backing: VaultBacking?
  private var fileSystem: VirtualFileSystem?
  var isConnected = true

  init(_ identity: Identity) throws {
    directory = try TemporaryDirectory(inMemory: true)
    keynode = Keynode(at: KeynodePaths(home: directory.path), identity: identity)
    name = try VaultName("v")
  }

  /// Another machine with the same keynode.
  func copy() throws -> LibraryPerson {
    let copy = try LibraryPerson(keynode.identity)
    try Program.check(["cp", "-a", "\(keynode.paths.vaults)", copy.keynode.paths.vaults])
    try copy.restart()
    return copy
  }

  var vault: Vault? { exchange?.vault }
  var tips: [String: ObjectName] { get throws { try exchange?.tips() ?? [:] } }

  func found() throws {
    try keynode.createVault(name)
    try restart()
  }

  func expect(_ vault: VaultID) throws { clone = try VaultClone(of: vault, as: name, at: keynode) }

  /// Forgets all that is in memory, as a killed process does.
  func restart() throws {
    (files, fileSystem, backing, exchange) = (nil, nil, nil, nil)
    exchange = VaultExchange(try keynode.openVault(name))
    try mount()
  }

  private func mount() throws {
    guard let vault, vault.role?.mayRead ?? true else { return }
    let backing = try VaultBacking(vault)
    var options = Options()
    options.isEphemeral = { $0.bytes.last == UInt8(ascii: "~") }
    let fileSystem = VirtualFileSystem(
      backing: backing, options: options, now: { Timestamp(seconds: 1_700_000_000, nanoseconds: 0) },
      monotonic: { 0 }, invalidate: { _ in })
    fileSystem.populate(try backing.nodes())
    (self.backing, self.fileSystem) = (backing, fileSystem)
    files = LibraryFiles(fileSystem)
    refresh()
  }

  /// Shows what came from others.
  func refresh() {
    guard let fileSystem, let vault else { return }
    if backing?.isBehind == true { fileSystem.refresh { _ in } }
    fileSystem.setReadOnly(vault.role?.mayWrite != true)
  }

  /// Gives `other` all that it lacks; returns whether anything moved.
  func push(to other: LibraryPerson) throws -> Bool {
    var hasMoved = false
    try exchange?.outgoing(to: try other.tips) { tips, pack in
      var bytes: [UInt8] = []
      try pack { bytes += $0 }
      let verdict = try other.receive(tips, bytes)
      hasMoved = hasMoved || !verdict.moved.isEmpty || verdict.callsForAnswer
    }
    return hasMoved
  }

  private func receive(_ tips: [String: ObjectName], _ pack: [UInt8]) throws -> Verdict {
    if let exchange {
      let update = try exchange.receive()
      do throws(VaultError) {
        try update.feed(pack)
      } catch {
        // It builds on what this node does not have, as its own branch is another's: it is told apart once that has heard of ours.
        return Verdict(refused: ["": "\(error)"])
      }
      let verdict = try update.finish(tips)
      refresh()
      return verdict
    }
    guard let clone, tips["members"] != nil else { return Verdict() }
    let update = try clone.receive()
    try update.feed(pack)
    let verdict = try update.finish(tips)
    exchange = clone.vault
    try mount()
    return verdict
  }

  func backUp() throws {
    try Program.check(["rm", "-rf", directory("backup")])
    try Program.check(["cp", "-a", keynode.paths.vaults, directory("backup")])
  }

  func putBack() throws {
    (files, fileSystem, backing, exchange) = (nil, nil, nil, nil)
    try Program.check(["rm", "-rf", keynode.paths.vaults])
    try Program.check(["cp", "-a", directory("backup"), keynode.paths.vaults])
    try restart()
  }
}
