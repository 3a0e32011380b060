internal import Glibc
internal import Synchronization

/// Objects that were received and may join the repository, once somebody has judged them.
///
/// They can be read with all that the repository has, but nobody else sees them. Small ones stay in memory, so that a small update
/// touches the disk only when it is admitted; the others are files below `polykey/incoming`, not synced. What was not admitted goes
/// with the last reference to the quarantine. Calls may come from any thread.
package final class Quarantine: ObjectSource {
  private let repository: Repository
  private let memoryLimit: Int
  private let state = Mutex(State())

  private struct State {
    var inMemory: [ObjectName: NewObject] = [:]
    /// Bytes of those in memory.
    var memorySize = 0
    var onDisk: [ObjectName: ObjectKind] = [:]
    /// Made when it is needed.
    var directory: IncomingDirectory?
    /// Bytes of all objects that were added.
    var byteCount = 0
  }

  /// An empty quarantine.
  ///
  /// - Parameters:
  ///   - repository: What its objects may join.
  ///   - memoryLimit: Bytes of objects that are kept in memory.
  package init(for repository: Repository, memoryLimit: Int = 4 << 20) {
    self.repository = repository
    self.memoryLimit = memoryLimit
  }

  /// The names of the objects in quarantine, in no order.
  package var names: [ObjectName] { state.withLock { Array($0.inMemory.keys) + Array($0.onDisk.keys) } }

  /// Bytes of all objects that were added, uncompressed.
  package var byteCount: Int { state.withLock { $0.byteCount } }

  /// Adds an object; one that is there already is fine.
  ///
  /// - Throws: ``GitError/outOfSpace``, also if its owner would have too little left on the disk, ``GitError/io(_:)``; the object is then not
  ///   there.
  package func add(_ object: NewObject) throws(GitError) {
    try state.withLock { state throws(GitError) in
      guard state.inMemory[object.name] == nil, state.onDisk[object.name] == nil else { return }
      if object.bytes.count <= memoryLimit - state.memorySize {
        state.inMemory[object.name] = object
        state.memorySize += object.bytes.count
      } else {
        try write(object, &state)
        state.onDisk[object.name] = object.kind
      }
      state.byteCount += object.bytes.count
    }
  }

  private func write(_ object: NewObject, _ state: inout State) throws(GitError) {
    try repository.requireRoom(forOthers: object.bytes.count, isSmall: false)
    let directory: IncomingDirectory
    if let made = state.directory {
      directory = made
    } else {
      directory = try IncomingDirectory(in: repository.root)
      state.directory = directory
    }
    let path = Self.path(object.name, in: directory)
    guard let file = try repository.root.openFile(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444) else {
      throw .io(ENOENT)
    }
    do {
      try repository.root.write(LooseFormat.encode(object.kind, object.bytes), to: file)
    } catch {
      try? repository.root.remove(path)
      throw error
    }
  }

  private static func path(_ name: ObjectName, in directory: IncomingDirectory) -> String {
    "\(directory.path)/\(name.hex)"
  }

  // MARK: Reading

  package func read(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8]) {
    if let object = try received(name) { return object }
    return try repository.read(name)
  }

  package func kindAndSize(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, size: Int)? {
    if let object = state.withLock({ $0.inMemory[name] }) { return (object.kind, object.bytes.count) }
    if let object = try received(name) { return (object.kind, object.bytes.count) }
    return try repository.kindAndSize(name)
  }

  /// Whether the object itself is in quarantine.
  package func isReceived(_ name: ObjectName) -> Bool { receivedKind(name) != nil }

  /// What an object is, in quarantine or in the repository; nil if it is in neither.
  package func kind(_ name: ObjectName) throws(GitError) -> ObjectKind? {
    if let kind = receivedKind(name) { return kind }
    return try repository.kindAndSize(name)?.kind
  }

  private func receivedKind(_ name: ObjectName) -> ObjectKind? {
    state.withLock { $0.inMemory[name]?.kind ?? $0.onDisk[name] }
  }

  /// An object in quarantine; nil if it is not, or was admitted.
  private func received(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8])? {
    let (object, path) = state.withLock { state -> (NewObject?, String?) in
      if let object = state.inMemory[name] { return (object, nil) }
      guard state.onDisk[name] != nil else { return (nil, nil) }
      return (nil, state.directory.map { Self.path(name, in: $0) })
    }
    if let object { return (object.kind, object.bytes) }
    guard let path, let file = try repository.root.read(path, limit: LooseFormat.fileLimit) else { return nil }
    guard let decoded = LooseFormat.decode(file), ObjectName.checked(decoded.kind, decoded.bytes) == name else {
      throw .corrupt(name)
    }
    return decoded
  }

  // MARK: The end

  /// Moves objects into the repository, each after all that it leads to; those that are in the repository already are fine.
  ///
  /// So whoever looks meanwhile, or after the process was killed, finds no object that leads to a missing one, provided that `names` has
  /// all that they need.
  ///
  /// With `sparingly`, not if its owner would have too little left on the disk.
  ///
  /// - Throws: ``GitError/missing(_:)``, ``GitError/malformed(_:)``, before anything is moved; ``GitError/outOfSpace``, ``GitError/io(_:)``:
  ///   some of the objects may then be in the repository, which harms nothing.
  package func admit(
    _ names: [ObjectName], durability: Durability = .processCrash, sparingly: Bool = false
  ) throws(GitError) {
    let names = try ordered(names)
    if sparingly {
      // The others are on the disk already.
      let count = state.withLock { state in names.reduce(0) { $0 + (state.inMemory[$1]?.bytes.count ?? 0) } }
      try repository.requireRoom(forOthers: count, isSmall: true)
    }
    for name in names {
      let (object, path) = state.withLock { state in
        (state.inMemory[name], state.directory.map { Self.path(name, in: $0) })
      }
      if let object {
        try repository.write([object], durability: .processCrash)
      } else if let path {
        try repository.adopt(path, as: name)
      }
      state.withLock { state in
        if let object = state.inMemory.removeValue(forKey: name) { state.memorySize -= object.bytes.count }
        state.onDisk[name] = nil
      }
    }
    if durability == .powerLoss { try repository.makeDurable() }
  }

  /// Forgets and removes all that was not admitted.
  package func discard() {
    let directory = state.withLock { state in
      let directory = state.directory
      state = State()
      return directory
    }
    // Removed here, outside the lock.
    withExtendedLifetime(directory) {}
  }

  /// Those of `names` that are in quarantine, each once and after all of them that it leads to.
  private func ordered(_ names: [ObjectName]) throws(GitError) -> [ObjectName] {
    let wanted = Set(names)
    var order: [ObjectName] = []
    var seen: Set<ObjectName> = []
    var tags: [ObjectName] = []
    // Without recursion, as others decide how deep it goes.
    var stack: [(name: ObjectName, targets: ArraySlice<ObjectName>)] = []
    func visit(_ name: ObjectName) throws(GitError) {
      guard wanted.contains(name), seen.insert(name).inserted else { return }
      switch receivedKind(name) {
      case nil: guard try repository.contains(name) else { throw .missing(name) }
      case .blob: order.append(name)
      case .tag: tags.append(name)
      case .tree: stack.append((name, try tree(name).entries.map(\.object)[...]))
      case .commit:
        let commit = try commit(name)
        stack.append((name, ([commit.tree] + commit.parents)[...]))
      }
    }
    for name in names {
      try visit(name)
      while let top = stack.last {
        if let target = top.targets.first {
          stack[stack.count - 1].targets.removeFirst()
          try visit(target)
        } else {
          order.append(top.name)
          stack.removeLast()
        }
      }
    }
    return order + tags
  }
}
