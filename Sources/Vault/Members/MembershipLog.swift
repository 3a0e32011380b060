internal import GitStore

/// The `members` branch, verified: a chain from its tip to the genesis; and the forks that lost against it.
///
/// Owners who act at the same time make a fork. One side wins, the same on every node; what was written under the other counts all the same, so
/// it stays known, in branches of its own. Which side wins depends on the commits that are known, and on which of them owners have accepted.
///
/// Source: docs/format.md, "Members".
struct MembershipLog: Sendable {
  /// One membership commit.
  struct Entry {
    let state: Membership
    let parent: ObjectName?
    let message: MembersMessage
    /// Steps to the genesis.
    let depth: Int
  }

  let vault: VaultID
  private(set) var tip: ObjectName
  /// The tips of forks that lost.
  private(set) var lost: Set<ObjectName> = []
  /// The membership commits that nodes have accepted last, as they say themselves: an owner stands behind these as behind its own.
  private(set) var accepted: [NodeID: ObjectName] = [:]
  private(set) var entries: [ObjectName: Entry] = [:]

  /// Reads and verifies the log that ends at `tip`.
  ///
  /// - Throws: ``VaultError/notAVault``, ``VaultError/formatUnsupported(_:)``, ``VaultError/commitInvalid(_:_:)``.
  init(endingAt tip: ObjectName, in source: some ObjectSource) throws(VaultError) {
    self.tip = tip
    vault = try Membership(of: tip, tree: try source.loadCommit(tip).tree, in: source).vault
    try learn(tip, in: source)
  }

  /// Takes up the log that ends at `other`, verified: the best of all that is known is the log from now on, and the others are lost.
  ///
  /// Throws ``VaultError/commitInvalid(_:_:)``, and what the source throws; nothing is taken up then.
  mutating func take(_ other: ObjectName, in source: some ObjectSource) throws(VaultError) {
    var log = self
    try log.learn(other, in: source)
    if log.lost.isEmpty && log.isAncestor(tip, of: other) { log.tip = other } else { log.settle(among: [other]) }
    self = log
  }

  /// Learns which membership commits nodes have accepted last, which can make another fork the log.
  mutating func heed(_ accepted: [NodeID: ObjectName]) {
    guard accepted != self.accepted else { return }
    self.accepted = accepted
    if !lost.isEmpty { settle() }
  }

  /// Makes the best of all that is known the log, and keeps the ends of the others.
  private mutating func settle(among others: Set<ObjectName> = []) {
    let ends = lost.union(others).union([tip])
    tip = best
    // Of a fork only the end need be kept.
    lost = ends.filter { end in !isAncestor(end, of: tip) && !ends.contains { $0 != end && isAncestor(end, of: $0) } }
  }

  /// Reads and verifies a commit and what is before it; the log stays as it is.
  mutating func learn(_ tip: ObjectName, in source: some ObjectSource) throws(VaultError) {
    var unknown: [(name: ObjectName, commit: CommitObject)] = []
    var next: ObjectName? = tip
    while let name = next, entries[name] == nil {
      let commit = try source.loadCommit(name)
      guard commit.parents.count <= 1, unknown.count < MembershipLog.limit else {
        throw .commitInvalid(name, .parents)
      }
      unknown.append((name, commit))
      next = commit.parents.first
    }
    for (name, commit) in unknown.reversed() {
      let state = try Membership(of: name, tree: commit.tree, in: source)
      guard state.vault == vault else { throw .commitInvalid(name, .otherVault) }
      entries[name] = try entry(state, commit, in: source)
    }
  }

  /// Membership commits of one vault, at most.
  private static let limit = 100_000

  /// The members now.
  var current: Membership {
    guard let entry = entries[tip] else { preconditionFailure("a log has its tip") }
    return entry.state
  }

  /// The members at a membership commit; nil if it is not known here.
  func state(at commit: ObjectName) -> Membership? { entries[commit]?.state }

  /// Every commit that is known.
  var commits: [ObjectName] { Array(entries.keys) }

  /// The states of the log from `commit` to its end, newest first; nil if that is no commit of the log.
  func states(since commit: ObjectName) -> [Membership]? {
    guard isAncestor(commit, of: tip) else { return nil }
    var states: [Membership] = []
    var next: ObjectName? = tip
    while let name = next, let entry = entries[name] {
      states.append(entry.state)
      if name == commit { break }
      next = entry.parent
    }
    return states
  }

  /// The commit of the log that removed `node`; nil if it is a member, or never was one.
  func removal(of node: NodeID) -> ObjectName? {
    // Whoever was a member once stays in this list until it is one again.
    guard current.removed[node] != nil else { return nil }
    var name = tip
    while let entry = entries[name], entry.state.members[node] == nil, let parent = entry.parent {
      if entries[parent]?.state.members[node] != nil { return name }
      name = parent
    }
    return nil
  }

  /// Steps from the log's end to the genesis.
  var depth: Int { entries[tip]?.depth ?? 0 }

  /// For each node that may write no more how deep in the log the commit is by which it lost that, last.
  var depthsOfRemoval: [NodeID: Int] {
    var depths: [NodeID: Int] = [:]
    var pending = Set(current.removed.keys)
    var name: ObjectName? = tip
    while !pending.isEmpty, let commit = name, let entry = entries[commit] {
      let before = entry.parent.flatMap { entries[$0] }?.state.removed ?? [:]
      for node in pending where before[node] == nil {
        depths[node] = entry.depth
        pending.remove(node)
      }
      name = entry.parent
    }
    return depths
  }

  /// The commits from one back to the genesis.
  func chain(from commit: ObjectName) -> [ObjectName] {
    var chain: [ObjectName] = []
    var next: ObjectName? = commit
    while let name = next {
      chain.append(name)
      next = entries[name]?.parent
    }
    return chain
  }
}
