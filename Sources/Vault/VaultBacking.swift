internal import GitStore
internal import Synchronization
package import VirtualFS

/// A vault as the store behind a mounted file system: seals changes into objects and makes each batch one signed commit.
///
/// One at a time per vault and process commits; loading is concurrent and needs no lock.
package final class VaultBacking: Backing {
  private let vault: Vault
  private let sealer: ObjectSealer
  private let state: Mutex<State>
  /// The commit that the file system above shows; apart from `state`, so that looking at it waits for no commit.
  private let shown: Mutex<ObjectName?>

  /// What the file system above has been told of.
  private struct State {
    var head: Head?
    var tree: DataTree
  }

  /// - Throws: what reading the newest commit's trees throws.
  package init(_ vault: Vault) throws(VaultError) {
    self.vault = vault
    sealer = ObjectSealer(vault)
    let head = try vault.head()
    let tree =
      if let head { try DataTree(reading: head.tree, of: head.commit, from: vault.repository) } else { DataTree() }
    state = Mutex(State(head: head, tree: tree))
    shown = Mutex(head?.commit)
  }

  // MARK: Backing

  package func load(_ reference: ContentReference, of object: ObjectID) throws(VFSError) -> Block {
    do {
      return try sealer.openContent(reference)
    } catch {
      throw VFSError(error)
    }
  }

  package func seal(_ block: Block, of object: ObjectID, part: Int) throws(VFSError) -> ContentReference {
    do {
      let blob = try sealer.sealPart(block, length: FileContent.partSize)
      try vault.repository.add([blob], durable: false)
      return ContentReference(part: blob.name, length: FileContent.partSize)
    } catch {
      throw VFSError(error)
    }
  }

  package func commit(_ batch: CommitBatch) throws(VFSError) -> CommitOutcome {
    do {
      return try state.withLock { state throws(VaultError) in try commit(batch, from: &state) }
    } catch {
      throw VFSError(error)
    }
  }

  package func makeDurable() throws(VFSError) {
    do {
      try vault.repository.flush()
    } catch {
      throw VFSError(error)
    }
  }

  /// As much as can be told: nothing is known of a disk that cannot be asked, and writing to it will say why.
  package func availableBytes() -> Int64 {
    (try? vault.repository.availableBytes()).map { Int64(clamping: $0) } ?? .max
  }

  /// Whether another process committed since the file system above was last told.
  package var isBehind: Bool {
    // A branch that cannot be read is found out about, and told, by the refresh that follows.
    (try? vault.headCommit()) != shown.withLock { $0 }
  }

  // MARK: the two ends of a commit

  private func commit(_ batch: CommitBatch, from state: inout State) throws(VaultError) -> CommitOutcome {
    if batch.puts.isEmpty && batch.removals.isEmpty {
      if let changes = try catchUp(&state) { return .outdated(changes) }
      if batch.durable { try vault.repository.flushQuickly() }
      return .committed([:])
    }
    var tree = state.tree
    var objects: [NewObject] = []
    var receipt: [ObjectID: [ContentReference?]] = [:]
    for object in batch.removals { tree.replace(object, with: []) }
    for node in batch.puts {
      guard let sealed = try sealIfSound(node) else {
        receipt[node.object] = node.storedParts
        continue
      }
      objects.append(contentsOf: sealed.blobs)
      tree.replace(node.object, with: sealed.entries)
      if let parts = sealed.parts { receipt[node.object] = parts }
    }
    let (root, trees) = tree.encode(readme: Vault.readme.name)
    objects.append(contentsOf: trees)
    if state.tree.readme != Vault.readme.name { objects.append(Vault.readme) }
    let commit = try vault.dataCommit(tree: root, after: state.head)
    objects.append(commit.object)
    try vault.repository.add(objects, durable: false)
    guard try vault.advance(from: state.head?.commit, to: commit.object.name) else {
      guard let changes = try catchUp(&state) else { throw .contended }
      return .outdated(changes)
    }
    state.head = Head(commit: commit.object.name, tree: root, clock: commit.clock)
    state.tree = tree
    shown.withLock { $0 = commit.object.name }
    // If this fails the version is there all the same; the caller is told, and it will be made again.
    if batch.durable { try vault.repository.flushQuickly() }
    return .committed(receipt)
  }

  /// Nil if content that is already stored is damaged: the object then stays as it is, so that it blocks no other change.
  private func sealIfSound(_ node: StoredNode) throws(VaultError) -> ObjectSealer.Sealed? {
    do {
      return try sealer.seal(node)
    } catch {
      if error.isDamage { return nil }
      throw error
    }
  }

  /// Takes what others committed as the new state; nil if nobody did.
  private func catchUp(_ state: inout State) throws(VaultError) -> [ExternalChange]? {
    guard let commit = try vault.headCommit(), commit != state.head?.commit else { return nil }
    let head = try vault.head(at: commit)
    let tree = try DataTree(reading: head.tree, of: commit, from: vault.repository, sharing: state.tree)
    let loader = NodeLoader(vault: vault, sealer: sealer)
    var changes: [ExternalChange] = []
    for object in DataTree.differences(state.tree, tree) {
      let entries = tree.entries(of: object)
      changes.append(entries.isEmpty ? .removed(object) : .put(try loader.node(of: object, in: tree)))
    }
    state.head = head
    state.tree = tree
    shown.withLock { $0 = commit }
    return changes
  }
}

extension VaultBacking {
  /// How many objects the index may lack before it is worth writing anew.
  private static let indexSlack = 64

  /// Every object of the newest version, to fill a file system with; in no particular order.
  ///
  /// An object that is damaged is still there, under the name that it had last: reading it fails.
  package func nodes() throws(VaultError) -> [StoredNode] {
    let tree = state.withLock { $0.tree }
    let index = ObjectIndex(of: vault)
    let (nodes, damaged) = try NodeLoader(vault: vault, sealer: sealer, index: index).nodes(of: tree)
    let missing = nodes.count { index.node(of: $0.object, entries: tree.entries(of: $0.object)) == nil }
    if missing > VaultBacking.indexSlack + nodes.count / 16 {
      // Without an index everything still works, only slower.
      try? ObjectIndex.save(nodes.filter { !damaged.contains($0.object) }, of: tree, vault: vault)
    }
    return nodes
  }
}

/// A data commit that a file system shows.
struct Head: Hashable, Sendable {
  let commit: ObjectName
  let tree: ObjectName
  let clock: UInt64
}

extension VFSError {
  /// The one place where a vault's failure becomes a file system's.
  init(_ error: VaultError) {
    switch error {
    case .objectDamaged, .commitInvalid, .pathMissing, .versionMissing, .versionAmbiguous, .notAVault, .notAMember,
      .formatUnsupported, .phraseMalformed, .identityMalformed, .wrongPassphrase, .passphraseNeeded, .keynodeMissing,
      .keynodeExists, .vaultMissing, .vaultExists, .vaultMounted, .vaultNameInvalid:
      self.init(.corrupt)
    case .contended: self.init(.io)
    case .unstorable: self.init(.argumentListTooLong)
    case .memoryUnavailable: self.init(.outOfMemory)
    case .io(let code): self.init(code == 28 || code == 122 ? .noSpace : .io)  // ENOSPC, EDQUOT
    case .repository(let error): self.init(error.isOutOfSpace ? .noSpace : error.isDamage ? .corrupt : .io)
    }
  }
}

extension StoredNode {
  /// Where the parts of a regular file are that the store has; nil for another kind.
  fileprivate var storedParts: [ContentReference?]? {
    guard case .regular(let content) = body else { return nil }
    return content.parts.map { if case .stored(let reference) = $0 { reference } else { nil } }
  }
}
