internal import GitStore
internal import HeapModule

/// All commits that one commit has behind it, itself included, newest first, each with its tree and the tree before it.
struct CommitWalk<Source: ObjectSource> {
  struct Step {
    let commit: GraphCommit
    let tree: DataTree
    /// The tree of the one parent; empty of a first commit, and a merge's first parent's.
    let before: DataTree
  }

  private let graph: CommitGraph<Source>
  private var heap = Heap<GraphCommit>()
  /// The trees of what is in the heap, as far as they were read already.
  private var trees: [ObjectName: DataTree] = [:]
  private var seen: Set<ObjectName> = []

  init(from start: ObjectName, in graph: CommitGraph<Source>) throws(VaultError) {
    self.graph = graph
    try push(start)
  }

  private mutating func push(_ name: ObjectName) throws(VaultError) {
    if seen.insert(name).inserted { heap.insert(try graph.commit(name)) }
  }

  /// The next commit; nil after the last.
  mutating func next() throws(VaultError) -> Step? {
    guard let commit = heap.popMax() else { return nil }
    let known = trees.removeValue(forKey: commit.name)
    let tree = if let known { known } else { try graph.tree(commit) }
    for parent in commit.parents { try push(parent) }
    var before = DataTree()
    if let parent = commit.parents.first {
      let known = trees[parent]
      before = if let known { known } else { try graph.tree(try graph.commit(parent), sharing: tree) }
      trees[parent] = before
    }
    return Step(commit: commit, tree: tree, before: before)
  }
}
