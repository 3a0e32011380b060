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
