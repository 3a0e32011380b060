import Synchronization

@testable import VirtualFS

/// A store in memory that checks each batch, and can fail, be outdated, be full, or run a hook inside a commit.
final class MemoryBacking: Backing {
  struct Storage {
    var nodes: [ObjectID: StoredNode] = [:]
    var contents: [UInt64: [UInt8]] = [:]
    var owners: [UInt64: ObjectID] = [:]
    var nextReference: UInt64 = 1
    var batches: [CommitBatch] = []
    var failures: [VFSError] = []
    var changes: [[ExternalChange]] = []
    var available: Int64 = 1 << 40
    var loads = 0
    var syncs = 0
    var seals = 0
    var sealFailure: VFSError?
    var violations: [String] = []
    var keepsBatches = true
    var limits = NodeLimits()
    /// Why a node is refused, if it is.
    var refusal: @Sendable (StoredNode) -> VFSError? = { _ in nil }
    /// What is kept beside the versions; nil if nothing can be.
    var kept: [ObjectID: StoredNode]?
    var keeps = 0
  }

  let storage = Guarded(Storage())
  let hook = Guarded<(@Sendable () -> Void)?>(nil)

  func load(_ reference: ContentReference, of object: ObjectID) throws(VFSError) -> Block {
    let bytes = storage.withLock { storage -> [UInt8]? in
      storage.loads += 1
      // Not always of the object that it was made for: a file that replaces another goes on as that one's object.
      return storage.contents[reference.words.0]
    }
    guard let bytes else { throw VFSError(.corrupt) }
    return block(bytes)
  }

  func seal(_ parts: [FreshPart]) throws(VFSError) -> [ContentReference] {
    if let error = storage.withLock({ $0.sealFailure }) { throw error }
    return storage.withLock { storage in
      storage.seals += parts.count
      return parts.map { part in storage.add(unsafe part.block.withBytes { unsafe [UInt8]($0) }, of: part.object) }
    }
  }

  func discard(_ parts: [ContentReference]) {
    storage.withLock { storage in for part in parts { storage.contents[part.words.0] = nil } }
  }

  func commit(_ batch: CommitBatch) throws(VFSError) -> CommitOutcome {
    if let hook = hook.withLock({ $0 }) { hook() }
    let result = storage.withLock { storage -> Result<CommitOutcome, VFSError> in
      if !storage.failures.isEmpty { return .failure(storage.failures.removeFirst()) }
      if !storage.changes.isEmpty {
        let changes = storage.changes.removeFirst()
        for change in changes { storage.keep(change) }
        return .success(.outdated(changes))
      }
      let (receipt, refused) = storage.store(batch)
      return .success(.committed(receipt, refused: refused))
    }
    return try result.get()
  }

  func makeDurable() throws(VFSError) { storage.withLock { $0.syncs += 1 } }

  func availableBytes() -> Int64 { storage.withLock { $0.available } }

  var limits: NodeLimits { storage.withLock { $0.limits } }

  func keep(_ node: StoredNode) throws(VFSError) {
    let isKept = storage.withLock { storage in
      storage.kept?[node.object] = node
      storage.keeps += 1
      return storage.kept != nil
    }
    guard isKept else { throw VFSError(.notSupported) }
  }

  func discardKept(_ objects: [ObjectID]) {
    storage.withLock { storage in for object in objects { storage.kept?[object] = nil } }
  }

  /// Paths of what is kept.
  var keptPaths: [String] {
    storage.withLock { storage in
      (storage.kept ?? [:]).values.flatMap { $0.paths.map { String(decoding: $0, as: UTF8.self) } }.sorted()
    }
  }

  var batches: [CommitBatch] { storage.withLock { $0.batches } }
  var nodes: [StoredNode] { storage.withLock { Array($0.nodes.values) } }
  var violations: [String] { storage.withLock { $0.violations + $0.inconsistencies } }

  /// The stored node at a path.
  func node(_ path: String) -> StoredNode? { nodes.first { $0.paths.contains(Array(path.utf8)) } }

  /// A node's content as the store has it.
  func content(_ path: String) -> [UInt8]? {
    guard let node = node(path), case .regular(let content) = node.body else { return nil }
    return storage.withLock { storage in
      var bytes: [UInt8] = []
      for (index, part) in content.parts.enumerated() {
        let size = Int(min(Int64(FileContent.partSize), content.size - Int64(index * FileContent.partSize)))
        var piece: [UInt8] = []
        if case .stored(let reference) = part { piece = storage.contents[reference.words.0] ?? [] }
        bytes += piece.prefix(size) + [UInt8](repeating: 0, count: max(0, size - piece.count))
      }
      return bytes
    }
  }

  /// Stores bytes as another writer would, for the node of `object`.
  func foreignContent(_ bytes: [UInt8], of object: ObjectID) -> FileContent {
    storage.withLock { storage in
      let parts = stride(from: 0, to: bytes.count, by: FileContent.partSize).map { start in
        FileContent.Part.stored(
          storage.add(Array(bytes[start..<min(bytes.count, start + FileContent.partSize)]), of: object))
      }
      return FileContent(size: Int64(bytes.count), parts: parts)
    }
  }
}

/// A block of these bytes.
func block(_ bytes: [UInt8]) -> Block {
  unsafe Block(count: bytes.count) { buffer in unsafe buffer.copyBytes(from: bytes) }
}

extension MemoryBacking.Storage {
  mutating func add(_ bytes: [UInt8], of object: ObjectID) -> ContentReference {
    defer { nextReference += 1 }
    contents[nextReference] = bytes
    owners[nextReference] = object
    return ContentReference(words: (nextReference, 0, 0), tag: 0)
  }

  mutating func keep(_ change: ExternalChange) {
    switch change {
    case .put(let node): nodes[node.object] = node
    case .removed(let object): nodes[object] = nil
    }
  }

  mutating func store(
    _ batch: CommitBatch
  ) -> (receipt: [ObjectID: [ContentReference?]], refused: [ObjectID: VFSError]) {
    var receipt: [ObjectID: [ContentReference?]] = [:]
    var refused: [ObjectID: VFSError] = [:]
    if Set(batch.puts.map(\.object)).count != batch.puts.count { violations.append("an object is put twice") }
    for object in batch.removals {
      if batch.puts.contains(where: { $0.object == object }) { violations.append("put and removed") }
      nodes[object] = nil
    }
    for var node in batch.puts {
      if let error = refusal(node) {
        refused[node.object] = error
        continue
      }
      if case .regular(var content) = node.body {
        if content.parts.count != FileBody.partCount(content.size) { violations.append("wrong number of parts") }
        var references: [ContentReference?] = []
        for index in content.parts.indices {
          switch content.parts[index] {
          case .hole: references.append(nil)
          case .stored(let reference):
            // A backup whose object a new file took over goes on with what that object had, under a new one.
            if contents[reference.words.0] == nil { violations.append("a part that is nowhere") }
            references.append(reference)
          case .fresh(let block):
            let bytes = unsafe block.withBytes { unsafe [UInt8]($0) }
            let reference = add(bytes, of: node.object)
            references.append(reference)
            content.parts[index] = .stored(reference)
          }
        }
        receipt[node.object] = references
        node.body = .regular(content)
      }
      nodes[node.object] = node
    }
    if keepsBatches {
      batches.append(batch)
      violations += inconsistencies
    }
    return (receipt, refused)
  }

  /// What no store may ever look like.
  var inconsistencies: [String] {
    var found: [String] = []
    var kinds: [[UInt8]: Bool] = [:]
    for node in nodes.values {
      if case .directory = node.body, node.paths.count > 1 { found.append("a directory has two paths") }
      for path in node.paths {
        let isDirectory = if case .directory = node.body { true } else { false }
        if kinds.updateValue(isDirectory, forKey: path) != nil { found.append("two nodes have one path") }
      }
    }
    // A directory may be implied by the paths through it, but no file can have any.
    for path in kinds.keys {
      guard let slash = path.lastIndex(of: 0x2F) else { continue }
      if kinds[Array(path[..<slash])] == false { found.append("a parent is no directory") }
    }
    return found
  }
}
