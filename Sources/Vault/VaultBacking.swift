internal import GitStore
internal import Synchronization
package import VirtualFS

/// A vault as the store behind a mounted file system: seals changes into objects and makes each batch one signed commit.
///
/// One at a time per vault and process commits; loading is concurrent and needs no lock.
package final class VaultBacking: Backing {
  let vault: Vault
  let sealer: ObjectSealer
  let state: Mutex<State>
  /// The commit that the file system above shows; apart from `state`, so that looking at it waits for no commit.
  private let shown: Mutex<Shown>
  private let onCommit: @Sendable () -> Void
  /// Held while files beside the versions are written or removed; whether some were removed since the last durable commit.
  let keeping = Mutex(false)
  private let onFailure: @Sendable (VaultError) -> Void

  /// What the file system above has been told of.
  struct State {
    var head: Head?
    /// This node's own branch; `head` is it, or has it among its ancestors.
    var own: ObjectName?
    var tree: DataTree
    var presentation = Presentation()
    /// Objects that are damaged, or under a key that this node was not given yet.
    var unreadable: Set<ObjectKey> = []
    /// The members when this was read.
    var members: ObjectName
    /// What a commit of the file system above itself gave other names in `.conflicts/` than it knows.
    var renamed: Set<ObjectKey> = []
  }

  private struct Shown: Equatable {
    var commit: ObjectName?
    /// This node's own branch.
    var own: ObjectName?
    var members: ObjectName
    /// Whether there are names that it was not told of.
    var owesNames = false
  }

  /// Calls `onCommit` after each commit of its own, from the thread that made it, and `onFailure` when one cannot be made.
  ///
  /// Throws what reading the newest commit's trees throws.
  package init(
    _ vault: Vault, onCommit: @escaping @Sendable () -> Void = {},
    onFailure: @escaping @Sendable (VaultError) -> Void = { _ in }
  ) throws(VaultError) {
    self.vault = vault
    self.onCommit = onCommit
    self.onFailure = onFailure
    sealer = ObjectSealer(vault)
    let own = try vault.ownTip()
    let head = try vault.view()
    let tree =
      if let head { try DataTree(reading: head.tree, of: head.commit, from: vault.repository) } else { DataTree() }
    let members = vault.membership.commit
    state = Mutex(State(head: head, own: own, tree: tree, members: members))
    shown = Mutex(Shown(commit: head?.commit, own: own, members: members))
  }

  // MARK: Backing

  package func load(_ reference: ContentReference, of object: ObjectID) throws(VFSError) -> Block {
    do {
      return try sealer.openContent(reference)
    } catch {
      throw VFSError(error)
    }
  }

  package func seal(_ parts: [FreshPart]) throws(VFSError) -> [ContentReference] {
    do {
      let blobs = try Concurrent.map(parts) { part throws(VaultError) in
        let blob = try sealer.sealPart(part.block, length: FileContent.partSize)
        try vault.repository.add([blob], durable: false)
        return blob.name
      }
      return blobs.map { ContentReference(part: $0, length: FileContent.partSize) }
    } catch {
      throw VFSError(error)
    }
  }

  package func discard(_ parts: [ContentReference]) {
    // What cannot be removed takes room, and does no other harm.
    try? vault.repository.discard(parts.map(\.blob))
  }

  package func commit(_ batch: CommitBatch) throws(VFSError) -> CommitOutcome {
    do {
      let outcome = try state.withLock { state throws(VaultError) in try commit(batch, from: &state) }
      if case .committed(let receipt, _) = outcome, !receipt.isEmpty || !batch.removals.isEmpty { onCommit() }
      return outcome
    } catch {
      onFailure(error)
      throw VFSError(error)
    }
  }

  package func makeDurable() throws(VFSError) {
    do {
      try vault.repository.flush()
      try flushDiscarded()
    } catch {
      throw VFSError(error)
    }
  }

  /// As much as can be told: nothing is known of a disk that cannot be asked, and writing to it will say why.
  package func availableBytes() -> Int64 {
    (try? vault.repository.availableBytes()).map { Int64(clamping: $0) } ?? .max
  }

  package var limits: NodeLimits { TarForm.limits }

  /// Whether there is something to show that the file system above was not told of: by another process, or by a peer.
  package var isBehind: Bool {
    // A branch that cannot be read is found out about, and told, by the refresh that follows.
    let commit = try? vault.headCommit()
    let shown = shown.withLock { $0 }
    return commit != shown.commit || vault.membership.commit != shown.members || shown.owesNames
  }

  /// Whether this node's branch is where it was when the file system above was last told; asks of nobody else's.
  package var isOwnBranchShown: Bool {
    guard let own = try? vault.ownTip() else { return false }
    return shown.withLock { own == $0.own && !$0.owesNames }
  }

  // MARK: the two ends of a commit

  private func commit(_ batch: CommitBatch, from state: inout State) throws(VaultError) -> CommitOutcome {
    if batch.puts.isEmpty && batch.removals.isEmpty {
      if let changes = try catchUp(&state) { return .outdated(changes) }
      if batch.durable {
        try vault.repository.flushQuickly()
        try flushDiscarded()
      }
      return .committed([:])
    }
    // Before anything is sealed: whoever was removed must not be able to read it.
    try vault.refreshMembers()
    var draft = Draft(state.tree)
    for object in batch.removals { try remove(object, batch, state, &draft) }
    for node in batch.puts { try put(node, batch, state, &draft) }
    if draft.puts.isEmpty, draft.removals.isEmpty { return .committed(draft.receipt, refused: draft.refused) }
    let readme = vault.readme
    let (root, trees) = draft.tree.encode(readme: readme.name)
    draft.objects.append(contentsOf: trees)
    if state.tree.readme != readme.name { draft.objects.append(readme) }
    let commit = try vault.dataCommit(tree: root, after: state.head)
    draft.objects.append(commit.object)
    try vault.repository.add(draft.objects, durable: false)
    guard try vault.advance(from: state.own, to: commit.object.name, on: state.head?.commit) else {
      guard let changes = try catchUp(&state) else { throw .contended }
      return .outdated(changes)
    }
    let head = Head(commit: commit.object.name, tree: root, clock: commit.clock)
    vault.noteOwnCommit(head, on: state.head, after: state.own)
    state.head = head
    state.own = head.commit
    state.tree = draft.tree
    state.renamed.formUnion(state.presentation.note(puts: draft.puts, removals: draft.removals))
    let owesNames = !state.renamed.isEmpty
    for put in draft.puts { state.unreadable.remove(put.key) }
    for key in draft.removals { state.unreadable.remove(key) }
    shown.withLock { ($0.commit, $0.own, $0.owesNames) = (head.commit, head.commit, owesNames) }
    // If this fails the version is there all the same; the caller is told, and it will be made again.
    if batch.durable {
      try vault.repository.flushQuickly()
      try flushDiscarded()
    }
    return .committed(draft.receipt, refused: draft.refused)
  }

  /// A commit under construction.
  private struct Draft {
    var tree: DataTree
    var objects: [NewObject] = []
    var receipt: [ObjectID: [ContentReference?]] = [:]
    var refused: [ObjectID: VFSError] = [:]
    var puts: [Presentation.Put] = []
    var removals: [ObjectKey] = []

    init(_ tree: DataTree) { self.tree = tree }
  }

  private func put(
    _ node: StoredNode, _ batch: CommitBatch, _ state: State, _ draft: inout Draft
  ) throws(VaultError) {
    // The directory of what lost is there as long as something is in it.
    if case .directory = node.body, Presentation.isAside(node.paths) {
      // One that was moved there is gone from where it was.
      try remove(node.object, batch, state, &draft)
      draft.receipt[node.object] = []
      return
    }
    let stored = state.presentation.stored(node)
    let old = state.presentation.key(of: node.object)
    let key = state.presentation.newKey(of: node.object)
    let sealed: ObjectSealer.Sealed
    do {
      sealed = try sealer.seal(stored, as: key)
    } catch {
      guard error.isOfOneNode else { throw error }
      draft.refused[node.object] = VFSError(error)
      return
    }
    if key != old, !draft.tree.entries(of: old).isEmpty {
      draft.tree.replace(old, with: [])
      draft.removals.append(old)
    }
    try leave(old, for: stored, batch, state, &draft)
    draft.objects.append(contentsOf: sealed.blobs)
    draft.tree.replace(key, with: sealed.entries)
    draft.puts.append(Presentation.Put(key: key, node: stored, paths: node.paths))
    draft.receipt[node.object] = sealed.parts ?? []
  }

  private func remove(_ object: ObjectID, _ batch: CommitBatch, _ state: State, _ draft: inout Draft) throws(VaultError)
  {
    guard state.presentation.isStored(object) else { return }
    let key = state.presentation.key(of: object)
    try leave(key, for: nil, batch, state, &draft)
    guard !draft.tree.entries(of: key).isEmpty else { return }
    draft.tree.replace(key, with: [])
    draft.removals.append(key)
  }

  /// Deals with what shares a path that an object leaves, so that it does not come to light there.
  private func leave(
    _ key: ObjectKey, for node: StoredNode?, _ batch: CommitBatch, _ state: State, _ draft: inout Draft
  ) throws(VaultError) {
    let companions = state.presentation.companions(of: key, leavingFor: node)
    for directory in companions.directories where !batch.removals.contains(state.presentation.id(of: directory)) {
      draft.tree.replace(directory, with: [])
      draft.removals.append(directory)
    }
    for file in companions.files {
      let id = state.presentation.id(of: file)
      guard !batch.removals.contains(id), !batch.puts.contains(where: { $0.object == id }) else { continue }
      // It stays where it is shown.
      guard
        let shown = state.presentation.shown(
          try sealer.node(of: id, entries: draft.tree.entries(of: file)), as: file),
        let sealed = try sealIfSound(shown, as: file)
      else { continue }
      draft.objects.append(contentsOf: sealed.blobs)
      draft.tree.replace(file, with: sealed.entries)
      draft.puts.append(Presentation.Put(key: file, node: shown, paths: shown.paths))
    }
  }

  /// Nil if it cannot be stored elsewhere: the object then stays as it is, so that it blocks no other change.
  private func sealIfSound(_ node: StoredNode, as key: ObjectKey) throws(VaultError) -> ObjectSealer.Sealed? {
    do {
      return try sealer.seal(node, as: key)
    } catch {
      if error.isOfOneNode { return nil }
      throw error
    }
  }

  /// Takes what others committed as the new state; nil if nobody did.
  private func catchUp(_ state: inout State) throws(VaultError) -> [ExternalChange]? {
    let own = try vault.ownTip()
    let head = try vault.view()
    let members = vault.membership.commit
    let isSame = head?.commit == state.head?.commit && own == state.own && members == state.members
    if isSame, state.renamed.isEmpty { return nil }
    try vault.showInMain()
    let tree =
      if let head {
        try DataTree(reading: head.tree, of: head.commit, from: vault.repository, sharing: state.tree)
      } else { DataTree() }
    let loader = NodeLoader(
      vault: vault, sealer: sealer, before: .init(state.tree, unreadable: state.unreadable))
    var unreadable = state.unreadable
    var changes: [Presentation.Change] = []
    var keys = DataTree.differences(state.tree, tree)
    // New members' keys may open what was closed.
    if members != state.members { keys += unreadable.subtracting(keys).sorted() }
    keys += state.renamed.subtracting(keys).sorted()
    for key in keys {
      unreadable.remove(key)
      guard !tree.entries(of: key).isEmpty else {
        changes.append(.removed(key))
        continue
      }
      let (node, isSound) = try loader.load(key, in: tree)
      if !isSound { unreadable.insert(key) }
      changes.append(.put(key, node))
    }
    var presentation = state.presentation
    let shown = try presentation.apply(changes) { key throws(VaultError) in try loader.node(of: key, in: tree) }
    state = State(
      head: head, own: own, tree: tree, presentation: presentation, unreadable: unreadable, members: members)
    self.shown.withLock { $0 = Shown(commit: head?.commit, own: own, members: members) }
    return shown
  }
}

extension VaultBacking {
  /// How many objects the index may lack before it is worth writing anew.
  private static let indexSlack = 64

  /// Every object of the newest version, to fill a file system with.
  ///
  /// They are in no particular order. Call it once, before anything is committed. An object that is damaged is still there, under the name that it had last: reading it fails.
  package func nodes() throws(VaultError) -> [StoredNode] {
    let tree = state.withLock { $0.tree }
    let index = ObjectIndex(of: vault)
    let (nodes, damaged) = try NodeLoader(vault: vault, sealer: sealer, index: index).nodes(of: tree)
    let missing = nodes.count { index.node(of: $0.key.id, entries: tree.entries(of: $0.key)) == nil }
    if missing > VaultBacking.indexSlack + nodes.count / 16 {
      // Without an index everything still works, only slower.
      try? ObjectIndex.save(nodes.filter { !damaged.contains($0.key) }, of: tree, vault: vault)
    }
    var presentation = Presentation()
    let changes = try presentation.apply(nodes.map { .put($0.key, $0.node) }) { key throws(VaultError) in
      throw .objectDamaged(tree.entries(of: key).first?.blob ?? .zero)
    }
    state.withLock { state in
      state.presentation = presentation
      state.unreadable = damaged
    }
    return changes.compactMap { if case .put(let node) = $0 { node } else { nil } }
  }
}
