package import GitStore

/// What shows that a repository is an older state of itself, or not the one that was here under its name.
package enum Setback: Hashable, Sendable {
  /// Another vault had this name.
  case exchanged(was: VaultID)
  /// The members' log was at this commit.
  case members(ObjectName)
  /// A node's branch was at this commit, with this clock.
  case branch(NodeID, at: ObjectName, clock: UInt64)
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

  var encoded: [UInt8] {
    let lines = nodes.sorted { $0.key < $1.key }.map { "node \($0.key) \($0.value.commit.hex) \($0.value.clock)\n" }
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
      guard words.count == 4, words[0] == "node", let node = NodeID(words[1]),
        let commit = ObjectName(hex: words[2].utf8), let clock = UInt64(words[3])
      else { return nil }
      nodes[node] = End(commit: commit, clock: clock)
    }
  }
}

// High-water marks. They say nothing of versions that were never on the disk for sure, so a power loss is no setback.
extension Vault {
  private var seenPath: String { "\(statePath)/seen" }

  /// Bytes of such a file, at most: more nodes than a vault ever has.
  private static let seenLimit = 4 << 20

  /// What is remembered; nil if nothing is, or it cannot be read: it may be deleted at any time.
  private var seen: Seen? {
    guard let bytes = (try? Files.read(seenPath, limit: Vault.seenLimit)) ?? nil else { return nil }
    return Seen(String(decoding: bytes, as: UTF8.self))
  }

  /// In what this repository is behind what was seen here, or another than it was; nothing if all is well.
  package func setbacks() throws(VaultError) -> [Setback] {
    var setbacks: [Setback] = []
    if let id = Vault.id(named: name, state: stateRoot), id != self.id { setbacks.append(.exchanged(was: id)) }
    guard let seen else { return setbacks }
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
    if let old, log.state(at: old.members) == nil { new.members = old.members }
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
    if let id { try note(id, named: other, state: state) }
  }

  /// Forgets which vault had a name.
  static func forget(named name: VaultName, state: String) throws(VaultError) {
    if Files.exists(namePath(name, state)) { try Files.remove(namePath(name, state)) }
  }
}
