internal import Age
internal import GitStore
internal import VirtualFS

// What those who may read no more could read, or can still.
extension Vault {
  /// Nodes that could read at some time and may not now, in order; also in a fork of the members' log that lost.
  package func formerReaders() -> [NodeID] {
    let log = log
    var readers: Set<NodeID> = []
    for state in log.commits.compactMap({ log.state(at: $0) }) {
      readers.formUnion(state.members.filter { $0.value.role.mayRead }.keys)
    }
    return readers.filter { log.current.members[$0]?.role.mayRead != true }.sorted()
  }

  /// Paths of the secrets whose present value a former member could read before it was removed, or can read now.
  ///
  /// That is a value that was there then and that nobody changed since (one that was only encrypted anew counts as unchanged), and one that is
  /// under a key which the member holds: somebody wrote it who had not heard of the removal.
  package func exposed(to node: NodeID) throws(VaultError) -> [[UInt8]] {
    guard let now = try view() else { return [] }
    let sealer = ObjectSealer(self)
    let held = try keysHeld(by: node)
    let then = membership.removed[node]?.view
    let old = if let then { try graph.tree(try graph.commit(then)) } else { DataTree() }
    let new = try DataTree(reading: now.tree, of: now.commit, from: repository, sharing: old)
    return try Concurrent.map(new.keys) { key throws(VaultError) -> [UInt8]? in
      let (before, after) = (old.entries(of: key), new.entries(of: key))
      guard let node = try sealer.readable(key, after), case .regular(let content) = node.body,
        let path = node.paths.first
      else { return nil }
      if before.elementsEqual(after) { return path }
      for entry in after where try opens(entry.blob, with: held) { return path }
      // What was not there, or was none of its own values. What cannot be read as it was counts as unchanged: better one too many in the list.
      guard !before.isEmpty else { return nil }
      guard let then = try sealer.readable(key, before) else { return path }
      guard case .regular(let known) = then.body, try sealer.hasSameBytes(known, content) else { return nil }
      return path
    }.compactMap { $0 }
  }

  /// The keys that a node was given while it was a member that may read, as far as this node has them, too.
  private func keysHeld(by node: NodeID) throws(VaultError) -> [X25519Identity] {
    let log = log
    let files = KeyFiles(identity: identity)
    var seen: Set<ObjectName> = []
    var held: [String: X25519Identity] = [:]
    for state in log.commits.compactMap({ log.state(at: $0) }) {
      guard let member = state.members[node], member.role.mayRead else { continue }
      for (epoch, blob) in state.keys where epoch >= member.since && seen.insert(blob).inserted {
        for key in try files.identities(blob, in: repository) ?? [] { held[key.recipient.description] = key }
      }
    }
    return Array(held.values)
  }

  /// Whether one of the keys opens an age file; so does one that is damaged behind its header.
  private func opens(_ blob: ObjectName, with keys: [X25519Identity]) throws(VaultError) -> Bool {
    guard !keys.isEmpty else { return false }
    let file = try repository.loadBlob(blob)
    do {
      _ = unsafe try AgeFile.decrypt(file.span.bytes, with: keys)
      return true
    } catch .noIdentityMatched {
      return false
    } catch .memoryUnavailable {
      throw .memoryUnavailable
    } catch {
      return true
    }
  }
}

extension ObjectSealer {
  /// An object's node; nil if it cannot be read here.
  fileprivate func readable(_ key: ObjectKey, _ entries: ArraySlice<DataTree.Entry>) throws(VaultError) -> StoredNode? {
    do throws(VaultError) {
      return try node(of: key.id, entries: entries)
    } catch {
      guard error.isUnreadable else { throw error }
      return nil
    }
  }

  fileprivate func hasSameBytes(_ a: FileContent, _ b: FileContent) throws(VaultError) -> Bool {
    guard a.size == b.size else { return false }
    for index in a.parts.indices {
      let (first, second) = (try block(a, part: index), try block(b, part: index))
      guard unsafe first.withBytes({ x in unsafe second.withBytes { y in unsafe x.elementsEqual(y) } }) else {
        return false
      }
    }
    return true
  }
}
