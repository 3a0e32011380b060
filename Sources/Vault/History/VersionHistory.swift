package import GitStore
package import VirtualFS

/// A data commit as people see it.
package struct Version: Hashable, Sendable {
  package let commit: ObjectName
  /// When its author says it was made: seconds since 1970.
  package let time: Int64
  package let node: NodeID
  package let clock: UInt64
}

/// What a version did to one object; at least one side is there.
package struct ObjectChange: Sendable {
  let key: ObjectKey
  /// The object's stored form before; nil if it did not exist, or cannot be read.
  package let old: StoredNode?
  /// The object's stored form after; nil if it does not exist any more, or cannot be read.
  package let new: StoredNode?
  /// Whether it did not exist before.
  package let isAddition: Bool
  /// Whether it does not exist any more.
  package let isRemoval: Bool
  /// Why one of the two forms, which was there, cannot be read; nil if none is.
  package let unreadable: VaultError?

  package var object: ObjectID { key.id }

  /// Whether it is about a version that lost a merge and was kept.
  package var isLost: Bool { key.lost != nil }

  /// The path that the change is told under: the new one if there is one.
  package var path: [UInt8]? { new?.paths.first ?? old?.paths.first }

  /// The object's form after; nil if it does not exist any more.
  ///
  /// Throws why it cannot be read.
  func state() throws(VaultError) -> StoredNode? {
    if new == nil, !isRemoval, let unreadable { throw unreadable }
    return new
  }

  /// Whether one of the two forms has, or had, the path.
  func touches(_ path: [UInt8]) -> Bool {
    (old?.paths.contains(path) ?? false) || (new?.paths.contains(path) ?? false)
  }
}

/// A vault's versions, newest first.
///
/// The order is that of the clocks: every version comes before all that it builds on. Merge commits are no versions.
package struct VersionHistory {
  let vault: Vault
  let sealer: ObjectSealer

  package init(of vault: Vault) {
    self.vault = vault
    sealer = ObjectSealer(vault)
  }

  /// Calls `body` with each version from the newest (or from `start`) on, and the changes it made, until it returns false.
  ///
  /// `wanted` chooses the objects to read, as each costs a decryption; the others are left out.
  package func walk(
    from start: ObjectName? = nil, body: (Version, [ObjectChange]) throws(VaultError) -> Bool
  ) throws(VaultError) {
    try walk(from: start, wanted: { _ in true }, body: body)
  }

  func walk(
    from start: ObjectName? = nil, wanted: (ObjectKey) -> Bool,
    body: (Version, [ObjectChange]) throws(VaultError) -> Bool
  ) throws(VaultError) {
    let newest = if let start { start } else { try vault.headCommit() }
    guard let newest else { return }
    let verifier = CommitVerifier(vault.log)
    var walk = try CommitWalk(from: newest, in: vault.graph)
    while let step = try walk.next() {
      guard let node = step.commit.node else { continue }
      let name = step.commit.name
      _ = try verifier.verify(try vault.repository.loadCommit(name), named: name)
      var changes: [ObjectChange] = []
      for key in DataTree.differences(step.before, step.tree) where wanted(key) {
        changes.append(try change(of: key, from: step.before, to: step.tree))
      }
      let version = Version(commit: name, time: step.commit.time, node: node, clock: step.commit.clock)
      guard try body(version, changes) else { return }
    }
  }

  /// What lies between two versions.
  package func differences(from old: ObjectName, to new: ObjectName) throws(VaultError) -> [ObjectChange] {
    let oldTree = try tree(at: old)
    let newTree = try tree(at: new)
    var changes: [ObjectChange] = []
    for key in DataTree.differences(oldTree, newTree) {
      changes.append(try change(of: key, from: oldTree, to: newTree))
    }
    return changes
  }

  /// The version whose commit's name starts with `prefix`, at least 4 hex digits.
  ///
  /// - Throws: ``VaultError/versionMissing``, ``VaultError/versionAmbiguous``.
  package func version(named prefix: String) throws(VaultError) -> ObjectName {
    guard prefix.utf8.count >= 4, prefix.utf8.allSatisfy({ Hex.value($0) != nil }) else { throw .versionMissing }
    guard let newest = try vault.headCommit() else { throw .versionMissing }
    var found: ObjectName?
    for commit in try Divergence.commits(reachedBy: [newest], butNotBy: [], in: vault.graph)
    where commit.name.hex.hasPrefix(prefix) {
      guard found == nil else { throw .versionAmbiguous }
      found = commit.name
    }
    guard let found else { throw .versionMissing }
    return found
  }

  func tree(at commit: ObjectName) throws(VaultError) -> DataTree {
    let found = try vault.graph.commit(commit)
    if !found.isMerge {
      _ = try CommitVerifier(vault.log).verify(try vault.repository.loadCommit(commit), named: commit)
    }
    return try vault.graph.tree(found)
  }

  func change(
    of key: ObjectKey, from oldTree: DataTree, to newTree: DataTree
  ) throws(VaultError) -> ObjectChange {
    var unreadable: VaultError?
    func node(_ entries: ArraySlice<DataTree.Entry>) throws(VaultError) -> StoredNode? {
      guard !entries.isEmpty else { return nil }
      do throws(VaultError) {
        return try sealer.node(of: key.id, entries: entries)
      } catch {
        guard error.isUnreadable else { throw error }
        unreadable = error
        return nil
      }
    }
    let (before, after) = (oldTree.entries(of: key), newTree.entries(of: key))
    let old = try node(before)
    let new = try node(after)
    return ObjectChange(
      key: key, old: old, new: new, isAddition: before.isEmpty, isRemoval: after.isEmpty, unreadable: unreadable)
  }
}

extension VersionHistory {
  /// Calls `body` with the pieces of a regular file's content, in order, each at most 1 MiB.
  package func content(
    of node: StoredNode, body: (UnsafeRawBufferPointer) throws(VaultError) -> Void
  ) throws(VaultError) {
    guard case .regular(let content) = node.body else { return }
    for index in content.parts.indices {
      let block = try sealer.block(content, part: index)
      try unsafe block.withBytes(body)
    }
  }
}
