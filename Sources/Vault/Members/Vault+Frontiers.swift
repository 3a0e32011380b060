package import GitStore
internal import HeapModule

/// What of a member's versions an owner lets count when it removes the member.
extension Vault {
  /// The newest version of `node` that `version` has behind it; nil if there is none.
  ///
  /// - Throws: ``VaultError/versionMissing`` if `version` is none of this vault's.
  func lastVersion(of node: NodeID, before version: ObjectName) throws(VaultError) -> ObjectName? {
    var heap = Heap<GraphCommit>()
    var met: Set<ObjectName> = []
    for parent in try versionCommit(version).parents { heap.insert(try graph.commit(parent)) }
    while let commit = heap.popMax() {
      if commit.node == node { return commit.name }
      for parent in commit.parents where met.insert(parent).inserted { heap.insert(try graph.commit(parent)) }
    }
    return nil
  }

  /// The members that have built on versions of a removed node which are later than its frontier: these versions count with theirs.
  package func members(buildingOnCutVersionsOf node: NodeID) throws(VaultError) -> [NodeID] {
    var branches = try countingBranches()
    let frontier = branches.frontiers.removeValue(forKey: node)
    branches.writing[node] = nil
    var builders: [NodeID] = []
    for (builder, tip) in branches.writing.sorted(by: { $0.key < $1.key }) {
      let known = [frontier].compactMap { $0 }
      let commits = try Divergence.commits(reachedBy: [tip], butNotBy: known, in: graph)
      if commits.contains(where: { $0.node == node }) { builders.append(builder) }
    }
    return builders
  }

  /// The data commit that a person named by at least 4 hex digits: any that a branch of a member leads to, shown or not.
  ///
  /// - Throws: ``VaultError/versionMissing``, ``VaultError/versionAmbiguous``.
  package func version(namedInBranches prefix: String) throws(VaultError) -> ObjectName {
    guard prefix.utf8.count >= 4, prefix.utf8.allSatisfy({ Hex.value($0) != nil }) else { throw .versionMissing }
    let commits = try Divergence.commits(reachedBy: try countingTips(), butNotBy: [], in: graph)
    let found = commits.filter { !$0.isMerge && $0.name.hex.hasPrefix(prefix) }
    guard let version = found.first else { throw .versionMissing }
    guard found.count == 1 else { throw .versionAmbiguous }
    return version.name
  }

  private func versionCommit(_ name: ObjectName) throws(VaultError) -> GraphCommit {
    guard try repository.has(name) else { throw .versionMissing }
    return try graph.commit(name)
  }
}
