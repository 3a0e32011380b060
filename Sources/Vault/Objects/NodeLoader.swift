internal import Dispatch
internal import GitStore
internal import Synchronization
internal import VirtualFS

/// Reads all objects of a version, on all cores.
struct NodeLoader {
  let vault: Vault
  let sealer: ObjectSealer
  var index = ObjectIndex.empty
  /// What was shown before: the name of what is damaged now is looked for there.
  var before: Shown?

  /// A tree that was shown, and what in it could not be read.
  final class Shown: Sendable {
    fileprivate let tree: DataTree
    fileprivate let unreadable: Set<ObjectKey>
    /// The names of these, once somebody asked for one: the history is walked once for all.
    fileprivate let names = Mutex<[ObjectKey: StoredNode]?>(nil)

    init(_ tree: DataTree, unreadable: Set<ObjectKey>) {
      self.tree = tree
      self.unreadable = unreadable
    }
  }

  /// Objects that one thread takes at a time.
  private static let stride = 64

  typealias Loaded = (key: ObjectKey, node: StoredNode)

  /// All nodes, and which of them are stand-ins for damaged objects.
  func nodes(of tree: DataTree) throws(VaultError) -> (nodes: [Loaded], damaged: Set<ObjectKey>) {
    let keys = tree.keys
    let chunks = (keys.count + Self.stride - 1) / Self.stride
    let outcome = Mutex<(nodes: [Loaded], damaged: Set<ObjectKey>, failure: VaultError?)>(([], [], nil))
    DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
      var nodes: [Loaded] = []
      var damaged: Set<ObjectKey> = []
      var failure: VaultError?
      for key in keys[(chunk * Self.stride)..<min(keys.count, (chunk + 1) * Self.stride)] {
        do throws(VaultError) {
          if let node = try soundNode(of: key, in: tree) { nodes.append((key, node)) } else { damaged.insert(key) }
        } catch {
          failure = error
        }
      }
      outcome.withLock {
        $0.nodes.append(contentsOf: nodes)
        $0.damaged.formUnion(damaged)
        if let failure { $0.failure = failure }
      }
    }
    let (nodes, damaged, failure) = outcome.withLock { $0 }
    if let failure { throw failure }
    if damaged.isEmpty { return (nodes, damaged) }
    let last = try lastNodes(of: damaged)
    return (nodes + damaged.map { ($0, standIn(for: $0, entries: tree.entries(of: $0), like: last[$0])) }, damaged)
  }

  /// An object's node; where it is damaged, a stand-in that cannot be read.
  func node(of key: ObjectKey, in tree: DataTree) throws(VaultError) -> StoredNode { try load(key, in: tree).node }

  /// The same, and whether it is sound.
  func load(_ key: ObjectKey, in tree: DataTree) throws(VaultError) -> (node: StoredNode, isSound: Bool) {
    if let node = try soundNode(of: key, in: tree) { return (node, true) }
    return (standIn(for: key, entries: tree.entries(of: key), like: try lastNode(of: key)), false)
  }

  /// The state whose name a damaged object goes on with.
  private func lastNode(of key: ObjectKey) throws(VaultError) -> StoredNode? {
    guard let before else { return try lastNodes(of: [key])[key] }
    if before.tree.entries(of: key).isEmpty { return nil }
    if let node = try soundNode(of: key, in: before.tree) { return node }
    guard before.unreadable.contains(key) else { return nil }
    return try before.names.withLock { names throws(VaultError) in
      let known = if let names { names } else { try lastNodes(of: before.unreadable) }
      names = known
      return known[key]
    }
  }

  /// An object's node; nil if it is damaged, or under a key that is not here.
  private func soundNode(of key: ObjectKey, in tree: DataTree) throws(VaultError) -> StoredNode? {
    let entries = tree.entries(of: key)
    if let known = index.node(of: key.id, entries: entries) { return known }
    do {
      return try sealer.node(of: key.id, entries: entries)
    } catch {
      guard error.isUnreadable else { throw error }
      return nil
    }
  }

  /// Versions that are looked through for the names of what is damaged: all of it together, whatever it is.
  private static let historyLimit = 4096

  /// The newest sound states of objects, or of those that a lost version comes from, as far as there are some in the last 4,096 versions.
  private func lastNodes(of keys: Set<ObjectKey>) throws(VaultError) -> [ObjectKey: StoredNode] {
    var found: [ObjectKey: StoredNode] = [:]
    var left = Set(keys.flatMap { [$0, ObjectKey($0.object)] })
    var count = 0
    do throws(VaultError) {
      let isWanted: (ObjectKey) -> Bool = { left.contains($0) }
      try VersionHistory(of: vault).walk(wanted: isWanted) { _, changes throws(VaultError) in
        for change in changes {
          guard let node = change.new ?? change.old else { continue }
          found[change.key] = node
          left.remove(change.key)
        }
        count += 1
        return !left.isEmpty && count < NodeLoader.historyLimit
      }
    } catch {
      // A history that cannot be walked leaves the stand-ins their made-up names.
      guard error.isUnreadable else { throw error }
    }
    return Dictionary(
      uniqueKeysWithValues: keys.compactMap { key in (found[key] ?? found[ObjectKey(key.object)]).map { (key, $0) } })
  }

  /// Whether an object that cannot be read is only under a key that this node was not given.
  private func isWithheld(_ key: ObjectKey, _ entries: ArraySlice<DataTree.Entry>) -> Bool {
    do throws(VaultError) {
      _ = try sealer.node(of: key.id, entries: entries)
      return false
    } catch {
      if case .keyWithheld = error { return true }
      return false
    }
  }

  /// An object that cannot be read under the name that its newest sound version has, else `damaged-` (`withheld-`, if it is only under a key that
  /// this node was not given) and 8 digits of its id; reading it fails.
  private func standIn(
    for key: ObjectKey, entries: ArraySlice<DataTree.Entry>, like node: StoredNode?
  ) -> StoredNode {
    let reference = ContentReference(insideObject: entries.first?.blob ?? .zero)
    var standIn =
      node
      ?? StoredNode(
        object: key.id, body: .regular(FileContent(size: 0, parts: [])),
        paths: [[UInt8]("\(isWithheld(key, entries) ? "withheld" : "damaged")-\(key.object.hex.prefix(8))".utf8)],
        mode: 0o400, owner: 0, group: 0,
        modified: Timestamp(seconds: 0))
    standIn.object = key.id
    if case .directory = standIn.body { return standIn }
    let size: Int64 = if case .regular(let content) = standIn.body { max(1, content.size) } else { 1 }
    let count = Int((size + Int64(FileContent.partSize) - 1) / Int64(FileContent.partSize))
    standIn.body = .regular(FileContent(size: size, parts: Array(repeating: .stored(reference), count: count)))
    return standIn
  }
}
