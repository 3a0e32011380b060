internal import GitStore
internal import Synchronization

/// A data or merge commit as the graph of versions has it.
struct GraphCommit: Hashable, Comparable, Sendable {
  let name: ObjectName
  let tree: ObjectName
  /// None or one of a data commit; two or more of a merge.
  let parents: [ObjectName]
  let clock: UInt64
  /// Seconds since 1970, as its author says.
  let time: Int64
  /// Who signed it; nil of a merge.
  let node: NodeID?

  var isMerge: Bool { node == nil }

  /// Orders every commit after all of its ancestors: by clock, a merge after the data commits of its clock; then by name.
  static func < (a: GraphCommit, b: GraphCommit) -> Bool {
    (a.clock, a.isMerge ? 1 : 0, a.name) < (b.clock, b.isMerge ? 1 : 0, b.name)
  }

  /// Takes a commit at its word.
  ///
  /// - Throws: ``VaultError/commitInvalid(_:_:)`` if it does not say what a vault's commit does.
  init(_ commit: CommitObject, named name: ObjectName, of vault: VaultID) throws(VaultError) {
    if let message = CommitMessage(commit.message) {
      guard message.vault == vault else { throw .commitInvalid(name, .otherVault) }
      guard commit.parents.count <= 1 else { throw .commitInvalid(name, .parents) }
      (clock, node) = (message.clock, message.node)
    } else {
      guard let message = MergeMessage(commit.message) else { throw .commitInvalid(name, .message) }
      guard message.vault == vault else { throw .commitInvalid(name, .otherVault) }
      guard commit.parents.count > 1 else { throw .commitInvalid(name, .parents) }
      (clock, node) = (message.clock, nil)
    }
    self.name = name
    tree = commit.tree
    parents = commit.parents
    time = commit.author.seconds
  }
}

/// Reads commits as a graph.
struct CommitGraph<Source: ObjectSource>: Sendable {
  let source: Source
  let vault: VaultID
  /// What was read lately: merges and walks look at the same commits and trees again and again.
  let cache: GraphCache

  init(source: Source, vault: VaultID, cache: GraphCache = GraphCache()) {
    self.source = source
    self.vault = vault
    self.cache = cache
  }

  /// Throws ``VaultError/commitInvalid(_:_:)`` for a commit that is none of the vault's, and what the source throws.
  func commit(_ name: ObjectName) throws(VaultError) -> GraphCommit {
    if let known = cache.commits[name] { return known }
    let commit = try GraphCommit(try source.loadCommit(name), named: name, of: vault)
    cache.commits[name] = commit
    return commit
  }

  func tree(_ commit: GraphCommit, sharing other: DataTree? = nil) throws(VaultError) -> DataTree {
    if let known = cache.trees[commit.tree] { return known }
    let tree = try DataTree(reading: commit.tree, of: commit.name, from: source, sharing: other)
    cache.trees[commit.tree] = tree
    return tree
  }

  /// What a commit changed: a data commit in its parent's tree, a merge in all of its parents' trees.
  func changes(of commit: GraphCommit, sharing other: DataTree? = nil) throws(VaultError) -> CommitChanges {
    if let known = cache.changes[commit.name] { return known }
    let tree = try tree(commit, sharing: other)
    var before: [DataTree] = []
    if commit.isMerge {
      for parent in commit.parents { before.append(try self.tree(try self.commit(parent), sharing: tree)) }
    } else {
      before.append(try treeBefore(commit, sharing: tree))
    }
    var changes: CommitChanges = []
    var weight = 1
    for key in DataTree.differences(before[0], tree) {
      let value = [DataTree.Entry](tree.entries(of: key))
      // A merge changes nothing but what it keeps of losers: all else it has from one of its parents.
      if before.dropFirst().contains(where: { $0.entries(of: key).elementsEqual(value) }) { continue }
      changes.append((key, value))
      weight += 1 + value.count
    }
    cache.changes.insert(changes, as: commit.name, weight: weight)
    return changes
  }

  /// The tree before a data commit; empty before the first.
  func treeBefore(_ commit: GraphCommit, sharing other: DataTree? = nil) throws(VaultError) -> DataTree {
    guard let parent = commit.parents.first else { return DataTree() }
    return try tree(try self.commit(parent), sharing: other)
  }
}

/// What was read lately, by objects' names: what is in them never changes.
final class GraphCache: Sendable {
  let commits = RecentlyRead<GraphCommit>(limit: 65_536)
  let trees = RecentlyRead<DataTree>(limit: 128)
  /// Acknowledgements whose signature was verified.
  let acknowledgements = RecentlyRead<Acknowledgement>(limit: 1024)
  /// What commits changed, by the commits' names; its limit counts entries of trees.
  ///
  /// A merge asks it of every commit that not all heads have behind them, however many these are.
  let changes: RecentlyRead<CommitChanges>

  /// An empty one, or one that knows what `other` knows of changes: they follow from a commit's name alone.
  init(sharingChangesOf other: GraphCache? = nil) {
    changes = other?.changes ?? RecentlyRead(limit: 262_144)
  }
}

/// What one commit put at objects and lost versions: their entries, none where it removed them.
typealias CommitChanges = [(key: ObjectKey, value: [DataTree.Entry])]

/// Values by objects' names; the older half goes when there are too many.
final class RecentlyRead<Value: Sendable>: Sendable {
  private struct Generations {
    var new: [ObjectName: Value] = [:]
    var old: [ObjectName: Value] = [:]
    /// The weight of the new ones.
    var weight = 0
  }

  private let limit: Int
  private let values = Mutex(Generations())

  /// - Parameter limit: How much all values weigh at most.
  init(limit: Int) { self.limit = limit }

  subscript(name: ObjectName) -> Value? {
    get {
      values.withLock { values in
        if let value = values.new[name] { return value }
        guard let value = values.old[name] else { return nil }
        values.new[name] = value
        return value
      }
    }
    set {
      if let newValue { insert(newValue, as: name) }
    }
  }

  func insert(_ value: Value, as name: ObjectName, weight: Int = 1) {
    values.withLock { values in
      values.new[name] = value
      values.weight += weight
      if values.weight * 2 > limit { values = Generations(old: values.new) }
    }
  }
}
