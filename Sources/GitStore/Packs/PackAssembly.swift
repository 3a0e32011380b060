/// Writes given objects of a repository into a pack: commits, then trees from the newest commit back, then the others.
///
/// A tree is written as changes of the one in its place in the next newer commit. Nothing is searched for: a vault's blobs are
/// ciphertext, and a version's trees differ from the next one's in a name each.
struct PackAssembly {
  private let source: any ObjectSource
  private let writer: PackFileWriter
  private let shouldStop: @Sendable () -> Bool
  /// Whether an object that cannot be read is left out, instead of an error.
  private let skipsDamaged: Bool
  private var commits: [ObjectName: (tree: ObjectName, parents: [ObjectName])] = [:]
  /// Trees that were not written yet.
  private var trees: Set<ObjectName> = []
  private var recent = RecentObjects(limit: 4 << 20)

  init(
    from source: any ObjectSource, to writer: PackFileWriter, skipsDamaged: Bool,
    shouldStop: @escaping @Sendable () -> Bool
  ) {
    self.source = source
    self.writer = writer
    self.skipsDamaged = skipsDamaged
    self.shouldStop = shouldStop
  }

  /// Writes the objects.
  ///
  /// - Throws: ``GitError/cancelled`` soon after `shouldStop` answers true; what reading and writing throw.
  mutating func add(_ names: [ObjectName]) throws(GitError) {
    var others: [ObjectName] = []
    for name in names {
      if shouldStop() { throw .cancelled }
      switch try kind(of: name) {
      case .commit: try addCommit(name)
      case .tree: trees.insert(name)
      case .blob, .tag: others.append(name)
      case nil: if !skipsDamaged { throw .missing(name) }
      }
    }
    try addTrees()
    for name in trees.sorted() + others {
      if let object = try load(name) { try writer.add(name, object.kind, object.bytes) }
    }
  }

  private func kind(of name: ObjectName) throws(GitError) -> ObjectKind? {
    do {
      return try source.kindAndSize(name)?.kind
    } catch {
      guard case .corrupt = error, skipsDamaged else { throw error }
      return nil
    }
  }

  /// An object; nil if it cannot be read and that is no error.
  private func load(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8])? {
    if shouldStop() { throw .cancelled }
    do {
      return try source.read(name)
    } catch {
      switch error {
      case .missing, .corrupt: if skipsDamaged { return nil } else { throw error }
      default: throw error
      }
    }
  }

  private mutating func addCommit(_ name: ObjectName) throws(GitError) {
    guard let object = try load(name) else { return }
    try writer.add(name, object.kind, object.bytes)
    // One in another spelling than ours only loses its trees' deltas.
    if let commit = try? CommitObject(parsing: object.bytes) { commits[name] = (commit.tree, commit.parents) }
  }

  // MARK: Trees

  private mutating func addTrees() throws(GitError) {
    var newer: (name: ObjectName, bytes: [UInt8])?
    for name in newestFirst() {
      guard let root = commits[name]?.tree, trees.contains(root), let bytes = try addTree(root, base: newer) else {
        continue
      }
      try addSubtrees(of: bytes, newer: newer?.bytes ?? [], depth: 0)
      newer = (root, bytes)
    }
  }

  private mutating func addTree(
    _ name: ObjectName, base: (name: ObjectName, bytes: [UInt8])?
  ) throws(GitError) -> [UInt8]? {
    trees.remove(name)
    guard let object = try load(name) else { return nil }
    try writer.add(name, object.kind, object.bytes, base: base)
    return object.bytes
  }

  private mutating func addSubtrees(of tree: [UInt8], newer: [UInt8], depth: Int) throws(GitError) {
    // What lies deeper, which a vault has not, is written whole.
    guard depth < 32 else { return }
    for change in TreeRows.changes(in: tree, from: newer) where change.isDirectory && trees.contains(change.object) {
      var base: (name: ObjectName, bytes: [UInt8])?
      if let name = change.counterpart, writer.hasTree(name) {
        let bytes = if let object = recent[name] { object.bytes } else { try load(name)?.bytes }
        base = bytes.map { (name, $0) }
      }
      guard let bytes = try addTree(change.object, base: base) else { continue }
      recent.add(change.object, .tree, bytes)
      try addSubtrees(of: bytes, newer: base?.bytes ?? [], depth: depth + 1)
    }
  }

  /// The commits, each before its parents.
  private func newestFirst() -> [ObjectName] {
    var order: [ObjectName] = []
    var seen: Set<ObjectName> = []
    var stack: [(name: ObjectName, parents: ArraySlice<ObjectName>)] = []
    for start in commits.keys where seen.insert(start).inserted {
      stack.append((start, commits[start]?.parents[...] ?? []))
      while let top = stack.last {
        if let parent = top.parents.first {
          stack[stack.count - 1].parents.removeFirst()
          if let parents = commits[parent]?.parents, seen.insert(parent).inserted {
            stack.append((parent, parents[...]))
          }
        } else {
          order.append(top.name)
          stack.removeLast()
        }
      }
    }
    return order.reversed()
  }
}
