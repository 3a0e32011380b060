internal import GitStore

/// The branches that a view is made of, by the log of members.
///
/// Source: docs/format.md, "The view".
struct CountingBranches {
  let log: MembershipLog
  /// The ends of the branches of nodes that may write.
  var writing: [NodeID: ObjectName] = [:]
  /// What counts of nodes that may write no more.
  var frontiers: [NodeID: ObjectName] = [:]

  init(log: MembershipLog) { self.log = log }

  var tips: Set<ObjectName> { Set(writing.values).union(frontiers.values) }

  subscript(node: NodeID) -> ObjectName? { writing[node] ?? frontiers[node] }

  /// Heads that a view is made of, at most: all members can write at the same time, and a walk tells that many apart.
  static let limit = Divergence.limit

  /// The tips that no other tip reaches, in order of names: at most ``limit``.
  ///
  /// Of more the first ``limit`` in the order of ``ranking`` stay; the others are no tips, which can make heads of what only they reached.
  ///
  /// - Parameters:
  ///   - graph: Where the commits are read.
  ///   - known: A view made before: tips that it had found behind others are not walked to again.
  ///   - own: A further tip, which goes before all others.
  /// - Returns: The heads, and whether these are all that there are.
  /// - Throws: What reading commits does.
  func heads(
    in graph: CommitGraph<some ObjectSource>, since known: CachedView? = nil, with own: ObjectName? = nil
  ) throws(VaultError) -> (heads: [GraphCommit], isWhole: Bool) {
    var tips = tips.union([own].compactMap { $0 })
    var heads = try CountingBranches.heads(of: tips, in: graph, since: known)
    if heads.count <= CountingBranches.limit { return (heads, true) }
    let ranks = ranking(before: own)
    while heads.count > CountingBranches.limit {
      heads.sort { (ranks[$0.name] ?? .max, $0.name) < (ranks[$1.name] ?? .max, $1.name) }
      for head in heads[CountingBranches.limit...] { tips.remove(head.name) }
      heads = try Divergence.heads(of: tips, in: graph)
    }
    return (heads, false)
  }

  /// The place of each tip among those that count: first what members write, then frontiers, the newest removal first.
  private func ranking(before own: ObjectName?) -> [ObjectName: Int] {
    let depths = log.depthsOfRemoval
    let newest = log.depth
    var ranks: [ObjectName: Int] = [:]
    for (node, tip) in frontiers { ranks[tip] = min(ranks[tip] ?? .max, 1 + newest - (depths[node] ?? 0)) }
    for tip in writing.values { ranks[tip] = 0 }
    if let own { ranks[own] = -1 }
    return ranks
  }

  /// The heads of `tips`, with a short walk where most of them were behind the heads of a view that is known.
  private static func heads(
    of tips: Set<ObjectName>, in graph: CommitGraph<some ObjectSource>, since known: CachedView?
  ) throws(VaultError) -> [GraphCommit] {
    if let known, let old = known.heads {
      let behind = tips.intersection(known.tips).subtracting(old)
      if !behind.isEmpty {
        let rest = tips.subtracting(behind)
        let heads = try Divergence.heads(of: rest.union(old), in: graph)
        // If every old head is a tip still, or behind one, so is all that was behind it.
        if heads.allSatisfy({ rest.contains($0.name) }) { return heads }
      }
    }
    return try Divergence.heads(of: tips, in: graph)
  }
}
