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

  /// What a person is told of the members of a vault without the identity being opened.
  ///
  /// Verifies the members' log; changes nothing. Throws what reading does.
  package static func membersReport(
    of node: NodeID, vault name: VaultName, at paths: KeynodePaths, now: Int64
  ) throws(VaultError) -> MembersReport {
    let repository: Repository
    do { repository = try Repository(inspecting: paths.repository(of: name)) } catch { throw .repository(error) }
    guard let tip = try repository.tip(of: Membership.branch) else { throw .notAVault }
    var log = try MembershipLog(endingAt: tip, in: repository)
    for fork in try Vault.lostTips(in: repository) { try log.take(fork, in: repository) }
    let cache = RecentlyRead<Acknowledgement>(limit: 1024)
    if log.hasForks { log.heed(try Acknowledgement.accepted(in: repository, as: log, known: cache)) }
    let heard = try Acknowledgement.lastHeard(in: repository, as: log, known: cache)
    var report = MembersReport()
    report.returned = returned(to: log, as: name, state: paths.state).sorted()
    for other in log.current.members.keys.sorted() where other != node {
      report.others += 1
      if let last = heard[other] { report.lastHeard = max(report.lastHeard ?? .min, last) }
      if Vault.isStale(heard[other], at: now) { report.stale += 1 }
    }
    return report
  }

  /// Whether a member that was last heard of at a time counts as stale.
  package static func isStale(_ heard: Int64?, at now: Int64) -> Bool { now - (heard ?? 0) > staleAge }
}

/// What `status` says of a vault's members.
package struct MembersReport: Sendable {
  /// Members that had been removed, and are back since another fork has become the log.
  package var returned: [NodeID] = []
  /// How many members there are beside this node.
  package var others = 0
  /// How many of them were not heard of for ``Vault/staleAge``, or never.
  package var stale = 0
  /// When any of them was last heard of, in seconds since 1970; nil if never.
  package var lastHeard: Int64?

  package init() {}
}
