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

  /// Takes up the log that ends at `other`, verified: the best of all that is known is the log from now on, and the others are lost.
  ///
  /// Throws ``VaultError/commitInvalid(_:_:)``, and what the source throws; nothing is taken up then.
  mutating func take(_ other: ObjectName, in source: some ObjectSource) throws(VaultError) {
    var log = self
    try log.learn(other, in: source)
    let ends = log.lost.union([tip, other])
    log.tip = log.lost.isEmpty && log.isAncestor(tip, of: other) ? other : log.best
    // Of a fork only the end need be kept.
    log.lost = ends.filter { end in
      !log.isAncestor(end, of: log.tip) && !ends.contains { $0 != end && log.isAncestor(end, of: $0) }
    }
    self = log
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
      let changed = new.members[node]
      if changed == nil || member.role.mayWrite, changed?.role.mayWrite != true, new.removed[node] == nil { throw flaw }
      // Whoever may read no more must not hold the key of what is written afterwards.
      if member.role.mayRead, changed?.role.mayRead != true, new.epoch == old.epoch { throw flaw }
      guard let changed else { continue }
      // Nobody else can be put in a member's place, and what it was given it keeps.
      guard changed.recipient == member.recipient else { throw flaw }
      if member.role.mayRead, changed.role.mayRead, changed.since > member.since { throw flaw }
    }
    // What came too late stays so, whoever is asked next.
    for (node, frontier) in old.removed where new.members[node]?.role.mayWrite != true {
      guard let kept = new.removed[node], kept.tip == frontier.tip else { throw flaw }
    }
    for (node, member) in new.members where old.members[node] == nil {
      // With it no key could be made for anybody any more.
      guard KeyFiles.isRecipient(member.recipient) else { throw flaw }
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

  /// The end of the log: the same on every node that knows the same commits, in whatever order they came.
  ///
  /// From the genesis on, at each fork that side wins of which the most senior owner signed a commit; else whose first commit has the more senior
  /// author, then the lower name; seniority is that before the fork. So nobody can undo what a more senior owner did, nor their own removal by one.
  private var best: ObjectName {
    var next: [ObjectName?: [ObjectName]] = [:]
    for (name, entry) in entries { next[entry.parent, default: []].append(name) }
    var ranks: [NodeID: Int] = [:]
    func rank(_ name: ObjectName) -> Int { entries[name].flatMap { ranks[$0.message.node] } ?? .max }
    func weight(_ first: ObjectName) -> (Int, Int, ObjectName) {
      var senior = Int.max
      var side = [first]
      while let name = side.popLast() {
        senior = min(senior, rank(name))
        side += next[name] ?? []
      }
      return (senior, rank(first), first)
    }
    var end: ObjectName?
    while let sides = next[end], let first = sides.first {
      end = sides.count == 1 ? first : sides.min { weight($0) < weight($1) }
      ranks = end.flatMap { entries[$0]?.state.seniority } ?? [:]
    }
    return end ?? tip
  }

  /// How many commits are known that are not in the log, by the nodes that answer for them: their authors, or who made these owners in the fork.
  ///
  /// Else one owner could make any number of others, each with a count of its own.
  var lostCounts: [NodeID: Int] {
    let kept = Set(chain(from: tip))
    var counts: [NodeID: Int] = [:]
    // Who answers for the owners that a fork made, after each of its commits.
    var sponsors: [ObjectName: [NodeID: NodeID]] = [:]
    for (name, entry) in entries.sorted(by: { $0.value.depth < $1.value.depth }) where !kept.contains(name) {
      let before = entry.parent.flatMap { entries[$0] }?.state.seniority ?? [:]
      var answering = entry.parent.flatMap { sponsors[$0] } ?? [:]
      let responsible = answering[entry.message.node] ?? entry.message.node
      counts[responsible, default: 0] += 1
      for owner in entry.state.seniority.keys where before[owner] == nil { answering[owner] = responsible }
      sponsors[name] = answering
    }
    return counts
  }

  /// Lost commits that one node answers for and that are kept, at most: so many as nobody makes by acting at the same time as others.
  static let lostLimit = 100

  /// One commit of a fork that lost.
  struct LostStep {
    let name: ObjectName
    let before: Membership
    let after: Membership
  }

  /// What `node` did in forks that lost and has not done again yet, oldest first.
  func lostSteps(of node: NodeID) -> [LostStep] {
    var done: Set<ObjectName> = []
    for name in chain(from: tip) where entries[name]?.message.node == node {
      done.formUnion(entries[name]?.message.again ?? [])
    }
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
