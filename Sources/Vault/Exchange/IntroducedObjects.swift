internal import GitStore

/// The trees and blobs that a commit brings, beside those of its parents: what a receiver of the parents lacks.
struct IntroducedObjects {
  /// A tree with the one of the same place in the first parent, of which it is mostly a copy.
  struct Change: Hashable {
    let name: ObjectName
    let kind: ObjectKind
    let base: ObjectName?
  }

  /// Blobs before the trees that have them, the root last.
  private(set) var objects: [Change] = []
  private var seen: Set<ObjectName> = []

  /// Walks the tree `root` where it differs from each of `parents`; their trees must be there, or count as empty.
  init(in root: ObjectName, since parents: [ObjectName], from source: some ObjectSource) throws(VaultError) {
    try walk(root, parents, depth: 0, source)
  }

  /// A vault's trees are three deep: `conflicts/XX/`.
  private static let maximumDepth = 4

  private mutating func walk(
    _ tree: ObjectName, _ olds: [ObjectName], depth: Int, _ source: some ObjectSource
  ) throws(VaultError) {
    guard !olds.contains(tree), seen.insert(tree).inserted else { return }
    guard depth < IntroducedObjects.maximumDepth else { throw .repository(.malformed(.tree)) }
    var known: [[UInt8]: [TreeEntry]] = [:]
    for old in olds {
      for entry in try source.entries(ofTree: old) { known[entry.name, default: []].append(entry) }
    }
    for entry in try source.entries(ofTree: tree) {
      let before = known[entry.name] ?? []
      if before.contains(entry) { continue }
      if entry.mode == .directory {
        try walk(entry.object, before.filter { $0.mode == .directory }.map(\.object), depth: depth + 1, source)
      } else if seen.insert(entry.object).inserted {
        objects.append(Change(name: entry.object, kind: .blob, base: nil))
      }
    }
    objects.append(Change(name: tree, kind: .tree, base: olds.first))
  }
}
