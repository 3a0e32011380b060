internal import GitStore
package import VirtualFS

/// One version of one secret.
package struct SecretVersion: Sendable {
  package let version: Version
  package let change: ObjectChange
}

// The history of a path is the history of the object that is shown there: another that claims the path has its own.
extension VersionHistory {
  /// A part of a secret's history: one object, from one commit back to its beginning.
  private struct Trail {
    /// Nil if the path has nothing now: then of what was shown there last.
    var key: ObjectKey?
    var path: [UInt8]
    /// The commit to begin at; nil for the newest.
    let start: ObjectName?
  }

  /// Calls `body` with each version of the secret that is shown at `path`, newest first, until it returns false.
  ///
  /// It follows the object back across renames. Where the object begins, the history goes on with that of what it was made from: the secret that
  /// it replaced, as programs save, or the one that it lost against; at a path that was used again, with the secret that had it before. So what
  /// lies behind such a place may be newer than what stands before it.
  package func walk(path: [UInt8], body: (SecretVersion) throws(VaultError) -> Bool) throws(VaultError) {
    guard let newest = try vault.headCommit() else { return }
    let tree = try tree(at: newest)
    var trails = [Trail(key: nil, path: path, start: newest)]
    if let key = try key(shownAt: path, in: tree) {
      trails = [try trail(of: key, tree.entries(of: key), path: path, orFrom: newest)]
    }
    // One version may have changed several of these objects; it is told of the newest.
    var told: Set<ObjectName> = []
    while let trail = trails.popLast() {
      guard try follow(trail, from: path, &trails, { told.insert($0).inserted }, body) else { return }
    }
  }

  /// Tells of one object; returns false if that is enough.
  ///
  /// What the history goes on with is put on `trails`.
  private func follow(
    _ trail: Trail, from original: [UInt8], _ trails: inout [Trail], _ isNew: (ObjectName) -> Bool,
    _ body: (SecretVersion) throws(VaultError) -> Bool
  ) throws(VaultError) -> Bool {
    guard let start = trail.start else { return true }
    var (key, path) = (trail.key, trail.path)
    let verifier = CommitVerifier(vault.log)
    var walk = try CommitWalk(from: start, in: vault.graph)
    while let step = try walk.next() {
      guard let node = step.commit.node else { continue }
      let keys = DataTree.differences(step.before, step.tree)
      if key == nil {
        guard try touches(path, keys, step) else { continue }
        let after = try self.key(shownAt: path, in: step.tree)
        key = if let after { after } else { try self.key(shownAt: path, in: step.before) }
      }
      guard let tracked = key, keys.contains(tracked) else { continue }
      let name = step.commit.name
      _ = try verifier.verify(try vault.repository.loadCommit(name), named: name)
      let change = try change(of: tracked, from: step.before, to: step.tree)
      if isNew(name) {
        let version = Version(commit: name, time: step.commit.time, node: node, clock: step.commit.clock)
        guard try body(SecretVersion(version: version, change: change)) else { return false }
      }
      let parent = step.commit.parents.first
      let came = change.new?.paths.contains(path) == true && change.old?.paths.contains(path) != true
      let replaced = came && path == original ? try removed(from: path, keys, step) : nil
      if let replaced {
        // Behind all that is known of this object.
        trails.insert(Trail(key: replaced, path: path, start: parent), at: 0)
      }
      if change.isAddition {
        // What lost against the secret that it replaces now is among that one's versions.
        if let lost = try taken(as: change, keys, step), lost.object != replaced?.object {
          trails.append(try self.trail(of: lost, step.before.entries(of: lost), path: path, orFrom: parent))
        } else if trails.isEmpty {
          trails.append(Trail(key: nil, path: original, start: parent))
        }
        return true
      }
      if came, let first = change.old?.paths.first { path = first }
    }
    return true
  }

  /// Whether one of the objects that a version changed has, or had, a path.
  private func touches(
    _ path: [UInt8], _ keys: [ObjectKey], _ step: CommitWalk<Repository>.Step
  ) throws(VaultError) -> Bool {
    for key in keys where key.lost == nil {
      if try change(of: key, from: step.before, to: step.tree).touches(path) { return true }
    }
    return false
  }

  /// The object that had `path` until a version removed it.
  private func removed(
    from path: [UInt8], _ keys: [ObjectKey], _ step: CommitWalk<Repository>.Step
  ) throws(VaultError) -> ObjectKey? {
    for key in keys.reversed() where key.lost == nil && step.tree.entries(of: key).isEmpty {
      if try change(of: key, from: step.before, to: step.tree).old?.paths.contains(path) == true { return key }
    }
    return nil
  }

  /// The lost version that somebody took and made a new object of; nil if it is none.
  private func taken(
    as change: ObjectChange, _ keys: [ObjectKey], _ step: CommitWalk<Repository>.Step
  ) throws(VaultError) -> ObjectKey? {
    guard let new = change.new else { return nil }
    for key in keys where key.lost != nil && step.tree.entries(of: key).isEmpty {
      let old = try self.change(of: key, from: step.before, to: step.tree).old
      if let old, old.modified == new.modified, old.mode == new.mode { return key }
    }
    return nil
  }

  /// The history of what has these entries: of a lost version the versions of its object up to the one that it is.
  private func trail(
    of key: ObjectKey, _ entries: ArraySlice<DataTree.Entry>, path: [UInt8], orFrom start: ObjectName?
  ) throws(VaultError) -> Trail {
    guard key.lost != nil, let blob = entries.first?.blob else { return Trail(key: key, path: path, start: start) }
    let origin = try origins(of: [key: blob])[key]
    return Trail(key: ObjectKey(key.object), path: path, start: origin?.commit ?? start)
  }

  /// What a version shows at a path, `.conflicts` included; nil if it shows no object there.
  func key(shownAt path: [UInt8], in tree: DataTree) throws(VaultError) -> ObjectKey? {
    let loader = NodeLoader(vault: vault, sealer: sealer, index: ObjectIndex(of: vault))
    var presentation = Presentation()
    let nodes = try loader.nodes(of: tree).nodes
    let shown = try presentation.apply(nodes.map { .put($0.key, $0.node) }) { key throws(VaultError) in
      try loader.node(of: key, in: tree)
    }
    for case .put(let node) in shown where node.paths.contains(path) {
      return presentation.key(of: node.object)
    }
    return nil
  }

  /// The secret at `path` as it was in a version.
  ///
  /// `reference` is a commit's name or a prefix of it (at least 4 digits), or `~N`: N versions of this secret back.
  /// Throws ``VaultError/versionMissing``, ``VaultError/versionAmbiguous``, ``VaultError/pathMissing``, and
  /// ``VaultError/objectDamaged(_:)`` or ``VaultError/keyWithheld(_:)`` of what was there but cannot be read.
  package func node(at path: [UInt8], version reference: String) throws(VaultError) -> StoredNode {
    guard let node = try find(path, reference).node else { throw .pathMissing }
    return node
  }

  /// Whether anything was below the directory at `path` in a version, which is named as for ``node(at:version:)``.
  package func hasEntries(below path: [UInt8], version reference: String) throws(VaultError) -> Bool {
    let (node, commit) = try find(path, reference)
    guard let node, case .directory = node.body, let prefix = node.paths.first.map({ $0 + [0x2F] }) else {
      return false
    }
    let tree = try tree(at: commit)
    let loader = NodeLoader(vault: vault, sealer: sealer, index: ObjectIndex(of: vault))
    return try loader.nodes(of: tree).nodes.contains { found in
      found.key.lost == nil && found.node.paths.contains { $0.starts(with: prefix) }
    }
  }

  /// What was at a path in a version, and the version.
  private func find(
    _ path: [UInt8], _ reference: String
  ) throws(VaultError) -> (node: StoredNode?, commit: ObjectName) {
    var found: (node: StoredNode?, commit: ObjectName)?
    if reference.hasPrefix("~") {
      guard var back = Int(reference.dropFirst()), back >= 0 else { throw .versionMissing }
      try walk(path: path) { secret throws(VaultError) in
        back -= 1
        if back < 0 { found = (try secret.change.state(), secret.version.commit) }
        return back >= 0
      }
      guard let found else { throw .versionMissing }
      return found
    }
    let commit = try version(named: reference)
    // One of the secret's own versions, whatever its name was then; else what was shown at the path at that commit.
    try walk(path: path) { secret throws(VaultError) in
      guard secret.version.commit == commit else { return true }
      found = (try secret.change.state(), commit)
      return false
    }
    if let found { return found }
    let tree = try tree(at: commit)
    guard let key = try key(shownAt: path, in: tree) else { return (nil, commit) }
    return (try sealer.node(of: key.id, entries: tree.entries(of: key)), commit)
  }
}
