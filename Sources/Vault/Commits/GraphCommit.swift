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

  /// The tree before a data commit; empty before the first.
  func treeBefore(_ commit: GraphCommit, sharing other: DataTree? = nil) throws(VaultError) -> DataTree {
    guard let parent = commit.parents.first else { return DataTree() }
    return try tree(try self.commit(parent), sharing: other)
  }
}

/// Commits and trees that were read lately, by their names: what is in them never changes.
final class GraphCache: Sendable {
  let commits = RecentlyRead<GraphCommit>(limit: 4096)
  let trees = RecentlyRead<DataTree>(limit: 128)
  /// Acknowledgements whose signature was verified.
  let acknowledgements = RecentlyRead<Acknowledgement>(limit: 1024)
}

/// Values by objects' names; the older half goes when there are too many.
final class RecentlyRead<Value: Sendable>: Sendable {
  private struct Generations {
    var new: [ObjectName: Value] = [:]
    var old: [ObjectName: Value] = [:]
  }

  private let limit: Int
  private let values = Mutex(Generations())

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
      values.withLock { values in
        values.new[name] = newValue
        if values.new.count * 2 > limit { values = Generations(old: values.new) }
      }
    }
  }
}
