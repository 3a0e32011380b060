internal import Dispatch
internal import GitStore
internal import Synchronization
internal import VirtualFS

/// Reads all objects of a version, on all cores.
struct NodeLoader {
  let vault: Vault
  let sealer: ObjectSealer
  var index = ObjectIndex.empty

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
          let (node, isSound) = try load(key, in: tree)
          nodes.append((key, node))
          if !isSound { damaged.insert(key) }
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
    return (nodes, damaged)
  }

  /// An object's node; where it is damaged, a stand-in that cannot be read.
  func node(of key: ObjectKey, in tree: DataTree) throws(VaultError) -> StoredNode { try load(key, in: tree).node }

  /// The same, and whether it is sound.
  func load(_ key: ObjectKey, in tree: DataTree) throws(VaultError) -> (node: StoredNode, isSound: Bool) {
    let entries = tree.entries(of: key)
    if let known = index.node(of: key.id, entries: entries) { return (known, true) }
    do {
      return (try sealer.node(of: key.id, entries: entries), true)
    } catch {
      guard error.isUnreadable else { throw error }
      return (try standIn(for: key, entries: entries, as: error), false)
    }
  }

  /// An object that cannot be read under the name that its newest sound version has, else `damaged-` (`withheld-`, if it is only under a key that
  /// this node was not given) and 8 digits of its id; reading it fails.
  private func standIn(
    for key: ObjectKey, entries: ArraySlice<DataTree.Entry>, as failure: VaultError
  ) throws(VaultError) -> StoredNode {
    let reference = ContentReference(insideObject: entries.first?.blob ?? .zero)
    var node: StoredNode?
    let isWanted: (ObjectKey) -> Bool = { $0 == key || $0 == ObjectKey(key.object) }
    do throws(VaultError) {
      try VersionHistory(of: vault).walk(wanted: isWanted) { _, changes throws(VaultError) in
        node = changes.first.flatMap { $0.new ?? $0.old }
        return node == nil
      }
    } catch {
      // A history that cannot be walked leaves the stand-in its made-up name.
      guard error.isUnreadable else { throw error }
    }
    let state = if case .keyWithheld = failure { "withheld" } else { "damaged" }
    var standIn =
      node
      ?? StoredNode(
        object: key.id, body: .regular(FileContent(size: 0, parts: [])),
        paths: [[UInt8]("\(state)-\(key.object.hex.prefix(8))".utf8)], mode: 0o400, owner: 0, group: 0,
        modified: Timestamp(seconds: 0))
    standIn.object = key.id
    if case .directory = standIn.body { return standIn }
    let size: Int64 = if case .regular(let content) = standIn.body { max(1, content.size) } else { 1 }
    let count = Int((size + Int64(FileContent.partSize) - 1) / Int64(FileContent.partSize))
    standIn.body = .regular(FileContent(size: size, parts: Array(repeating: .stored(reference), count: count)))
    return standIn
  }
}
