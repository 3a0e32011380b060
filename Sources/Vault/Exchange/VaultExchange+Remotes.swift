package import GitStore

/// Any git repository as a replica without keys.
extension VaultExchange {
  /// Brings what a stock remote has of the vault into quarantine, and admits what holds, as from a peer.
  package func pull(from remote: RemoteRepository) throws(VaultError) -> Verdict {
    let quarantine = Quarantine(for: vault.repository)
    let heads = try vault.repository.wrapped { () throws(GitError) in
      let wanted = BranchName.tips(of: try remote.heads().map { ($0.name, $0.object) })
      return try remote.fetch(
        wanted.keys.sorted().map(BranchName.reference), into: quarantine, limits: Admission.limits)
    }
    return try admit(BranchName.tips(of: heads.map { ($0.name, $0.object) }), from: quarantine)
  }

  /// Sets the branches of a stock remote to ours, and sends what they need.
  ///
  /// - Parameters:
  ///   - remote: Where they go.
  ///   - known: What was taken from it just now: our members' log and view have seen all of it, so they may replace what it has.
  /// - Returns: What became of each branch, by short names.
  /// - Throws: ``VaultError/repository(_:)`` with ``GitError/remote(_:)``, and what reading throws.
  package func push(
    to remote: RemoteRepository, having known: Verdict?
  ) throws(VaultError) -> [String: PushOutcome] {
    try vault.acknowledge()
    var pushes: [RemoteRepository.Push] = []
    let replacesMembers = known.map { !$0.refused.keys.contains { BranchName.node($0) == nil } } ?? false
    for (branch, tip) in try tips().sorted(by: { $0.key < $1.key }) {
      let acknowledging = BranchName.acknowledging(branch)
      // An acknowledgement takes the place of the one before. Of others' the remote may have newer ones, unless what it has was taken.
      if let acknowledging, known == nil, acknowledging != vault.identity.node { continue }
      let replaces = branch == BranchName.members ? replacesMembers : acknowledging != nil
      pushes.append(RemoteRepository.Push(name: BranchName.reference(branch), object: tip, isForced: replaces))
    }
    if let view = try vault.view() {
      // Only derived from the others.
      pushes.append(RemoteRepository.Push(name: Vault.main, object: view.commit, isForced: true))
    }
    let outcomes = try vault.repository.wrapped { () throws(GitError) in try remote.push(pushes) }
    return Dictionary(outcomes.map { (String($0.key.dropFirst("refs/heads/".count)), $0.value) }) { $1 }
  }
}
