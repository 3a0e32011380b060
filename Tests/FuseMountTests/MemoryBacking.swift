import Dispatch
import Glibc
import Synchronization
import VirtualFS

/// A store in memory, with a second writer that tests play.
final class MemoryBacking: Backing {
  fileprivate struct State {
    var contents: [UInt64: [UInt8]] = [:]
    var nodes: [ObjectID: StoredNode] = [:]
    var nextReference: UInt64 = 1
    var external: [ExternalChange] = []
    /// Commits that changed anything.
    var versions = 0
    var loads = 0
    /// What the next load waits for, after a signal that it has begun.
    var gate: (begun: DispatchSemaphore, opened: DispatchSemaphore)?
  }

  private let state = Mutex(State())

  /// The stored node that has this path.
  func node(at path: String) -> StoredNode? {
    state.withLock { state in state.nodes.values.first { $0.paths.contains([UInt8](path.utf8)) } }
  }

  /// Makes the next load signal `begun` and then wait for `opened`.
  func holdNextLoad(begun: DispatchSemaphore, opened: DispatchSemaphore) {
    state.withLock { $0.gate = (begun, opened) }
  }

  /// The stored bytes of the file at `path`; nil if there is none.
  func bytes(at path: String) -> [UInt8]? {
    guard let node = node(at: path), case .regular(let content) = node.body else { return nil }
    return state.withLock { state in
      content.parts.flatMap { part -> [UInt8] in
        guard case .stored(let reference) = part else { return [] }
        return state.contents[reference.words.0] ?? []
      }
    }
  }

  var versions: Int { state.withLock { $0.versions } }
  var loads: Int { state.withLock { $0.loads } }

  /// Another writer's new file or new state of the file at `path`; `refresh` makes the file system see it.
  func writeExternally(_ bytes: [UInt8], to path: String, at time: Timestamp, object: ObjectID? = nil) {
    let known = node(at: path)
    state.withLock { state in
      let reference = state.store(bytes)
      let node = StoredNode(
        object: object ?? known?.object ?? ObjectID(high: 7, low: reference.words.0),
        body: .regular(FileContent(size: Int64(bytes.count), parts: bytes.isEmpty ? [] : [.stored(reference)])),
        paths: [[UInt8](path.utf8)], mode: known?.mode ?? 0o644, owner: known?.owner ?? getuid(),
        group: known?.group ?? getgid(), modified: time)
      state.nodes[node.object] = node
      state.external.append(.put(node))
    }
  }

  /// Another writer's removal of the file at `path`.
  func removeExternally(_ path: String) {
    guard let object = node(at: path)?.object else { return }
    state.withLock { state in
      state.nodes[object] = nil
      state.external.append(.removed(object))
    }
  }

  /// Another writer's new node.
  func addExternally(_ path: String, _ body: StoredNode.Body, mode: UInt16 = 0o755) {
    state.withLock { state in
      let node = StoredNode(
        object: ObjectID(high: 8, low: state.nextReference), body: body, paths: [[UInt8](path.utf8)], mode: mode,
        owner: getuid(), group: getgid(), modified: Timestamp(seconds: 1))
      state.nextReference += 1
      state.nodes[node.object] = node
      state.external.append(.put(node))
    }
  }

  /// Another writer's new state of the node at `path`.
  func changeExternally(_ path: String, _ change: (inout StoredNode) -> Void) {
    changeExternally(object: node(at: path)?.object, change)
  }

  /// Another writer's new state of an object.
  func changeExternally(object: ObjectID?, _ change: (inout StoredNode) -> Void) {
    guard let object, var node = state.withLock({ $0.nodes[object] }) else { return }
    change(&node)
    state.withLock { [node] state in
      state.nodes[node.object] = node
      state.external.append(.put(node))
    }
  }

  /// Another writer's rename.
  func moveExternally(_ path: String, to newPath: String) {
    changeExternally(path) { $0.paths = [[UInt8](newPath.utf8)] }
  }

  func load(_ reference: ContentReference, of object: ObjectID) throws(VFSError) -> Block {
    let (bytes, gate) = state.withLock { state in
      state.loads += 1
      return (state.contents[reference.words.0], state.gate.take())
    }
    gate?.begun.signal()
    gate?.opened.wait()
    guard let bytes else { throw VFSError(.corrupt) }
    return unsafe Block(count: bytes.count) { unsafe $0.copyBytes(from: bytes) }
  }

  func seal(_ parts: [FreshPart]) throws(VFSError) -> [ContentReference] {
    let parts = parts.map { unsafe $0.block.withBytes { unsafe [UInt8]($0) } }
    return state.withLock { state in parts.map { state.store($0) } }
  }

  func commit(_ batch: CommitBatch) throws(VFSError) -> CommitOutcome {
    let fresh = batch.puts.map { node -> [[UInt8]?] in
      guard case .regular(let content) = node.body else { return [] }
      return content.parts.map { part in
        guard case .fresh(let block) = part else { return nil }
        return unsafe block.withBytes { unsafe [UInt8]($0) }
      }
    }
    return state.withLock { state in
      if !state.external.isEmpty {
        defer { state.external = [] }
        return .outdated(state.external)
      }
      if !batch.puts.isEmpty || !batch.removals.isEmpty { state.versions += 1 }
      var receipt: [ObjectID: [ContentReference?]] = [:]
      for (var node, blocks) in zip(batch.puts, fresh) {
        if case .regular(var content) = node.body {
          let references = zip(content.parts, blocks).map { part, bytes -> ContentReference? in
            switch part {
            case .hole: nil
            case .stored(let reference): reference
            case .fresh: state.store(bytes ?? [])
            }
          }
          receipt[node.object] = references
          content.parts = references.map { $0.map(FileContent.Part.stored) ?? .hole }
          node.body = .regular(content)
        }
        state.nodes[node.object] = node
      }
      for object in batch.removals { state.nodes[object] = nil }
      return .committed(receipt)
    }
  }

  func availableBytes() -> Int64 { 1 << 40 }
}

extension MemoryBacking.State {
  fileprivate mutating func store(_ bytes: [UInt8]) -> ContentReference {
    defer { nextReference += 1 }
    contents[nextReference] = bytes
    return ContentReference(words: (nextReference, 0, 0), tag: 0)
  }
}
