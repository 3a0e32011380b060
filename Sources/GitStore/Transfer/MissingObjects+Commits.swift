extension MissingObjects {
  /// What is kept of a commit.
  struct Links {
    let tree: ObjectName
    let parents: [ObjectName]
    /// The committer's, since 1970.
    let seconds: Int64
  }

  /// The commits that `tips` lead to and `known` do not, each after its parents.
  ///
  /// Goes back by the commits' dates, as git does, until nothing is left that only `tips` lead to.
  static func commits(
    from tips: [ObjectName], butNotFrom known: [ObjectName], in source: any ObjectSource
  ) throws(GitError) -> [(name: ObjectName, links: Links)] {
    /// Whether the receiver has it, of all commits met so far.
    var isKnown: [ObjectName: Bool] = [:]
    var commits: [ObjectName: Links] = [:]
    var queue = Heap()
    /// Entries of the queue that were wanted when they were added.
    var wanted = 0
    func meet(_ name: ObjectName, known: Bool) throws(GitError) {
      switch isKnown[name] {
      case true: return
      case false where !known: return
      default: break
      }
      isKnown[name] = known
      if !known { wanted += 1 }
      let commit = try source.commit(name)
      let links = Links(tree: commit.tree, parents: commit.parents, seconds: commit.committer.seconds)
      commits[name] = links
      queue.add(Heap.Entry(seconds: links.seconds, name: name, isWanted: !known))
    }
    for name in known { try meet(name, known: true) }
    for name in tips { try meet(name, known: false) }
    while wanted > 0, let entry = queue.removeNewest() {
      if entry.isWanted { wanted -= 1 }
      let known = isKnown[entry.name] ?? false
      if !known || !entry.isWanted {
        for parent in commits[entry.name]?.parents ?? [] { try meet(parent, known: known) }
      }
    }
    return inOrder(tips, commits) { isKnown[$0] == false }
  }

  /// The commits among those that `tips` lead to which are to be listed, each after its parents; without recursion.
  private static func inOrder(
    _ tips: [ObjectName], _ commits: [ObjectName: Links], where isListed: (ObjectName) -> Bool
  ) -> [(name: ObjectName, links: Links)] {
    var order: [(name: ObjectName, links: Links)] = []
    var seen: Set<ObjectName> = []
    var stack: [(name: ObjectName, links: Links, parents: ArraySlice<ObjectName>)] = []
    func visit(_ name: ObjectName) {
      guard isListed(name), let links = commits[name], seen.insert(name).inserted else { return }
      stack.append((name, links, links.parents[...]))
    }
    for tip in tips {
      visit(tip)
      while let top = stack.last {
        if let parent = top.parents.first {
          stack[stack.count - 1].parents.removeFirst()
          visit(parent)
        } else {
          order.append((top.name, top.links))
          stack.removeLast()
        }
      }
    }
    return order
  }

  /// Commits to look at, of which the newest comes first.
  private struct Heap {
    struct Entry {
      let seconds: Int64
      let name: ObjectName
      let isWanted: Bool
    }

    private var entries: [Entry] = []

    mutating func add(_ entry: Entry) {
      entries.append(entry)
      var place = entries.count - 1
      while place > 0, entries[(place - 1) / 2].seconds < entries[place].seconds {
        entries.swapAt(place, (place - 1) / 2)
        place = (place - 1) / 2
      }
    }

    mutating func removeNewest() -> Entry? {
      guard let newest = entries.first, let last = entries.popLast() else { return nil }
      guard !entries.isEmpty else { return newest }
      entries[0] = last
      var place = 0
      while 2 * place + 1 < entries.count {
        var child = 2 * place + 1
        if child + 1 < entries.count, entries[child].seconds < entries[child + 1].seconds { child += 1 }
        guard entries[place].seconds < entries[child].seconds else { break }
        entries.swapAt(place, child)
        place = child
      }
      return newest
    }
  }
}
