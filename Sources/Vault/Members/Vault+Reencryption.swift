internal import GitStore
internal import VirtualFS

extension Vault {
  /// Encrypts every current secret under the newest epoch's key, as one version; the values stay, and so do older versions under theirs.
  ///
  /// - Throws: ``VaultError/roleForbids``, ``VaultError/contended`` if others kept writing meanwhile.
  package func reencryptAll() throws(VaultError) {
    let sealer = ObjectSealer(self)
    for _ in 0..<8 {
      let own = try ownTip()
      guard let head = try view() else { return }
      var tree = try DataTree(reading: head.tree, of: head.commit, from: repository)
      for key in tree.keys {
        let entries = tree.entries(of: key)
        do throws(VaultError) {
          let node = try sealer.node(of: key.id, entries: entries)
          let sealed = try sealer.sealAnew(node, as: key)
          // Not all at once: a vault may be larger than memory.
          try repository.add(sealed.blobs, durable: false)
          tree.replace(key, with: sealed.entries)
        } catch {
          // What is damaged stays so, and is found by `verify`.
          guard error.isUnreadable else { throw error }
        }
      }
      let (root, trees) = tree.encode(readme: readme.name)
      let commit = try dataCommit(tree: root, after: head)
      try repository.add(trees + [readme, commit.object], durable: false)
      if try advance(from: own, to: commit.object.name, on: head.commit) {
        noteOwnCommit(Head(commit: commit.object.name, tree: root, clock: commit.clock), on: head, after: own)
        return
      }
    }
    throw .contended
  }
}

extension ObjectSealer {
  /// Seals a node with all of its content, also what is stored already.
  fileprivate func sealAnew(_ node: StoredNode, as key: ObjectKey) throws(VaultError) -> Sealed {
    guard case .regular(var content) = node.body, content.parts.count > 1 else { return try seal(node, as: key) }
    for (index, part) in content.parts.enumerated() {
      guard case .stored = part else { continue }
      let length = content.length(ofPart: index)
      let blob = try sealPart(try block(content, part: index), length: length)
      try vault.repository.add([blob], durable: false)
      content.parts[index] = .stored(ContentReference(part: blob.name, length: length))
    }
    var node = node
    node.body = .regular(content)
    return try seal(node, as: key)
  }
}
