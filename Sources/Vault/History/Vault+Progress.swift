internal import GitStore
internal import VirtualFS

/// How far a member is.
package struct MemberProgress: Hashable, Sendable {
  /// When it wrote last, as it says itself: seconds since 1970; nil if never.
  package var time: Int64?
  /// Versions that it had not seen when it wrote last.
  package var behind: Int
}

extension Vault {
  /// How far each node is that ever wrote, by what its last version builds on.
  ///
  /// Compared with what `main` shows: nothing is merged or read.
  package func progress() throws(VaultError) -> [NodeID: MemberProgress] {
    var progress: [NodeID: MemberProgress] = [:]
    guard let view = try shownCommit() else { return progress }
    for (node, tip) in try nodeTips() where membership.members[node] != nil || membership.removed[node] != nil {
      let unseen = try Divergence.commits(reachedBy: [view], butNotBy: [tip], in: graph)
      progress[node] = MemberProgress(time: try graph.commit(tip).time, behind: unseen.count { !$0.isMerge })
    }
    return progress
  }
}
