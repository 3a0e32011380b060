// What could not be stored: told, given a name under which it can be, and kept for the next file system.

/// What a file system has that its backing has not got, after a commit that should have stored it.
public struct Unstored: Sendable {
  /// One node.
  public struct Node: Sendable {
    /// Its number.
    public var inode: InodeID
    /// One of its paths, from the root, without a leading "/"; it is secret.
    public var path: [UInt8]
    /// Why.
    public var error: VFSError
    /// Whether the backing keeps its state for the next file system.
    public var isKept: Bool
  }

  /// In order of their numbers.
  public var nodes: [Node] = []
  /// How many removed nodes the backing still has.
  public var removals = 0
  /// How many names ``VirtualFileSystem/finish(reply:)`` replaced, since they were too long, by one in the root directory.
  public var relocations = 0

  /// Whether all is stored.
  public var isEmpty: Bool { nodes.isEmpty && removals == 0 }
}

extension VirtualFileSystem {
  /// What should have been stored and could not be.
  ///
  /// What is merely not due yet does not count.
  public func unstored() -> Unstored {
    state.withLock { $0.unstored() }
  }

  /// As ``synchronizeAll(reply:)``, for the end of the file system's life.
  ///
  /// What has too long a path, as others renamed a directory above it, is stored in the root directory, as `NAME~XXXXXXXX`. What cannot be
  /// stored all the same, the backing keeps for the next file system as far as it can; the reply is then an error.
  public func finish(reply: @escaping Reply<Void>) {
    synchronizeAll { [self] result in
      guard case .failure = result else { return reply(result) }
      guard state.withLock({ $0.relocateUnstorable() }) else {
        keepUnstored()
        return reply(result)
      }
      synchronizeAll { [self] result in
        if case .failure = result { keepUnstored() }
        reply(result)
      }
    }
  }

  private func keepUnstored() {
    for (id, node) in state.withLock({ $0.unstoredFiles() }) where (try? backing.keep(node)) != nil {
      state.withLock { state in
        state.kept[node.object] = id
        guard let inode = state.inodes[id] else { return }
        inode.kept = Inode.Kept(object: node.object, version: inode.version)
      }
    }
  }
}

extension State {
  fileprivate func unstored() -> Unstored {
    var paths: [InodeID: [UInt8]] = [.root: []]
    var result = Unstored(removals: lastCommitFailed ? removals.count : 0, relocations: relocations)
    for inode in dirty.values.sorted(by: { $0.id < $1.id }) {
      guard let error = inode.refusal else { continue }
      let path = inode.links.first.map { self.path(of: $0, paths: &paths) } ?? []
      let isKept = inode.kept.map { kept[$0.object] == inode.id && $0.version == inode.version } ?? false
      result.nodes.append(Unstored.Node(inode: inode.id, path: path, error: error, isKept: isKept))
    }
    return result
  }

  /// The files and links that could not be stored, as new objects: what is stored of them may be newer by the time that they can be.
  fileprivate func unstoredFiles() -> [(InodeID, StoredNode)] {
    var paths: [InodeID: [UInt8]] = [.root: []]
    return dirty.values.filter { $0.refusal != nil && ($0.isRegular || $0.kind == .symbolicLink) }
      .sorted { $0.id < $1.id }
      .map { inode in
        var node = storedNode(of: inode, paths: &paths)
        node.object = .random()
        return (inode.id, node)
      }
  }

  /// Gives what was refused as its path is too long a name in the root directory.
  ///
  /// - Returns: Whether there was any such path.
  fileprivate mutating func relocateUnstorable() -> Bool {
    let before = relocations
    let refused = dirty.values.filter { [.nameTooLong, .argumentListTooLong].contains($0.refusal?.code) }
    // From the root down: what lies below a directory has its place with it.
    for inode in refused.sorted(by: { ($0.depth, $0.id) < ($1.depth, $1.id) }) {
      for old in inode.links where length(below: old.parent) + old.name.bytes.count > limits.path {
        let name = freeName(like: old.name, for: inode, in: root)
        unlink(inode, name: old.name, from: old.parent)
        link(inode, as: name, in: root)
        inode.isRequested = true
        relocations += 1
      }
    }
    return relocations > before
  }
}
