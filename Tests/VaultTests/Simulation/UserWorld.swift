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
  private var acknowledged: [(node: NodeID, commit: ObjectName)] = []
  private var lastTips: [Int: ObjectName] = [:]
  /// Nodes that lost the right to write at some time: what they wrote then is void.
  private var demoted: Set<NodeID> = []
  private var backedUp: Set<Int> = []

  private static let paths = ["a", "b", "d", "d/c", "d/e", "d/f/g", "e", "e/h"]

  init(_ schedule: UserSchedule) throws {
    persons = try (0...schedule.roles.count).map { _ in try LibraryPerson(try Identity()) }
    try persons[0].found()
    for (index, role) in schedule.roles.enumerated() { try admit(index + 1, role, history: true) }
  }

  private func vault(_ index: Int) throws -> Vault {
    guard let vault = persons[index].vault else { throw CallError(Errno.notFound) }
    return vault
  }

  private func files(_ index: Int) throws -> LibraryFiles {
    guard let files = persons[index].files else { throw CallError(Errno.notFound) }
    return files
  }

  private func node(_ index: Int) -> NodeID { persons[index].keynode.identity.node }

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
  private func note(_ index: Int) throws {
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

  // MARK: what must hold

  /// What a person's file system shows is what its repository says, read independently.
  func look(_ index: Int) throws {
    let person = persons[index]
    guard let vault = person.vault, let files = person.files, vault.role?.mayRead ?? true else { return }
    person.refresh()
    if vault.role?.mayWrite == true { try files.synchronize() }
    try note(index)
    person.refresh()
    var tree = try files.tree()
    UserWorld.prune(&tree)
    let shown = UserWorld.canonical(tree)
    guard let view = try vault.view() else {
      if !shown.isEmpty { throw Fault("person \(index) shows something of nothing") }
      return
    }
    let reader = try IndependentReader(vault.repository, identity: person.keynode.identity.decryption)
    // Whose keys do not open all has stand-ins, of which the page says nothing.
    guard let read = try reader.tree(of: view.commit).map(UserWorld.canonical) else { return }
    for path in Set(shown.keys).union(read.keys).sorted() where shown[path] != read[path] {
      throw Fault(
        "person \(index) shows at \(path): \(shown[path].map { "\($0)" } ?? "nothing"); read: \(read[path].map { "\($0)" } ?? "nothing")"
      )
    }
  }

  /// Takes out what is left of `.conflicts` while nothing is in it: it goes with the next start.
  private static func prune(_ tree: inout [[UInt8]: IndependentReader.Node]) {
    for (path, node) in tree.sorted(by: { $0.key.count > $1.key.count })
    where node.kind == UInt8(ascii: "5") && Presentation.isAside([path]) {
      if !tree.keys.contains(where: { $0.starts(with: path + [0x2F]) }) { tree[path] = nil }
    }
  }

  private static func canonical(_ tree: [[UInt8]: IndependentReader.Node]) -> [String: String] {
    var names: [Int: [String]] = [:]
    for (path, node) in tree where node.kind != UInt8(ascii: "5") {
      names[node.file, default: []].append(String(decoding: path, as: UTF8.self))
    }
    var result: [String: String] = [:]
    for (path, node) in tree {
      let kind = String(decoding: [node.kind], as: UTF8.self)
      let mode = kind == "2" ? "" : String(node.mode, radix: 8)
      let isFile = kind != "5"
      let content =
        "\(node.bytes.count):\(String(decoding: node.bytes.prefix(12), as: UTF8.self)):\(node.bytes.hashValue)"
      result[String(decoding: path, as: UTF8.self)] =
        "\(kind) \(mode) \(content)\(isFile ? " as \((names[node.file] ?? []).sorted())" : "")"
    }
    return result
  }

  /// What is there when all have talked to each other.
  func judge() throws {
    try settle()
    let membership = try vault(0).membership
    let members = persons.indices.filter { persons[$0].vault != nil && membership.members[node($0)] != nil }
    let views = try members.map { try persons[$0].vault?.view() }
    if Set(views).count > 1 { throw Fault("they do not agree") }
    if Set(members.map { persons[$0].vault?.membership.commit }).count > 1 { throw Fault("two lists of members") }
    for index in members { try look(index) }
    let before = try members.map { try persons[$0].tips }
    try settle()
    if try members.map({ try persons[$0].tips }) != before { throw Fault("something moved at rest") }
    if let view = views.first ?? nil { try judgeValues(view, in: try vault(0)) }
    for index in members {
      try persons[index].restart()
      try look(index)
      guard persons[index].vault?.role?.mayRead == true else { continue }
      var reasons: [VaultError] = []
      _ = try persons[index].vault?.verify { reasons.append($0.reason) }
      // Where a copy was put back the repository is told of, until others have given what it lacks.
      if !reasons.isEmpty { throw Fault("person \(index): verify finds \(reasons)") }
    }
  }

  /// What a call returned for is there, at its place or among what lost, or somebody who had seen it replaced it.
  private func judgeValues(_ view: Head, in vault: Vault) throws {
    let graph = vault.graph
    let final = try DataTree(reading: view.tree, of: view.commit, from: vault.repository)
    var kept: [ObjectID: Set<[ObjectName]>] = [:]
    for key in final.keys { kept[key.object, default: []].insert(final.entries(of: key).map(\.blob)) }
    let all = try Divergence.commits(reachedBy: [view.commit], butNotBy: [], in: graph)
    let known = Set(all.map(\.name))
    for (node, commit) in acknowledged where !demoted.contains(node) {
      guard known.contains(commit) else { throw Fault("an acknowledged version is gone") }
    }
    // The data commits that change an object, and what they make of it.
    var changes: [ObjectKey: [(commit: GraphCommit, value: [ObjectName])]] = [:]
    for commit in all where !commit.isMerge {
      let tree = try graph.tree(commit)
      for key in DataTree.differences(try graph.treeBefore(commit, sharing: tree), tree) {
        changes[key, default: []].append((commit, tree.entries(of: key).map(\.blob)))
      }
    }
    for (key, list) in changes {
      for (commit, value) in list where !value.isEmpty {
        if kept[key.object]?.contains(value) == true { continue }
        let isReplaced = try list.contains { later in
          guard later.commit.name != commit.name, later.commit.clock > commit.clock else { return false }
          return try Divergence(of: [commit.name, later.commit.name].sorted(), in: graph).tips(reaching: commit.name)
            == 3
        }
        let isDecided =
          try isReplaced
          || changes.contains { other, list in
            guard other.object == key.object, other.lost != nil else { return false }
            return try list.contains { later in
              guard later.commit.clock > commit.clock else { return false }
              return try Divergence(of: [commit.name, later.commit.name].sorted(), in: graph).tips(
                reaching: commit.name) == 3
            }
          }
        if !isDecided { throw Fault("what version \(commit.clock) made of an object is nowhere") }
      }
    }
  }
}
