/// A walk over commits from one back to the first.
///
/// Not a `Sequence`, since each step can throw.
package struct History {
  /// Which parents a walk follows.
  package enum Path: Sendable {
    /// First parents only.
    case firstParent
    /// All parents; every commit comes after all of its children.
    case allParents
  }

  private let source: any ObjectSource
  private let path: Path
  /// For first parents, what comes next; for all, children are listed before parents, the next one last.
  private var upcoming: [ObjectName] = []
  private var start: ObjectName?
  private var excluded: Set<ObjectName>

  init(source: any ObjectSource, from start: ObjectName, path: Path, excluding excluded: Set<ObjectName>) {
    self.source = source
    self.path = path
    self.start = start
    self.excluded = excluded
  }

  /// The next commit; nil after the last.
  ///
  /// - Throws: What ``ObjectSource/commit(_:)`` throws, for a commit that is missing or damaged; the walk cannot go on after it.
  package mutating func next() throws(GitError) -> (name: ObjectName, commit: CommitObject)? {
    if let start {
      self.start = nil
      if excluded.contains(start) { return nil }
      upcoming = path == .firstParent ? [start] : try topological(from: start)
    }
    guard let name = upcoming.popLast() else { return nil }
    let commit = try source.commit(name)
    if path == .firstParent, let parent = commit.parents.first, !excluded.contains(parent) { upcoming.append(parent) }
    return (name, commit)
  }

  /// All commits reachable from `start`, each before its children (depth first, without recursion).
  private func topological(from start: ObjectName) throws(GitError) -> [ObjectName] {
    var order: [ObjectName] = []
    var seen: Set<ObjectName> = [start]
    var stack: [(name: ObjectName, parents: ArraySlice<ObjectName>)] = [
      (start, try source.commit(start).parents[...])
    ]
    while let top = stack.last {
      if let parent = top.parents.first {
        stack[stack.count - 1].parents.removeFirst()
        if !excluded.contains(parent), seen.insert(parent).inserted {
          stack.append((parent, try source.commit(parent).parents[...]))
        }
      } else {
        order.append(top.name)
        stack.removeLast()
      }
    }
    return order
  }
}

extension ObjectSource {
  /// Walks from the commit `start` towards the first, `start` included.
  ///
  /// The walk turns back at the `excluded` commits; for all that another commit reaches, pass its whole history.
  package func history(
    from start: ObjectName, following path: History.Path = .firstParent, excluding excluded: Set<ObjectName> = []
  ) -> History {
    History(source: self, from: start, path: path, excluding: excluded)
  }

  /// Whether `ancestor` is `descendant` or one of the commits before it.
  package func isAncestor(_ ancestor: ObjectName, of descendant: ObjectName) throws(GitError) -> Bool {
    var seen: Set<ObjectName> = [descendant]
    var queue = [descendant]
    var index = 0
    while index < queue.count {
      if queue[index] == ancestor { return true }
      for parent in try commit(queue[index]).parents where seen.insert(parent).inserted { queue.append(parent) }
      index += 1
    }
    return false
  }
}
