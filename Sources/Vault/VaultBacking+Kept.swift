internal import Synchronization
package import VirtualFS

// Nodes beside the versions, in the keynode's state.
extension VaultBacking {
  package func keep(_ node: StoredNode) throws(VFSError) {
    do {
      try keeping.withLock { _ throws(VaultError) in try KeptNodes(of: vault, sealer: sealer).keep(node) }
    } catch .unstorable {
      throw VFSError(.notSupported)
    } catch {
      throw VFSError(error)
    }
  }

  package func discardKept(_ objects: [ObjectID]) {
    keeping.withLock { hasDiscarded in
      for object in objects { KeptNodes(of: vault, sealer: sealer).discard(object) }
      hasDiscarded = true
    }
  }

  /// What an earlier file system kept beside the versions, content and all; see ``VirtualFileSystem/restoreKept(_:)``.
  package func keptNodes() throws(VaultError) -> [StoredNode] { try KeptNodes(of: vault, sealer: sealer).all() }

  /// What was discarded does not come back after a power loss.
  func flushDiscarded() throws(VaultError) {
    try keeping.withLock { hasDiscarded throws(VaultError) in
      guard hasDiscarded else { return }
      try KeptNodes(of: vault, sealer: sealer).flush()
      hasDiscarded = false
    }
  }
}
