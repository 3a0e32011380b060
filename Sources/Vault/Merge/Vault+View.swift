package import GitStore
internal import Synchronization

/// A data or merge commit that a file system shows.
struct Head: Hashable, Sendable {
  let commit: ObjectName
  let tree: ObjectName
  let clock: UInt64

  init(commit: ObjectName, tree: ObjectName, clock: UInt64) {
    self.commit = commit
    self.tree = tree
    self.clock = clock
  }

  init(_ commit: GraphCommit) { self.init(commit: commit.name, tree: commit.tree, clock: commit.clock) }
}

/// A view and the commits that it was made of.
struct CachedView: Sendable {
  let tips: Set<ObjectName>
  /// Those of the tips that no other reaches; nil if there are more than a view is made of.
  let heads: Set<ObjectName>?
  let view: Head
}

// The view is a pure function of the members and the tips that count: every node that knows the same shows the same.
extension Vault {
  /// The tips of all nodes' branches, whether they count or not.
  ///
  /// A stranger's branch, as a mirror may have, counts for nothing.
  package func nodeTips() throws(VaultError) -> [NodeID: ObjectName] { try repository.branches(under: Vault.nodes) }

  /// The commits that the view is made of: what those who write have written, and what those who may no more wrote in time.
  func countingTips() throws(VaultError) -> Set<ObjectName> { try countingBranches().tips }

  /// The same, by nodes.
  func countingBranches() throws(VaultError) -> CountingBranches {
    let log = log
    let membership = log.current
    var counting = CountingBranches(log: log)
    counting.writing = try nodeTips().filter { membership.standing(of: $0.key) == .writes }
    for node in membership.removed.keys { counting.frontiers[node] = try frontier(of: node, in: membership) }
    // Who was removed exchanges nothing any more, and goes on showing what it made before it knew.
    if membership.members[identity.node] == nil {
      counting.frontiers[identity.node] = nil
      counting.writing[identity.node] = try ownTip()
    }
    return counting
  }

  /// The last commit that counts of a node that may write no more; nil if none does, or it is not here yet.
  ///
  /// Where an owner wrote something else there than a commit of that node, none does.
  func frontier(of node: NodeID, in membership: Membership) throws(VaultError) -> ObjectName? {
    guard let tip = membership.removed[node]?.tip, try repository.has(tip) else { return nil }
    do throws(VaultError) {
      return try graph.commit(tip).node == node ? tip : nil
    } catch {
      switch error {
      case .commitInvalid, .repository(.wrongKind), .repository(.malformed): return nil
      default: throw error
      }
    }
  }

  /// What the vault shows now; nil if nothing was ever written.
  ///
  /// The heads are verified, each alone (not their ancestors); where there are several they are merged, and the merge is stored.
  func view() throws(VaultError) -> Head? {
    try refreshMembers()
    let branches = try countingBranches()
    let tips = branches.tips
    let known = viewCache.withLock { $0 }
    if let known, known.tips == tips { return known.view }
    let (heads, isWhole) = try branches.heads(in: graph, since: known)
    let verifier = CommitVerifier(log)
    for head in heads {
      let message = try verifier.verify(try repository.loadCommit(head.name), named: head.name)
      guard branches[message.node] == head.name else { throw .commitInvalid(head.name, .author) }
    }
    guard let first = heads.first else { return nil }
    var view = Head(first)
    if heads.count > 1 {
      let merge = try ViewMerge(graph: graph).merge(heads)
      if try !repository.has(merge.commit.name) { try repository.add(merge.objects, durable: false) }
      view = Head(merge.commit)
    }
    let names = isWhole ? Set(heads.map(\.name)) : nil
    viewCache.withLock { $0 = CachedView(tips: tips, heads: names, view: view) }
    return view
  }

  /// Tells the cache of a commit that this node made on top of `base`; if that was the view, the commit is the new one.
  ///
  /// Else somebody's commit came in between, or there were more heads than the view was made of, and it has to be made anew.
  func noteOwnCommit(_ head: Head, on base: Head?, after old: ObjectName?) {
    viewCache.withLock { cached in
      guard cached?.view == base, cached?.heads != nil || base == nil else {
        cached = nil
        return
      }
      var tips = cached?.tips ?? []
      if let old { tips.remove(old) }
      tips.insert(head.commit)
      cached = CachedView(tips: tips, heads: [head.commit], view: head)
    }
  }

  /// The commit that this repository shows; nil if nothing was ever written.
  func headCommit() throws(VaultError) -> ObjectName? { try view()?.commit }

  /// The commit that `main` shows: the newest view that could be made; nil if there is none.
  ///
  /// Nothing is merged or read for it, so that whatever members wrote cannot hinder it.
  func shownCommit() throws(VaultError) -> ObjectName? {
    guard let commit = try repository.tip(of: Vault.main), try repository.has(commit) else { return nil }
    return commit
  }

  /// The newest commit of this node's own; nil if it never wrote.
  func ownTip() throws(VaultError) -> ObjectName? { try repository.tip(of: branch) }

  /// Moves this node's branch by compare-and-swap to a commit on top of `view`; false if it was not at `old`.
  func advance(from old: ObjectName?, to new: ObjectName, on view: ObjectName?) throws(VaultError) -> Bool {
    guard try repository.move(branch, from: old, to: new, durable: false) else { return false }
    // While main follows this branch, a write moves one reference only.
    if !mainFollows.load(ordering: .relaxed), try !moveMain(from: view, to: new) { try showInMain() }
    return true
  }

  /// Moves `main` from the view that a commit was made on to the commit; false if it shows something else.
  private func moveMain(from view: ObjectName?, to new: ObjectName) throws(VaultError) -> Bool {
    let current = try repository.wrapped { () throws(GitError) in try repository.reference(Vault.main) }
    guard let view, current == .direct(view) else { return false }
    return try replaceMain(current, with: .direct(new))
  }

  /// Lets `main` show the view, so that stock tools see what this program does.
  ///
  /// It is not there before something was written, and a symbolic reference to this node's branch as long as nobody else writes.
  func showInMain() throws(VaultError) { try showInMain { () throws(VaultError) in try headCommit() } }

  /// The same, of a view that is asked for as often as it may have changed.
  func showInMain(_ view: () throws(VaultError) -> ObjectName?) throws(VaultError) {
    // Whoever moves a branch sets main afterwards, and whoever sets main looks at the branches afterwards: the last one to set it, in
    // whatever process, has seen all.
    for _ in 0..<16 {
      guard let commit = try view() else { return }
      let current = try repository.wrapped { () throws(GitError) in try repository.reference(Vault.main) }
      if current == .symbolic(branch), try ownTip() == commit {
        return mainFollows.store(true, ordering: .relaxed)
      }
      mainFollows.store(false, ordering: .relaxed)
      if current == .direct(commit) { return }
      // What nobody else has written to; git calls a symbolic reference to nothing damage, so it comes no sooner.
      let isOwn = if current == nil { try ownTip() == commit } else { false }
      _ = try replaceMain(current, with: isOwn ? .symbolic(branch) : .direct(commit))
    }
  }

  /// False if `main` is not at `current` any more.
  private func replaceMain(_ current: Reference?, with value: Reference) throws(VaultError) -> Bool {
    do {
      try repository.replaceReference(Vault.main, from: current, to: value, durability: .processCrash)
      return true
    } catch {
      guard case .referenceMoved = error else { throw .repository(error) }
      return false
    }
  }
}
