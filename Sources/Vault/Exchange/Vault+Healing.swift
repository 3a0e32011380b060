internal import GitStore

extension Vault {
  /// Joins two branches of this very node, of which neither has the other: a backup was put back, or the keynode runs on two machines.
  ///
  /// Both are kept: a commit on top of their merge follows both, so that everybody who has either goes forward to it. Returns false if the branch
  /// moved meanwhile.
  func healOwnFork(with other: ObjectName) throws(VaultError) -> Bool {
    guard membership.members[identity.node]?.role.mayWrite == true else { return false }
    let own = try ownTip()
    let heads = try countingBranches().heads(in: graph, with: other).heads
    guard let first = heads.first else { return false }
    var view = Head(first)
    if heads.count > 1 {
      let merge = try ViewMerge(graph: graph).merge(heads)
      try repository.add(merge.objects, durable: false)
      view = Head(merge.commit)
    }
    let commit = try dataCommit(tree: view.tree, after: view)
    try repository.add([commit.object], durable: false)
    return try repository.move(branch, from: own, to: commit.object.name, durable: false)
  }
}
