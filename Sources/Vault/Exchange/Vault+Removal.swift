internal import GitStore

extension Vault {
  /// Whether the repository at `path` says that `node` was removed from its vault.
  ///
  /// Reads the newest members and believes them, so that no identity is needed: for people only. Changes nothing.
  package static func hasRemoved(_ node: NodeID, repository path: String) throws(VaultError) -> Bool {
    let repository: Repository
    do { repository = try Repository(inspecting: path) } catch { throw .repository(error) }
    guard let tip = try repository.tip(of: Membership.branch) else { throw .notAVault }
    let membership = try Membership(of: tip, tree: try repository.loadCommit(tip).tree, in: repository)
    return membership.members[node] == nil && membership.removed[node] != nil
  }
}
