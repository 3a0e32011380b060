internal import GitStore
internal import HeapModule

/// What some of several commits have behind them and others have not: a walk from the newest back to where all agree.
///
/// A clock orders every commit after its ancestors, so what the walk has seen of a commit when it gets there is final, and it costs as much as the
/// sides differ, not as much as there is history.
struct Divergence {
  /// A set of the tips.
  typealias Tips = UInt128

  /// One commit, and which of the tips reach it.
  struct Item {
    let commit: GraphCommit
    let tips: Tips
  }

  /// The commits that not all tips reach, newest first.
  private(set) var items: [Item] = []
  private var reached: [ObjectName: Tips] = [:]

  /// Tips that one walk can tell apart.
  static let limit = 128

  /// Walks from `tips`, 1...128 distinct commits, until only commits are left that all of them reach.
  init(of tips: [ObjectName], in graph: CommitGraph<some ObjectSource>) throws(VaultError) {
    precondition(1...Divergence.limit ~= tips.count, "a walk tells 128 tips apart")
    let all: Tips = tips.count == Divergence.limit ? .max : (1 << Tips(tips.count)) - 1
    try self.init(from: tips.enumerated().map { ($1, Tips(1) << Tips($0)) }, in: graph) { $0 != all }
  }

  /// Walks from `seeds`, each with the set that it stands for, until no commit is left that `isOpen`.
  private init(
    from seeds: [(commit: ObjectName, tips: Tips)], in graph: CommitGraph<some ObjectSource>, isOpen: (Tips) -> Bool
  ) throws(VaultError) {
    var heap = Heap<GraphCommit>()
    // Commits in the heap for which the walk must go on.
    var open = 0
    func reach(_ name: ObjectName, _ tips: Tips) throws(VaultError) {
      let old = reached[name] ?? 0
      if old == 0 { heap.insert(try graph.commit(name)) }
      reached[name] = old | tips
      open += (isOpen(old | tips) ? 1 : 0) - (old != 0 && isOpen(old) ? 1 : 0)
    }
    for (commit, tips) in seeds { try reach(commit, tips) }
    var passed: Set<ObjectName> = []
    while open > 0, let commit = heap.popMax() {
      let mask = reached[commit.name] ?? 0
      passed.insert(commit.name)
      if isOpen(mask) {
        open -= 1
        items.append(Item(commit: commit, tips: mask))
      }
      // Only a commit with a forged clock is met again after it was passed, and it is refused elsewhere.
      for parent in commit.parents where !passed.contains(parent) { try reach(parent, mask) }
    }
  }

  /// Which tips reach a commit that the walk met.
  func tips(reaching commit: ObjectName) -> Tips { reached[commit] ?? 0 }
}

extension Divergence {
  /// Those of `tips` that no other reaches, in order of names, in one walk and however many there are.
  ///
  /// The walk ends when each tip was either met, uncovered, or found behind another.
  static func heads(
    of tips: some Collection<ObjectName>, in graph: CommitGraph<some ObjectSource>
  ) throws(VaultError) -> [GraphCommit] {
    let tips = Set(tips)
    var heap = Heap<GraphCommit>()
    for tip in tips { heap.insert(try graph.commit(tip)) }
    var undecided = tips
    // What is behind a commit that the walk has passed.
    var covered: Set<ObjectName> = []
    var heads: [GraphCommit] = []
    while !undecided.isEmpty, let commit = heap.popMax() {
      if undecided.remove(commit.name) != nil { heads.append(commit) }
      for parent in commit.parents where covered.insert(parent).inserted {
        undecided.remove(parent)
        if !tips.contains(parent) { heap.insert(try graph.commit(parent)) }
      }
    }
    return heads.sorted { $0.name < $1.name }
  }

  /// The commits that `tips` reach and none of `known` does, oldest first.
  static func commits(
    reachedBy tips: some Collection<ObjectName>, butNotBy known: some Collection<ObjectName>,
    in graph: CommitGraph<some ObjectSource>
  ) throws(VaultError) -> [GraphCommit] {
    let known = Set(known)
    let tips = Set(tips).subtracting(known)
    let seeds = tips.map { ($0, Tips(1)) } + known.map { ($0, Tips(2)) }
    return try Divergence(from: seeds, in: graph) { $0 == 1 }.items.map(\.commit).reversed()
  }
}
