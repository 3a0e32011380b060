/// The objects that a receiver lacks, in the order in which a pack gives them to it: a commit after all that it leads to.
///
/// Found from the commits alone and from where trees differ from those of their parents. Where commits' dates are wrong it may list some
/// that the receiver has, but never lacks one.
package struct MissingObjects: Sendable {
  /// Deltas between a tree and one that is whole or not in the pack, at most; git's own default.
  private static let depthLimit = 50

  private struct Item {
    let name: ObjectName
    /// The tree that it is written as changes of.
    let base: ObjectName?
  }

  private let source: any ObjectSource
  private var items: [Item] = []
  /// Commits that the receiver must have: parents of those listed that are not listed, each once.
  package private(set) var boundary: [ObjectName] = []
  private var depths: [ObjectName: Int] = [:]
  private var seen: Set<ObjectName> = []

  /// How many objects there are.
  package var count: Int { items.count }

  /// The objects' names.
  package var names: [ObjectName] { items.map(\.name) }

  /// Whether the object is one of them.
  package func contains(_ name: ObjectName) -> Bool { seen.contains(name) }

  /// What one who has `known`, with all that they lead to, needs for `tips`; both are commits, or tags of such.
  ///
  /// - Throws: What reading throws; ``GitError/wrongKind(_:found:)`` for a tip that is neither.
  package init(
    for tips: [ObjectName], known: [ObjectName], in source: any ObjectSource
  ) throws(GitError) {
    self.source = source
    var tags: [ObjectName] = []
    let starts = try tips.map { tip throws(GitError) in try peeled(tip, &tags) }
    var ignored: [ObjectName] = []
    let ends = try known.map { name throws(GitError) in try peeled(name, &ignored) }
    let commits = try Self.commits(from: starts, butNotFrom: ends, in: source)
    // Also of the boundary.
    var trees = Dictionary(commits.map { ($0.name, $0.links.tree) }) { first, _ in first }
    for (name, links) in commits {
      var bases: [ObjectName] = []
      for parent in links.parents {
        if trees[parent] == nil {
          boundary.append(parent)
          trees[parent] = try source.commit(parent).tree
        }
        if let tree = trees[parent] { bases.append(tree) }
      }
      try collect(links.tree, bases: bases)
      add(name, base: nil)
    }
    for tag in tags where !ignored.contains(tag) { add(tag, base: nil) }
  }

  /// Writes a pack of them, thin where ``boundary`` is not empty.
  ///
  /// - Throws: What reading and the sink throw.
  package func writePack(to sink: @escaping PackStreamWriter.Sink) throws(GitError) {
    let writer = try PackStreamWriter(objectCount: count, sink: sink)
    var recent = RecentObjects(limit: 4 << 20)
    for item in items {
      let object = try source.read(item.name)
      var base: DeltaBase?
      if let name = item.base {
        let bytes = if let kept = recent[name] { kept.bytes } else { try source.read(name).bytes }
        base = DeltaBase(name: name, bytes: bytes)
      }
      try writer.add(object.kind, object.bytes, base: base)
      if object.kind == .tree { recent.add(item.name, .tree, object.bytes) }
    }
    try writer.finish()
  }

  // MARK: What there is

  /// The commit that a tag leads to, or the commit itself; `tags` gets the tags on the way.
  private func peeled(_ name: ObjectName, _ tags: inout [ObjectName]) throws(GitError) -> ObjectName {
    var name = name
    for _ in 0..<16 {
      let object = try source.read(name)
      switch object.kind {
      case .commit: return name
      case .tag:
        guard object.bytes.starts(with: "object ".utf8),
          let target = ObjectName(hex: object.bytes.dropFirst(7).prefix(2 * ObjectName.byteCount))
        else { throw .malformed(.tag) }
        tags.append(name)
        name = target
      case .blob, .tree: throw .wrongKind(name, found: object.kind)
      }
    }
    throw .malformed(.tag)
  }

  private mutating func add(_ name: ObjectName, base: ObjectName?) {
    if seen.insert(name).inserted { items.append(Item(name: name, base: base)) }
  }

  /// Adds what a tree has and none of `bases` has in the same place, and the tree, unless it is one of them.
  private mutating func collect(_ name: ObjectName, bases: [ObjectName], depth: Int = 0) throws(GitError) {
    guard !bases.contains(name), !seen.contains(name) else { return }
    // Git itself limits the depth of trees to 2,048 (since 2.45).
    guard depth < 256 else { throw .malformed(.tree) }
    let bytes = try source.read(name, expecting: .tree)
    var changes: [ObjectName: (change: TreeRows.Change, counterparts: [ObjectName])] = [:]
    var order: [ObjectName] = []
    for (index, base) in (bases.isEmpty ? [nil] : bases.map(Optional.some)).enumerated() {
      let other = if let base { try source.read(base, expecting: .tree) } else { [UInt8]() }
      let found = TreeRows.changes(in: bytes, from: other)
      let present = Set(found.map(\.object))
      for change in found {
        if index == 0, changes[change.object] == nil {
          order.append(change.object)
          changes[change.object] = (change, [])
        }
        if let counterpart = change.counterpart { changes[change.object]?.counterparts.append(counterpart) }
      }
      // What one of them has in the same place, the receiver has.
      if index > 0 { order.removeAll { !present.contains($0) } }
    }
    for object in order {
      guard let (change, counterparts) = changes[object] else { continue }
      if change.isDirectory {
        try collect(object, bases: counterparts, depth: depth + 1)
      } else {
        add(object, base: nil)
      }
    }
    let base = bases.first { depths[$0] ?? 0 < Self.depthLimit }
    depths[name] = base.map { (depths[$0] ?? 0) + 1 } ?? 0
    add(name, base: base)
  }
}
