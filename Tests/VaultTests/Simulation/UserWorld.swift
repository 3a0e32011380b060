import GitStore
import PeerScripts
import TestSupport
import VirtualFS

@testable import Vault

/// A few persons with file systems over real vaults, to whom a schedule happens.
final class UserWorld {
  /// What went wrong.
  struct Fault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  private(set) var persons: [LibraryPerson] = []
  /// Commits that a call of the file system returned for, and whose they are.
  var acknowledged: [(node: NodeID, commit: ObjectName)] = []
  private var lastTips: [Int: ObjectName] = [:]
  /// Nodes that lost the right to write at some time: what they wrote then is void.
  var demoted: Set<NodeID> = []
  private var backedUp: Set<Int> = []

  private static let paths = ["a", "b", "d", "d/c", "d/e", "d/f/g", "e", "e/h"]

  init(_ schedule: UserSchedule) throws {
    persons = try (0...schedule.roles.count).map { _ in try LibraryPerson(try Identity()) }
    try persons[0].found()
    for (index, role) in schedule.roles.enumerated() { try admit(index + 1, role, history: true) }
  }

  func vault(_ index: Int) throws -> Vault {
    guard let vault = persons[index].vault else { throw CallError(Errno.notFound) }
    return vault
  }

  private func files(_ index: Int) throws -> LibraryFiles {
    guard let files = persons[index].files else { throw CallError(Errno.notFound) }
    return files
  }

  func node(_ index: Int) -> NodeID { persons[index].keynode.identity.node }

  // MARK: steps

  /// Plays one step; what its actor may not do, or what is not there, changes nothing.
  func play(_ step: UserStep) throws {
    let actor = step.actor % persons.count
    do {
      try act(step, actor)
    } catch is CallError {
    } catch VaultError.roleForbids {
    } catch VaultError.pathMissing {
    } catch VaultError.versionMissing {
    } catch VaultError.keyWithheld {
    }
    try note(actor)
  }

  private func act(_ step: UserStep, _ actor: Int) throws {
    let path = UserWorld.paths[step.a % UserWorld.paths.count]
    let other = UserWorld.paths[step.b % UserWorld.paths.count]
    switch step.kind {
    case .send, .bundle, .restart, .look, .backUp, .putBack, .copyKeynode: try happen(step, actor)
    case .removeMember, .setRole, .rotate, .admit, .admitWithoutHistory: try govern(step, actor)
    case .take, .move, .drop, .edit, .linkOut, .exchangeOut: try decide(step, actor, other)
    case .write: try files(actor).write(path, [UInt8](step.value.utf8))
    case .writeLarge: try files(actor).write(path, UserWorld.large(step))
    case .overwrite: try files(actor).overwrite(path, at: step.b % 3, [UInt8](step.value.utf8))
    case .append: try files(actor).overwrite(path, at: 1_048_576, [UInt8](step.value.utf8))
    case .save:
      try files(actor).write("\(path)~", [UInt8](step.value.utf8))
      do {
        try files(actor).rename("\(path)~", to: path)
      } catch {
        try files(actor).removeFile("\(path)~")
      }
    case .remove: try files(actor).removeFile(path)
    case .rename: try files(actor).rename(path, to: other)
    case .exchange: try files(actor).exchange(path, with: other)
    case .link: try files(actor).link(path, as: other)
    case .symlink: try files(actor).makeSymbolicLink(path, to: step.value)
    case .makeDirectory: try files(actor).makeDirectory(path)
    case .removeDirectory: try files(actor).removeDirectory(path)
    case .setMode: try files(actor).setMode(path, step.b % 2 == 0 ? 0o600 : 0o640)
    case .moveIn: try files(actor).rename(path, to: ".conflicts/\(other.split(separator: "/").last ?? "x")")
    case .restore:
      let history = VersionHistory(of: try vault(actor))
      let old = try history.node(at: [UInt8](path.utf8), version: "~\(step.b % 4)")
      var bytes: [UInt8] = []
      guard case .regular = old.body else { return }
      unsafe try history.content(of: old) { piece throws(VaultError) in unsafe bytes.append(contentsOf: piece) }
      try files(actor).write(path, bytes)
    }
  }

  /// More than one part, and different in each.
  private static func large(_ step: UserStep) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: step.a), count: 1_048_577 + step.b)
    bytes.replaceSubrange(0..<step.value.utf8.count, with: step.value.utf8)
    return bytes
  }

  /// Does something with a value that lost.
  private func decide(_ step: UserStep, _ actor: Int, _ target: String) throws {
    guard let backing = persons[actor].backing else { return }
    let conflicts = try backing.conflicts()
    guard !conflicts.isEmpty else { return }
    let conflict = conflicts[step.a % conflicts.count]
    let path = String(decoding: conflict.path, as: UTF8.self)
    let place = String(decoding: conflict.place, as: UTF8.self)
    let files = try files(actor)
    switch step.kind {
    case .take: try files.rename(path, to: place)
    case .move: try files.rename(path, to: target)
    case .drop: try files.removeFile(path)
    case .edit: try files.overwrite(path, at: 0, [UInt8](step.value.utf8))
    case .linkOut: try files.link(path, as: target)
    default: try files.exchange(path, with: step.b % 3 == 0 ? place : target)
    }
  }

  private func happen(_ step: UserStep, _ actor: Int) throws {
    let other = step.a % persons.count
    switch step.kind {
    case .send:
      if other != actor, talks(actor, other) { _ = try persons[actor].push(to: persons[other]) }
    case .bundle:
      guard let from = persons[actor].exchange, let to = persons[other].exchange, talks(actor, other) else { return }
      let bundle = Bytes()
      guard try from.writeBundle(since: nil, to: { bytes in bundle.bytes += bytes }) != nil else { return }
      let incoming = try to.receiveBundle()
      try incoming.feed(bundle.bytes)
      _ = try incoming.finish()
      persons[other].refresh()
    case .restart: if persons[actor].exchange != nil { try persons[actor].restart() }
    case .look: try look(actor)
    case .backUp:
      guard persons[actor].exchange != nil else { return }
      try persons[actor].backUp()
      backedUp.insert(actor)
    case .putBack:
      guard backedUp.contains(actor) else { return }
      try persons[actor].putBack()
      lastTips[actor] = try persons[actor].vault?.ownTip()
      // What nobody else has of later versions is gone.
      let repositories = persons.compactMap { $0.vault?.repository }
      acknowledged = try acknowledged.filter { item in try repositories.contains { try $0.contains(item.commit) } }
    default:
      guard persons[actor].exchange != nil, persons.count < 6 else { return }
      persons.append(try persons[actor].copy())
      lastTips[persons.count - 1] = try persons[persons.count - 1].vault?.ownTip()
    }
  }

  private final class Bytes {
    var bytes: [UInt8] = []
  }

  private func govern(_ step: UserStep, _ actor: Int) throws {
    let vault = try vault(actor)
    // Two copies of one owner do again each other's acts for ever.
    guard vault.role == .owner, persons.indices.count(where: { node($0) == node(actor) }) == 1 else { return }
    let other = step.a % persons.count
    // The founder stays an owner, so that there is one who can act to the end.
    guard step.kind != .rotate, node(other) != node(actor), node(other) != node(0) else { return try vault.rotate() }
    let isMember = vault.membership.members[node(other)] != nil
    switch step.kind {
    case .removeMember where isMember:
      demoted.insert(node(other))
      try vault.remove(node(other))
    case .setRole where isMember:
      let role = Role.allCases[step.b % Role.allCases.count]
      if !role.mayWrite { demoted.insert(node(other)) }
      try vault.setRole(of: node(other), to: role)
    case .admit where !isMember: try admit(other, "writer", history: true, by: actor)
    case .admitWithoutHistory where !isMember: try admit(other, "writer", history: false, by: actor)
    default: return
    }
  }

  private func admit(_ index: Int, _ role: String, history: Bool, by owner: Int = 0) throws {
    let (vault, person) = (try vault(owner), persons[index])
    try vault.admit(
      node(index), as: try required(Role(rawValue: role)), recipient: person.keynode.identity.recipient,
      history: history)
    if !history { try vault.reencryptAll() }
    if person.exchange == nil { try person.expect(vault.id) }
    for _ in 0..<2 where talks(owner, index) { _ = try persons[owner].push(to: person) }
    try note(owner)
  }

  private func required<T>(_ value: T?) throws -> T {
    guard let value else { throw Fault("nothing there") }
    return value
  }

  /// Notes what a person committed since the last time.
  func note(_ index: Int) throws {
    guard let tip = try persons[index].vault?.ownTip(), tip != lastTips[index] else { return }
    lastTips[index] = tip
    acknowledged.append((node(index), tip))
  }

  // MARK: exchange

  /// Whether one speaks of the vault to the other.
  private func talks(_ from: Int, _ to: Int) -> Bool {
    persons[from].exchange?.admits(node(to)) == true && persons[to].exchange?.admits(node(from)) ?? true
  }

  /// Everybody tells everybody, until nothing moves any more.
  func settle() throws {
    for _ in 0..<25 {
      var hasMoved = false
      for (index, person) in persons.enumerated() {
        person.refresh()
        if person.vault?.role?.mayWrite == true { try? person.files?.synchronize() }
        try note(index)
      }
      for from in persons.indices {
        for to in persons.indices where try from != to && persons[from].tips != persons[to].tips && talks(from, to) {
          hasMoved = try persons[from].push(to: persons[to]) || hasMoved
        }
        hasMoved = try persons[from].vault?.redoLostActs() ?? false || hasMoved
      }
      if !hasMoved { return }
    }
    throw Fault("they never come to rest")
  }
}
