internal import GitStore

/// The one tree that every node shows of several heads, computed from public data alone: nothing is decrypted, and nothing encrypted anew.
///
/// Of each object the newest change wins, by (clock, name of its blob); a clock extends causality, so that is the change that had seen all others,
/// if there is one. A concurrent change beats a removal. What loses to a concurrent change is kept below `conflicts/`.
///
/// Source: docs/format.md, "Merge commit".
struct ViewMerge<Source: ObjectSource> {
  let graph: CommitGraph<Source>

  /// A merge commit, and the objects that it consists of.
  struct Outcome {
    let commit: GraphCommit
    let tree: DataTree
    let objects: [NewObject]
  }

  /// What an object is in a tree: its entries; none if it is not there.
  private typealias Value = [DataTree.Entry]

  /// A change that gave an object the value.
  private struct Change {
    let clock: UInt64
    let value: Value
    /// The heads that have seen it.
    let seen: Divergence.Tips
  }

  /// A value that some heads have, and how it came about; nil for one that all heads have seen.
  private struct Candidate {
    let value: Value
    let change: Change?
    var rank: (UInt64, ObjectName) { (change?.clock ?? 0, value.first?.blob ?? .zero) }
  }

  /// Merges two or more heads of which none reaches another, in order of names.
  func merge(_ heads: [GraphCommit]) throws(VaultError) -> Outcome {
    precondition(heads.count > 1, "one head is no merge")
    var trees: [DataTree] = []
    for head in heads { trees.append(try graph.tree(head, sharing: trees.first)) }
    var keys: Set<ObjectKey> = []
    for tree in trees.dropFirst() { keys.formUnion(DataTree.differences(trees[0], tree)) }
    var merged = trees[0]
    if !keys.isEmpty {
      let walk = try Divergence(of: heads.map(\.name), in: graph)
      let changes = try changes(of: keys, in: walk.items)
      for key in keys.sorted() {
        let values = trees.map { Array($0.entries(of: key)) }
        resolve(key, values, changes[key] ?? [], into: &merged)
      }
    }
    let readme = trees.compactMap(\.readme).max() ?? Vault.readme.name
    let (root, newTrees) = merged.encode(readme: readme)
    let message = MergeMessage(vault: graph.vault, clock: heads.map(\.clock).max() ?? 0)
    let commit = message.commit(tree: root, parents: heads.map(\.name), time: heads.map(\.time).max() ?? 0)
    let parsed: CommitObject
    do {
      parsed = try CommitObject(parsing: commit.bytes)
    } catch {
      throw .repository(error)
    }
    let result = try GraphCommit(parsed, named: commit.name, of: graph.vault)
    return Outcome(commit: result, tree: merged, objects: newTrees + [commit])
  }

  /// The changes of `keys` among commits that not all heads have seen, newest first.
  private func changes(
    of keys: Set<ObjectKey>, in items: [Divergence.Item]
  ) throws(VaultError) -> [ObjectKey: [Change]] {
    var changes: [ObjectKey: [Change]] = [:]
    for item in items {
      for (key, value) in try graph.changes(of: item.commit) where keys.contains(key) {
        changes[key, default: []].append(Change(clock: item.commit.clock, value: value, seen: item.tips))
      }
    }
    return changes
  }

  /// Decides one object of which the heads have different `values`.
  private func resolve(_ key: ObjectKey, _ values: [Value], _ changes: [Change], into merged: inout DataTree) {
    var candidates: [Candidate] = []
    for value in Set(values) {
      var (having, others) = (Divergence.Tips(0), Divergence.Tips(0))
      for (index, other) in values.enumerated() {
        if other == value { having |= 1 << Divergence.Tips(index) } else { others |= 1 << Divergence.Tips(index) }
      }
      let change = changes.first { $0.value == value && $0.seen & having != 0 }
      // Whoever has seen it and shows another value has replaced it.
      if change.map({ $0.seen & others != 0 }) ?? true { continue }
      candidates.append(Candidate(value: value, change: change))
    }
    if candidates.isEmpty {
      // Only where several merges of old are the common past: the newest of all.
      for value in Set(values) {
        candidates.append(Candidate(value: value, change: changes.first { $0.value == value }))
      }
    }
    candidates.sort { $0.rank > $1.rank }
    guard let winner = candidates.first(where: { !$0.value.isEmpty }) ?? candidates.first else { return }
    merged.replace(key, with: winner.value)
    guard key.lost == nil else { return }
    for loser in candidates where loser.value != winner.value {
      guard let blob = loser.value.first?.blob else { continue }
      let kept = ObjectKey(key.object, lost: (0..<4).reduce(0) { $0 << 8 | UInt32(blob[$1]) })
      merged.replace(
        kept, with: loser.value.map { DataTree.Entry(slot: Slot(kept, position: $0.slot.position), blob: $0.blob) })
    }
  }
}
