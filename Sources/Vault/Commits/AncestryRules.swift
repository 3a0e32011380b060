internal import GitStore

/// The rules that bind a commit to those before it; with ``CommitVerifier`` all that docs/format.md asks of data and merge commits.
struct AncestryRules<Source: ObjectSource> {
  let graph: CommitGraph<Source>
  let log: MembershipLog

  /// Verifies one commit, of which the parents are verified already, or will be.
  ///
  /// - Throws: ``VaultError/commitInvalid(_:_:)``, and what reading it and its parents throws.
  @discardableResult
  func verify(_ name: ObjectName) throws(VaultError) -> GraphCommit {
    let object = try graph.source.loadCommit(name)
    let commit = try GraphCommit(object, named: name, of: graph.vault)
    if commit.isMerge {
      try verifyMerge(commit)
    } else {
      _ = try CommitVerifier(log).verify(object, named: name)
      try verifyClock(of: commit)
    }
    return commit
  }

  /// Verifies a clock against those of the parents: what walks rely on to tell what is behind a commit.
  func verifyClock(of commit: GraphCommit) throws(VaultError) {
    var greatest: UInt64 = 0
    for parent in commit.parents { greatest = max(greatest, try graph.commit(parent).clock) }
    guard greatest < .max, commit.clock == (commit.isMerge ? greatest : greatest + 1) else {
      throw .commitInvalid(commit.name, .clock)
    }
  }

  /// Verifies that a data commit puts no subtree at two places, before any of them is read: one could stand for 256.
  func verifySubtrees(of commit: GraphCommit) throws(VaultError) {
    guard !commit.isMerge else { return }
    var known: Set<TreeEntry> = []
    if let parent = commit.parents.first { known = Set(try subtrees(of: try graph.commit(parent).tree)) }
    let rows = try subtrees(of: commit.tree)
    let count = Dictionary(rows.lazy.map { ($0.object, 1) }, uniquingKeysWith: +)
    for row in rows where !known.contains(row) && count[row.object] != 1 { throw .commitInvalid(commit.name, .tree) }
  }

  /// The directories in a data commit's tree, and those in `conflicts`.
  private func subtrees(of tree: ObjectName) throws(VaultError) -> [TreeEntry] {
    let rows = try graph.source.entries(ofTree: tree).filter { $0.mode == .directory }
    guard let conflicts = rows.first(where: { $0.name.count > 2 }) else { return rows }
    return rows + (try graph.source.entries(ofTree: conflicts.object).filter { $0.mode == .directory })
  }

  /// Verifies that a data commit puts no header's blob at an object that another object has in its tree, or puts there, too.
  ///
  /// A blob is the one sealed for one state of one object, so no honest node does; else one blob could stand for any number of objects. What is in
  /// the tree already is not looked at: merges bring together what each alone was sound.
  func verifyHeaders(of commit: GraphCommit, _ tree: DataTree, since old: DataTree) throws(VaultError) {
    if tree.sharesHeader(since: old) { throw .commitInvalid(commit.name, .tree) }
  }

  /// A merge is verified by making it again.
  private func verifyMerge(_ commit: GraphCommit) throws(VaultError) {
    let flaw = VaultError.commitInvalid(commit.name, .parents)
    guard commit.parents.count <= Divergence.limit, Set(commit.parents).count == commit.parents.count else {
      throw flaw
    }
    let heads = try Divergence.heads(of: commit.parents, in: graph)
    guard heads.map(\.name) == commit.parents, !heads.contains(where: \.isMerge) else { throw flaw }
    let made = try ViewMerge(graph: graph).merge(heads)
    guard made.commit.name == commit.name else { throw .commitInvalid(commit.name, .merge) }
  }
}
