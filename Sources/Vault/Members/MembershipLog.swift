internal import GitStore

/// The `members` branch, verified: a chain from its tip to the genesis; and the forks that lost against it.
///
/// Owners who act at the same time make a fork. One side wins, the same on every node; what was written under the other counts all the same, so
/// it stays known, in branches of its own.
///
/// Source: docs/format.md, "Members".
struct MembershipLog: Sendable {
  /// One membership commit.
  private struct Entry {
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
  private var entries: [ObjectName: Entry] = [:]

  /// Reads and verifies the log that ends at `tip`.
  ///
  /// - Throws: ``VaultError/notAVault``, ``VaultError/formatUnsupported(_:)``, ``VaultError/commitInvalid(_:_:)``.
  init(endingAt tip: ObjectName, in source: some ObjectSource) throws(VaultError) {
    self.tip = tip
    vault = try Membership(of: tip, tree: try source.loadCommit(tip).tree, in: source).vault
    try learn(tip, in: source)
  }

  /// Takes up the log that ends at `other`, verified: the better of the two is the log from now on, and the other one is lost.
  ///
  /// Throws ``VaultError/commitInvalid(_:_:)``, and what the source throws.
  mutating func take(_ other: ObjectName, in source: some ObjectSource) throws(VaultError) {
    try learn(other, in: source)
    let (winner, loser) = precedes(tip, other) ? (tip, other) : (other, tip)
    tip = winner
    if !isAncestor(loser, of: winner) { lost.insert(loser) }
    // Of a fork only the end need be kept.
    lost = lost.filter { fork in
      !isAncestor(fork, of: tip) && !lost.contains { $0 != fork && isAncestor(fork, of: $0) }
    }
  }

  /// Reads and verifies a commit and what is before it.
  private mutating func learn(_ tip: ObjectName, in source: some ObjectSource) throws(VaultError) {
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

  /// The commits from one back to the genesis.
  private func chain(from commit: ObjectName) -> [ObjectName] {
    var chain: [ObjectName] = []
    var next: ObjectName? = commit
    while let name = next {
      chain.append(name)
      next = entries[name]?.parent
    }
    return chain
  }
}

// MARK: verification
extension MembershipLog {
  /// Verifies one commit, whose parents are known.
  private func entry(
    _ state: Membership, _ commit: CommitObject, in source: some ObjectSource
  ) throws(VaultError) -> Entry {
    let name = state.commit
    guard let message = MembersMessage(commit.message) else { throw .commitInvalid(name, .message) }
    guard message.vault == state.vault else { throw .commitInvalid(name, .otherVault) }
    guard let first = commit.parents.first else {
      try verifyGenesis(state, message, in: source)
      try CommitVerifier.verifySignature(of: commit, named: name, by: message.node)
      return Entry(state: state, parent: nil, message: message, depth: 0)
    }
    guard let parent = entries[first] else { throw .commitInvalid(name, .parents) }
    guard parent.state.members[message.node]?.role == .owner else { throw .commitInvalid(name, .notAMember) }
    try CommitVerifier.verifySignature(of: commit, named: name, by: message.node)
    try verifyStep(from: parent.state, to: state)
    var next = state
    next.seniority = parent.state.seniority
    let newest = (next.seniority.values.max() ?? 0) + 1
    for (offset, node) in state.members.keys.sorted().enumerated() where state.members[node]?.role == .owner {
      if next.seniority[node] == nil { next.seniority[node] = newest + offset }
    }
    next.seniority = next.seniority.filter { state.members[$0.key]?.role == .owner }
    return Entry(state: next, parent: first, message: message, depth: parent.depth + 1)
  }

  private func verifyGenesis(
    _ state: Membership, _ message: MembersMessage, in source: some ObjectSource
  ) throws(VaultError) {
    let text = String(decoding: try source.loadBlob(state.constants.genesis), as: UTF8.self)
    guard let genesis = Genesis(text), message.node == genesis.owner, state.removed.isEmpty, state.keys.count == 1,
      state.members == [genesis.owner: Member(role: .owner, recipient: genesis.recipient)]
    else { throw .commitInvalid(state.commit, .notAMember) }
  }

  /// What one step may change.
  private func verifyStep(from old: Membership, to new: Membership) throws(VaultError) {
    let flaw = VaultError.commitInvalid(new.commit, .members)
    guard new.constants == old.constants, new.members.count <= Membership.limit else { throw flaw }
    // A vault without an owner could never change again.
    guard new.members.values.contains(where: { $0.role == .owner }) else { throw flaw }
    guard old.keys.keys.allSatisfy({ new.keys[$0] != nil }) else { throw flaw }
    for (node, member) in old.members {
      let role = new.members[node]?.role
      if member.role.mayWrite, role?.mayWrite != true, new.removed[node] == nil { throw flaw }
      // Whoever may read no more must not hold the key of what is written afterwards.
      if member.role.mayRead, role?.mayRead != true, new.epoch == old.epoch { throw flaw }
    }
    for (node, _) in old.removed where new.members[node]?.role.mayWrite != true {
      guard new.removed[node] != nil else { throw flaw }
    }
    for node in new.removed.keys where new.members[node]?.role.mayWrite == true { throw flaw }
    for (_, member) in new.members where member.since > new.epoch { throw flaw }
  }
}

// MARK: forks
extension MembershipLog {
  /// Whether `ancestor` is `descendant`, or one of those before it.
  func isAncestor(_ ancestor: ObjectName, of descendant: ObjectName) -> Bool {
    guard let target = entries[ancestor] else { return false }
    var next: ObjectName? = descendant
    while let name = next, let entry = entries[name], entry.depth >= target.depth {
      if name == ancestor { return true }
      next = entry.parent
    }
    return false
  }

  /// Whether the log that ends at `a` wins against the one that ends at `b`; the same on every node, in whatever order they came.
  ///
  /// One that contains the other wins. Of a fork that side wins which the most senior owner signed a commit of; else whose first commit has the
  /// more senior author, then the lower name. So nobody can undo what a more senior owner did, nor their own removal by one.
  func precedes(_ a: ObjectName, _ b: ObjectName) -> Bool {
    if isAncestor(b, of: a) { return true }
    if isAncestor(a, of: b) { return false }
    let (chainA, chainB) = (chain(from: a), chain(from: b))
    let common = Set(chainA)
    guard let forkB = chainB.firstIndex(where: { common.contains($0) }),
      let forkA = chainA.firstIndex(of: chainB[forkB]), forkA > 0, forkB > 0,
      let ranks = entries[chainB[forkB]]?.state.seniority
    else { return a < b }
    func rank(_ name: ObjectName) -> Int { entries[name].flatMap { ranks[$0.message.node] } ?? .max }
    func weight(_ side: ArraySlice<ObjectName>) -> (Int, Int, ObjectName) {
      let first = side[side.endIndex - 1]
      return (side.map(rank).min() ?? .max, rank(first), first)
    }
    return weight(chainA[..<forkA]) < weight(chainB[..<forkB])
  }

  /// One commit of a fork that lost.
  struct LostStep {
    let name: ObjectName
    let before: Membership
    let after: Membership
  }

  /// What `node` did in forks that lost and has not done again yet, oldest first.
  func lostSteps(of node: NodeID) -> [LostStep] {
    var done: Set<ObjectName> = []
    for name in chain(from: tip) { done.formUnion(entries[name]?.message.again ?? []) }
    var steps: [LostStep] = []
    for fork in lost.sorted() {
      for name in chain(from: fork) {
        guard !isAncestor(name, of: tip), let entry = entries[name], let parent = entry.parent.flatMap({ entries[$0] })
        else { break }
        if entry.message.node == node, !done.contains(name), !steps.contains(where: { $0.name == name }) {
          steps.append(LostStep(name: name, before: parent.state, after: entry.state))
        }
      }
    }
    return steps.sorted { (entries[$0.name]?.depth ?? 0, $0.name) < (entries[$1.name]?.depth ?? 0, $1.name) }
  }

  /// The members as forks that lost had them, whose keys some versions are under.
  var lostStates: [Membership] {
    lost.sorted().flatMap { chain(from: $0).prefix { !isAncestor($0, of: tip) } }.compactMap { entries[$0]?.state }
  }
}
