internal import GitStore

// Owners who act at the same time.
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
  /// From the genesis on, at each fork that side wins behind which the most senior owner stands: as the author of a commit, or as it says that it
  /// has accepted one; else whose first commit has the more senior author, then the lower name; seniority is that before the fork. So nobody can
  /// undo what a more senior owner did or accepted, nor their own removal by one.
  var best: ObjectName {
    var next: [ObjectName?: [ObjectName]] = [:]
    for (name, entry) in entries { next[entry.parent, default: []].append(name) }
    var standing: [ObjectName: [NodeID]] = [:]
    for (node, commit) in accepted { standing[commit, default: []].append(node) }
    var ranks: [NodeID: Int] = [:]
    func rank(_ name: ObjectName) -> Int { entries[name].flatMap { ranks[$0.message.node] } ?? .max }
    func weight(_ first: ObjectName) -> (Int, Int, ObjectName) {
      var senior = Int.max
      var side = [first]
      while let name = side.popLast() {
        senior = min(senior, rank(name))
        for node in standing[name] ?? [] { senior = min(senior, ranks[node] ?? .max) }
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

  /// Members that were removed as of `commit`, which was the log once and has lost to another fork, in which they never were.
  func returned(since commit: ObjectName) -> Set<NodeID> {
    guard let state = state(at: commit), !isAncestor(commit, of: tip) else { return [] }
    return Set(
      state.removed.keys.filter {
        state.members[$0] == nil && current.members[$0] != nil && wasNeverRemoved($0, since: commit)
      })
  }

  /// Whether a node is a member in the log, and was in all of it since a fork.
  private func wasNeverRemoved(_ node: NodeID, since fork: ObjectName) -> Bool {
    for name in chain(from: tip) {
      guard entries[name]?.state.members[node] != nil else { return false }
      if isAncestor(name, of: fork) { return true }
    }
    return true
  }

  /// Whether somebody who may read now could before a fork that lost, and not in the fork: its keys are not for them.
  func excludes(_ fork: Membership, anyOf members: [NodeID: Member]) -> Bool {
    var base: ObjectName? = fork.commit
    while let name = base, !isAncestor(name, of: tip) { base = entries[name]?.parent }
    guard let before = base.flatMap({ entries[$0] })?.state else { return false }
    return members.contains { node, member in
      member.role.mayRead && before.members[node]?.role.mayRead == true && fork.members[node]?.role.mayRead != true
    }
  }

  /// Whether a node was ever removed or demoted, in the log or in a fork that lost.
  func wasEverRemoved(_ node: NodeID) -> Bool { entries.values.contains { $0.state.removed[node] != nil } }

  /// Whether anything is known beside the log itself.
  var hasForks: Bool { entries.count > depth + 1 }

  /// The members as forks that lost had them, whose keys some versions are under.
  var lostStates: [Membership] {
    lost.sorted().flatMap { chain(from: $0).prefix { !isAncestor($0, of: tip) } }.compactMap { entries[$0]?.state }
  }
}
