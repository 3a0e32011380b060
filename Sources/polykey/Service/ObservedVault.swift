import Glibc
import Vault
import VirtualFS

/// What a vault shows, kept to tell which secrets change.
///
/// Used from one thread.
final class ObservedVault {
  let vault: Vault
  private let backing: VaultBacking
  private var nodes: [ObjectID: StoredNode]

  init(_ name: VaultName, of keynode: Keynode, watcher: RepositoryWatcher) throws {
    vault = try keynode.openVault(name)
    // A replica sees that something changed, but not what.
    if vault.role?.mayRead == false { throw VaultError.roleForbids }
    // Before it is read, so that no change is missed.
    try watcher.watch(vault)
    backing = try VaultBacking(vault)
    nodes = Dictionary(try backing.nodes().map { ($0.object, $0) }) { $1 }
  }

  /// Whether anything is shown at a path, or below it.
  func shows(_ path: [UInt8]) -> Bool {
    nodes.values.contains { $0.paths.contains { ObservedVault.path($0, isAtOrBelow: path) } }
  }

  /// What is shown at a path; nil if nothing is there.
  func node(at path: [UInt8]) -> StoredNode? { nodes.values.first { $0.paths.contains(path) } }

  /// The paths at which something else is shown than at the last call, in order.
  func changedPaths() throws -> [[UInt8]] {
    guard backing.isBehind, case .outdated(let changes) = try backing.commit(CommitBatch()) else { return [] }
    var changed: Set<[UInt8]> = []
    for change in changes {
      switch change {
      case .put(let node):
        let old = nodes.updateValue(node, forKey: node.object)
        if let old, isSame(old, node) {
          changed.formUnion(Set(old.paths).symmetricDifference(node.paths))
        } else {
          changed.formUnion((old?.paths ?? []) + node.paths)
        }
      case .removed(let object): changed.formUnion(nodes.removeValue(forKey: object)?.paths ?? [])
      }
    }
    return changed.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Whether `path` is `other`, or in the directory `other`.
  static func path(_ path: [UInt8], isAtOrBelow other: [UInt8]) -> Bool {
    other.isEmpty || path == other || (path.starts(with: other) && path[other.count] == 0x2F)
  }

  /// Whether two states of an object are the same to programs, wherever it is; encrypting it anew changes nothing.
  private func isSame(_ old: StoredNode, _ new: StoredNode) -> Bool {
    guard old.modified == new.modified, old.mode == new.mode, old.owner == new.owner, old.group == new.group,
      old.extendedAttributes == new.extendedAttributes
    else { return false }
    switch (old.body, new.body) {
    case (.regular(let old), .regular(let other)): return isSame(old, other, of: new.object)
    case (.symbolicLink(let old), .symbolicLink(let new)): return old == new
    case (.directory, .directory), (.fifo, .fifo): return true
    case (.characterDevice(let major, let minor), .characterDevice(let newMajor, let newMinor)),
      (.blockDevice(let major, let minor), .blockDevice(let newMajor, let newMinor)):
      return (major, minor) == (newMajor, newMinor)
    default: return false
    }
  }

  private func isSame(_ old: FileContent, _ new: FileContent, of object: ObjectID) -> Bool {
    guard old.size == new.size, old.parts.count == new.parts.count else { return false }
    return zip(old.parts, new.parts).allSatisfy { parts in
      switch parts {
      case (.hole, .hole): return true
      case (.stored(let old), .stored(let new)):
        if old == new { return true }
        // What cannot be read counts as changed: whoever uses it finds out.
        guard let before = try? backing.load(old, of: object), let after = try? backing.load(new, of: object) else {
          return false
        }
        return unsafe before.withBytes { before in
          unsafe after.withBytes { after in unsafe before.elementsEqual(after) }
        }
      default: return false
      }
    }
  }
}
