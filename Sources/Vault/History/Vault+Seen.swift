package import GitStore

/// What shows that a repository is an older state of itself, or not the one that was here under its name.
package enum Setback: Hashable, Sendable {
  /// Another vault had this name.
  case exchanged(was: VaultID)
  /// The members' log was at this commit.
  case members(ObjectName)
  /// A node's branch was at this commit, with this clock.
  case branch(NodeID, at: ObjectName, clock: UInt64)
  /// A node is a member again, as the fork of the members' log in which it was removed has lost.
  case returned(NodeID)
}

/// The newest ends of a vault's branches that this keynode has seen; kept outside of the repository, where who changes that cannot reach.
///
/// Source: docs/format.md, "State".
private struct Seen: Hashable {
  struct End: Hashable {
    let commit: ObjectName
    let clock: UInt64
  }

  var members: ObjectName
  var nodes: [NodeID: End] = [:]
  /// Nodes that were removed once, and are members again since the log turned round.
  var returned: Set<NodeID> = []

  var encoded: [UInt8] {
    let back = returned.sorted().map { "returned \($0)\n" }
    let lines =
      back + nodes.sorted { $0.key < $1.key }.map { "node \($0.key) \($0.value.commit.hex) \($0.value.clock)\n" }
    return [UInt8]("polykey seen\nmembers \(members.hex)\n\(lines.joined())".utf8)
  }

  init(members: ObjectName) { self.members = members }

  /// Reads the file; nil if it is none.
  init?(_ text: String) {
    let lines = text.split(separator: "\n")
    guard lines.count >= 2, lines[0] == "polykey seen", lines[1].hasPrefix("members "),
      let members = ObjectName(hex: lines[1].dropFirst(8).utf8)
    else { return nil }
    self.members = members
    for line in lines.dropFirst(2) {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "returned", let node = NodeID(words[1]) {
        returned.insert(node)
        continue
      }
      guard words.count == 4, words[0] == "node", let node = NodeID(words[1]),
        let commit = ObjectName(hex: words[2].utf8), let clock = UInt64(words[3])
      else { return nil }
      nodes[node] = End(commit: commit, clock: clock)
    }
  }
}

// High-water marks. They say nothing of versions that were never on the disk for sure, so a power loss is no setback.
extension Vault {
  /// A file for each name: two copies of one vault, as somebody may make by hand, are each as far as they are.
  private var seenPath: String { "\(statePath)/seen-\(name.text)" }

  /// Bytes of such a file, at most: more nodes than a vault ever has.
  private static let seenLimit = 4 << 20

  /// What is remembered; nil if nothing is, or it cannot be read: it may be deleted at any time.
  private var seen: Seen? {
    if Files.exists(seenPath) { return Vault.seen(at: seenPath) }
    // An older program had one for all; and somebody may have moved the repository by hand.
    let names = (try? Files.names(in: "\(stateRoot)/names")) ?? []
    let others = names.filter { other in
      guard let other = try? VaultName(other), other != name else { return false }
      return Vault.id(named: other, state: stateRoot) == id
    }
    let present = others.filter { Files.exists("\(repository.path)/../\($0).git") }
    guard present.isEmpty else { return nil }
    let paths = ["\(statePath)/seen"] + others.sorted().map { "\(statePath)/seen-\($0)" }
    return paths.lazy.compactMap { Vault.seen(at: $0) }.first
  }

  private static func seen(at path: String) -> Seen? {
    guard let bytes = (try? Files.read(path, limit: Vault.seenLimit)) ?? nil else { return nil }
    return Seen(String(decoding: bytes, as: UTF8.self))
  }

  /// Members of a log that were removed when it was last seen here, and are back: another fork has become the log, which does not know of it.
  static func returned(to log: MembershipLog, as name: VaultName, state: String) -> Set<NodeID> {
    seen(at: "\(state)/\(log.vault.hex)/seen-\(name.text)").map { returned(to: log, since: $0) } ?? []
  }

  private static func returned(to log: MembershipLog, since seen: Seen) -> Set<NodeID> {
    seen.returned.union(log.returned(since: seen.members)).filter { log.current.members[$0] != nil }
  }

  /// In what this repository is behind what was seen here, or another than it was; nothing if all is well.
  package func setbacks() throws(VaultError) -> [Setback] {
    var setbacks: [Setback] = []
    if let id = Vault.id(named: name, state: stateRoot), id != self.id { setbacks.append(.exchanged(was: id)) }
    guard let seen else { return setbacks }
    setbacks += Vault.returned(to: log, since: seen).sorted().map { .returned($0) }
    if log.state(at: seen.members) == nil { setbacks.append(.members(seen.members)) }
    let membership = membership
    let tips = try nodeTips()
    for (node, end) in seen.nodes.sorted(by: { $0.key < $1.key }) where membership.standing(of: node) == .writes {
      // Who may write no more may be set back, to what counts. A branch that leads nowhere is damage, which is told when it is read.
      if let tip = tips[node], try !repository.has(tip) { continue }
      if try tips[node].map({ tip throws(VaultError) in try reaches(tip, end.commit) }) != true {
        setbacks.append(.branch(node, at: end.commit, clock: end.clock))
      }
    }
    return setbacks
  }

  /// Puts all that was written so far on the disk, and remembers how far the branches are.
  func flush() throws(VaultError) {
    // Seen before, remembered after. A mark that cannot be written harms nothing but the next look.
    let seen = try? newlySeen()
    try repository.flush()
    if let seen { try? remember(seen) }
  }

  /// How far the branches are, where that is further than what is remembered; nil if it is the same.
  private func newlySeen() throws(VaultError) -> Seen? {
    let old = seen
    let log = log
    var new = Seen(members: log.tip)
    if let old {
      if log.state(at: old.members) == nil { new.members = old.members }
      new.returned = Vault.returned(to: log, since: old)
    }
    for (node, tip) in try nodeTips() where log.current.standing(of: node) == .writes {
      if let end = old?.nodes[node] {
        new.nodes[node] = end
        if end.commit == tip { continue }
        guard try reaches(tip, end.commit) else { continue }
      }
      new.nodes[node] = Seen.End(commit: tip, clock: try graph.commit(tip).clock)
    }
    for (node, end) in old?.nodes ?? [:] where new.nodes[node] == nil && log.current.standing(of: node) == .writes {
      new.nodes[node] = end
    }
    return new == old ? nil : new
  }

  private func remember(_ seen: Seen) throws(VaultError) {
    // Where the vault was removed meanwhile, or its whole keynode, nothing is made anew.
    guard Files.exists(repository.path) else { return }
    try Files.makeDirectory(statePath)
    try Files.replace(seenPath, with: seen.encoded, mode: 0o600)
  }

  /// Remembers, the first time that a vault is opened, how far it is and that it has its name.
  func noteFirstSight() throws(VaultError) {
    if Vault.id(named: name, state: stateRoot) == nil { try Vault.note(id, named: name, state: stateRoot) }
    if !Files.exists(seenPath) { try flush() }
  }

  private func reaches(_ tip: ObjectName, _ old: ObjectName) throws(VaultError) -> Bool {
    if tip == old { return true }
    guard try repository.has(old), try repository.has(tip) else { return false }
    return try Divergence(of: [old, tip], in: graph).tips(reaching: old) & 2 != 0
  }
}

// Which vault has which local name.
extension Vault {
  private static func namePath(_ name: VaultName, _ state: String) -> String { "\(state)/names/\(name.text)" }

  /// The vault that had a name last; nil if none is known.
  static func id(named name: VaultName, state: String) -> VaultID? {
    guard let bytes = (try? Files.read(namePath(name, state), limit: 1024)) ?? nil else { return nil }
    return VaultID(hex: String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" })
  }

  /// Remembers that a vault has a name from now on.
  static func note(_ id: VaultID, named name: VaultName, state: String) throws(VaultError) {
    try Files.makeDirectory("\(state)/names")
    try Files.replace(namePath(name, state), with: [UInt8]("\(id.hex)\n".utf8), mode: 0o600)
  }

  /// Remembers that a vault was given another name.
  static func rename(_ name: VaultName, to other: VaultName, state: String) throws(VaultError) {
    let id = id(named: name, state: state)
    try forget(named: name, state: state)
    try forget(named: other, state: state)
    guard let id else { return }
    try note(id, named: other, state: state)
    let marks = "\(state)/\(id.hex)/seen-"
    if Files.exists(marks + name.text) { try Files.rename(marks + name.text, to: marks + other.text) }
  }

  /// Forgets which vault had a name.
  static func forget(named name: VaultName, state: String) throws(VaultError) {
    if Files.exists(namePath(name, state)) { try Files.remove(namePath(name, state)) }
  }

  /// Forgets a vault that its user removed, with how far it was: whoever gets it anew may get less, as what only this node had is gone.
  static func forget(removed name: VaultName, state: String) throws(VaultError) {
    let id = id(named: name, state: state)
    try forget(named: name, state: state)
    guard let id else { return }
    for marks in ["seen", "seen-\(name.text)"] where Files.exists("\(state)/\(id.hex)/\(marks)") {
      try Files.remove("\(state)/\(id.hex)/\(marks)")
    }
  }
}
