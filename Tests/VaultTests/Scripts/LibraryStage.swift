import GitStore
import Glibc
import PeerScripts
import TestSupport

@testable import Vault

/// Plays scripts over the library alone: nothing happens by itself, and what is exchanged is exchanged at once.
final class LibraryStage: Stage {
  private var persons: [LibraryPerson]

  init(_ count: Int) throws {
    persons = try (0..<count).map { _ in try LibraryPerson(try Identity()) }
    try persons[0].found()
  }

  func files(of person: Int) throws -> any PersonFiles {
    guard let files = persons[person].files else { throw CallError(ENOENT) }
    return files
  }

  private func owner() throws -> Vault {
    guard let vault = persons[0].vault else { throw VaultError.notAVault }
    return vault
  }

  func admit(_ person: Int, as role: String, withHistory: Bool) throws {
    let (vault, other) = (try owner(), persons[person])
    try vault.admit(
      other.keynode.identity.node, as: try LibraryStage.role(role), recipient: other.keynode.identity.recipient,
      history: withHistory)
    if !withHistory { try vault.reencryptAll() }
    try other.expect(vault.id)
    try settle()
  }

  private static func role(_ name: String) throws -> Role {
    guard let role = Role(rawValue: name) else { throw VaultError.notAVault }
    return role
  }

  func setRole(of person: Int, to role: String) throws {
    try owner().setRole(of: persons[person].keynode.identity.node, to: try LibraryStage.role(role))
  }

  func remove(_ person: Int) throws { try owner().remove(persons[person].keynode.identity.node) }
  func rotate() throws { try owner().rotate() }

  func disconnect(_ person: Int) { persons[person].isConnected = false }
  func reconnect(_ person: Int) { persons[person].isConnected = true }

  func settle() throws {
    let connected = persons.filter(\.isConnected)
    for person in connected { person.refresh() }
    for _ in 0..<40 {
      var hasMoved = false
      for from in connected {
        for to in connected where try from !== to && from.tips != to.tips && talks(from, to) {
          hasMoved = try from.push(to: to) || hasMoved
        }
        hasMoved = try from.vault?.redoLostActs() ?? false || hasMoved
        from.refresh()
      }
      if !hasMoved { return }
    }
    throw Unsettled()
  }

  private struct Unsettled: Error {}

  /// Whether one speaks of the vault to the other: it admits it, and the other, if it has it, admits it too.
  private func talks(_ from: LibraryPerson, _ to: LibraryPerson) -> Bool {
    from.exchange?.admits(to.keynode.identity.node) == true
      && to.exchange?.admits(from.keynode.identity.node) ?? true
  }

  func restart(_ person: Int) throws { try persons[person].restart() }
  func backUp(_ person: Int) throws { try persons[person].backUp() }
  func putBack(_ person: Int) throws { try persons[person].putBack() }
  func copyKeynode(of person: Int, to other: Int) throws { persons[other] = try persons[person].copy() }
  func poll(_ condition: () throws -> Bool) throws -> Bool { try condition() }

  func verify() throws {
    for person in persons {
      guard let vault = person.vault else { continue }
      var findings: [Finding] = []
      if vault.role?.mayRead == true { _ = try vault.verify { findings.append($0) } }
      guard findings.isEmpty else { throw Program.Failure(description: "\(findings)") }
      let fsck = try Program.run(["git", "-C", vault.repository.path, "fsck", "--strict", "--no-dangling"])
      guard fsck.status == 0, fsck.text.isEmpty else { throw Program.Failure(description: fsck.errors + fsck.text) }
    }
  }
}
