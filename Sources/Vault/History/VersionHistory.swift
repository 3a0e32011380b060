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

  func touches(_ path: [UInt8]) -> Bool {
    (old?.paths.contains(path) ?? false) || (new?.paths.contains(path) ?? false)
  }
}

/// A vault's versions, newest first.
///
/// The order is that of the clocks: every version comes before all that it builds on. Merge commits are no versions.
package struct VersionHistory {
  let vault: Vault
  private let sealer: ObjectSealer

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

  private func tree(at commit: ObjectName) throws(VaultError) -> DataTree {
    let found = try vault.graph.commit(commit)
    if !found.isMerge {
      _ = try CommitVerifier(vault.log).verify(try vault.repository.loadCommit(commit), named: commit)
    }
    return try vault.graph.tree(found)
  }

  private func change(
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

/// One version of one secret.
package struct SecretVersion: Sendable {
  package let version: Version
  package let change: ObjectChange
}

extension VersionHistory {
  /// Calls `body` with each version of the secret at `path`, newest first, until it returns false.
  ///
  /// It follows the secret back across renames. Where a secret was replaced by renaming another over it, as programs save, it
  /// goes on with the one that was replaced; at a path that was used again, with the secret that had it before.
  package func walk(path: [UInt8], body: (SecretVersion) throws(VaultError) -> Bool) throws(VaultError) {
    var path = path
    var tracked: ObjectKey?
    let isWanted: (ObjectKey) -> Bool = { tracked == nil ? $0.lost == nil : tracked == $0 }
    try walk(wanted: isWanted) { version, changes throws(VaultError) in
      let candidates = changes.filter { $0.key == tracked || (tracked == nil && $0.touches(path)) }
      guard let change = candidates.first(where: { $0.new?.paths.contains(path) ?? false }) ?? candidates.first else {
        return true
      }
      tracked = change.key
      if let old = change.old {
        if let new = change.new, new.paths.contains(path), !old.paths.contains(path), let first = old.paths.first {
          if let replaced = try objectRemoved(from: path, by: version.commit) {
            tracked = replaced
          } else {
            path = first
          }
        }
      } else if change.unreadable == nil {
        tracked = nil
      }
      return try body(SecretVersion(version: version, change: change))
    }
  }

  /// The object that had `path` until a commit removed it.
  private func objectRemoved(from path: [UInt8], by commit: ObjectName) throws(VaultError) -> ObjectKey? {
    guard let parent = try vault.repository.loadCommit(commit).parents.first else { return nil }
    return try differences(from: parent, to: commit).first {
      $0.isRemoval && $0.old?.paths.contains(path) ?? false
    }?.key
  }

  /// The secret at `path` as it was in a version.
  ///
  /// `reference` is a commit's name or a prefix of it (at least 4 digits), or `~N`: N versions of this secret back.
  /// Throws ``VaultError/versionMissing``, ``VaultError/versionAmbiguous``, ``VaultError/pathMissing``, and
  /// ``VaultError/objectDamaged(_:)`` or ``VaultError/keyWithheld(_:)`` of what was there but cannot be read.
  package func node(at path: [UInt8], version reference: String) throws(VaultError) -> StoredNode {
    var found: StoredNode?
    if reference.hasPrefix("~") {
      guard var back = Int(reference.dropFirst()), back >= 0 else { throw .versionMissing }
      try walk(path: path) { secret throws(VaultError) in
        back -= 1
        if back < 0 { found = try secret.change.state() }
        return back >= 0
      }
      guard back < 0 else { throw .versionMissing }
    } else {
      let commit = try version(named: reference)
      // One of the secret's own versions, whatever its name was then; else what had the path at that commit.
      var isVersion = false
      try walk(path: path) { secret throws(VaultError) in
        isVersion = secret.version.commit == commit
        if isVersion { found = try secret.change.state() }
        return !isVersion
      }
      if !isVersion {
        try walk(from: commit, path: path) { secret throws(VaultError) in
          // Its newest change may be that it went to another path.
          found = try secret.change.state().flatMap { $0.paths.contains(path) ? $0 : nil }
        }
      }
    }
    guard let found else { throw .pathMissing }
    return found
  }

  /// The newest change of the object at `path` as of `commit`.
  private func walk(
    from commit: ObjectName, path: [UInt8], body: (SecretVersion) throws(VaultError) -> Void
  ) throws(VaultError) {
    try walk(from: commit) { version, changes throws(VaultError) in
      guard let change = changes.first(where: { $0.touches(path) }) else { return true }
      try body(SecretVersion(version: version, change: change))
      return false
    }
  }

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
