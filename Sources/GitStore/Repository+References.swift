internal import Glibc
internal import Synchronization

extension Repository {
  /// The reference called `name` (`HEAD`, or a full name below `refs/`), loose or packed; nil if there is none.
  package func reference(_ name: String) throws(GitError) -> Reference? {
    guard ReferenceName.isAllowed(name) else { throw .invalidReferenceName }
    // Git packs a reference before it removes the loose file, so after missing both once, a second look decides.
    for _ in 0..<2 {
      if let bytes = try readReference(name) {
        let value = try Reference(parsing: bytes)
        noteSeen(name, value)
        return value
      }
      if let packed = try PackedReferences(reading: root).values[name] { return .direct(packed) }
    }
    return nil
  }

  private func readReference(_ path: String) throws(GitError) -> [UInt8]? {
    do {
      return try root.read(path, limit: 4096)
    } catch {
      throw error == .io(EFBIG) ? .malformedReference : error
    }
  }

  /// Notes what another process may have written just now: whatever is built on it is durable only after a sync of everything.
  private func noteSeen(_ name: String, _ value: Reference) {
    guard case .direct = value, users != nil else { return }
    pending.withLock { pending in
      guard pending.known[name] != value else { return }
      pending.known[name] = value
      pending.everything = true
    }
  }

  /// The object that `name` leads to, through symbolic references; nil if the last of them does not exist.
  package func resolve(_ name: String) throws(GitError) -> ObjectName? {
    var name = name
    // Git follows at most five.
    for _ in 0..<6 {
      switch try reference(name) {
      case nil: return nil
      case .direct(let object): return object
      case .symbolic(let target): name = target
      }
    }
    throw .malformedReference
  }

  /// All references whose full names begin with `prefix`, resolved and sorted by name; dangling symbolic ones are left out.
  package func references(under prefix: String = "refs/") throws(GitError) -> [(name: String, object: ObjectName)] {
    var names = Set(try PackedReferences(reading: root).values.keys)
    // Only the directory that the prefix names, if it names one.
    try collect(prefix.hasPrefix("refs/") && prefix.hasSuffix("/") ? String(prefix.dropLast()) : "refs", into: &names)
    var found: [(name: String, object: ObjectName)] = []
    for name in names.sorted() where name.hasPrefix(prefix) {
      if let object = try resolve(name) { found.append((name, object)) }
    }
    return found
  }

  /// Sets a reference to an object if its value is still `expected` (nil: it does not exist).
  ///
  /// A symbolic reference called `name` is not followed but compared, and so never equal. Throws
  /// ``GitError/referenceMoved(actual:)`` and ``GitError/referenceLocked``.
  package func updateReference(
    _ name: String, from expected: ObjectName?, to object: ObjectName, durability: Durability
  ) throws(GitError) {
    try replaceReference(name, from: expected.map(Reference.direct), to: .direct(object), durability: durability)
  }

  /// Writes a commit's objects and then moves a reference to it, as ``write(_:durability:)`` and
  /// ``updateReference(_:from:to:durability:)`` would, with fewer waits for the disk.
  package func commit(
    _ objects: [NewObject], updating name: String, from expected: ObjectName?, to object: ObjectName,
    durability: Durability
  ) throws(GitError) {
    let files = try writeLoose(objects, durability: durability)
    try replaceReference(name, from: expected.map(Reference.direct), to: .direct(object), durability: durability) {
      () throws(GitError) in if durability == .powerLoss { try syncLoose(objects, files) }
    }
  }

  /// Makes `name` a symbolic reference to `target`, whatever it was; always durable, since without `HEAD` nothing opens.
  package func setSymbolicReference(
    _ name: String, to target: String
  ) throws(GitError) {
    guard ReferenceName.isAllowed(target) else { throw .invalidReferenceName }
    while true {
      let current = try reference(name)
      if current == .symbolic(target) { return }
      do {
        return try replaceReference(name, from: current, to: .symbolic(target), durability: .powerLoss)
      } catch {
        guard case .referenceMoved = error else { throw error }
      }
    }
  }

  /// Sets a reference of either sort if it still holds `expected`; `beforeMoving` runs when the new value is in the lock file.
  package func replaceReference(
    _ name: String, from expected: Reference?, to value: Reference, durability: Durability,
    beforeMoving: () throws(GitError) -> Void = {}
  ) throws(GitError) {
    if durability == .powerLoss { try makeObjectsDurable(buildingOn: expected, of: name) }
    try withReferenceLock { () throws(GitError) in
      let lock = try LockFile(taking: name, in: root, spare: nextSpare(of: name))
      let current = try reference(name)
      guard current == expected else { throw .referenceMoved(actual: current) }
      if current == nil { try refuseConflict(with: name) }
      if lock.wasAbandoned {
        try syncing { () throws(GitError) in try syncEverything() }
        try retireRecord(of: name)
      }
      try lock.write(value.encoded)
      if durability == .powerLoss { lock.startWriteback() }
      try beforeMoving()
      // What this instance wrote and did not sync is not to be kept as durable; of others' work the record that is there tells.
      let isPreserved = pending.withLock { $0.references[name] == nil }
      if durability == .powerLoss { try syncing { () throws(GitError) in try lock.sync() } }
      try lock.commit(preservingOldAs: durability == .processCrash && isPreserved ? Self.durablePath(name) : nil)
      pending.withLock {
        $0.known[name] = value
        $0.references[name] = durability == .processCrash ? value : nil
      }
      if durability == .powerLoss {
        try syncing { () throws(GitError) in _ = try root.sync(Directory.parent(of: name)) }
        try retireRecord(of: name)
      }
    }
  }

  /// Removes a reference, loose and packed, if it still holds `expected`; durable at the next ``makeDurable()``.
  package func deleteReference(_ name: String, from expected: Reference) throws(GitError) {
    guard ReferenceName.isAllowed(name), name != "HEAD" else { throw .invalidReferenceName }
    try withReferenceLock { () throws(GitError) in
      let lock = try LockFile(taking: name, in: root, spare: nextSpare(of: name))
      let current = try reference(name)
      guard current == expected else { throw .referenceMoved(actual: current) }
      // Packed first, else the packed value would show through for a moment.
      if try PackedReferences(reading: root).values[name] != nil {
        let packed = try LockFile(taking: "packed-refs", in: root, spare: nextSpare(of: "packed-refs"))
        var values = try PackedReferences(reading: root)
        values.remove(name)
        try packed.write(values.encoded)
        try packed.sync()
        try packed.commit()
      }
      try root.remove(Self.durablePath(name))
      try root.remove(name)
      withExtendedLifetime(lock) {}
      pending.withLock {
        $0.references[name] = nil
        $0.known[name] = nil
        $0.everything = true
      }
    }
  }

  /// Runs `body` while no other thread or process of ours changes a reference of this repository.
  private func withReferenceLock(_ body: () throws(GitError) -> Void) throws(GitError) {
    try references.withLock { file throws(GitError) in
      guard let file else { throw .io(EROFS) }
      try prepareToWrite()
      while flock(file.raw, LOCK_EX) != 0 {
        let code = errno
        guard code == EINTR else { throw GitError(errno: code) }
      }
      defer { flock(file.raw, LOCK_UN) }
      try body()
    }
  }

  /// Notes that these values of references survive a power loss.
  ///
  /// A reference that has moved on since gets a new record: without it the way back from a newest value whose commit is lost would lead
  /// to the one before.
  func noteDurable(_ values: [String: Reference]) throws(GitError) {
    guard !values.isEmpty else { return }
    var moved: [String: (value: Reference, record: [UInt8])] = [:]
    try withReferenceLock { () throws(GitError) in
      for (name, value) in values {
        if (try? reference(name)) == value {
          try retireRecord(of: name)
        } else if let record = try root.read(Self.durablePath(name)) {
          moved[name] = (value, record)
        }
      }
    }
    guard !moved.isEmpty else { return }
    // Written and synced without the lock, which writers wait for.
    var files: [String: String] = [:]
    for (name, (value, _)) in moved {
      let path = temporaryName(in: "polykey/spare")
      guard let file = try root.openFile(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644) else { continue }
      try root.write(value.encoded, to: file)
      try root.syncData(file)
      files[name] = path
    }
    try withReferenceLock { () throws(GitError) in
      for (name, path) in files {
        let record = Self.durablePath(name)
        // Another process may have made something newer durable meanwhile.
        if try root.read(record) == moved[name]?.record {
          try root.rename(path, to: record)
        } else {
          try root.remove(path)
        }
      }
    }
    try root.sync("polykey/durable")
  }

  /// Takes away the record of a reference's last durable value, as the present one is durable.
  ///
  /// So every process sees whether the present one is: the record is the next one's spare file.
  private func retireRecord(of name: String) throws(GitError) {
    let record = Self.durablePath(name)
    if try root.status(record) != nil { try root.rename(record, to: nextSpare(of: name)) }
  }

  /// The path of a spare lock file of a reference, in turn: a file is written again only after this many changes, so that a reader who
  /// has just opened it as the reference's file still reads what that held.
  private func nextSpare(of name: String) -> String {
    "polykey/spare/\(Self.fileName(of: name)).\(spareCount.wrappingAdd(1, ordering: .relaxed).oldValue & 15)"
  }

  /// Refuses `a/b` beside `a`, which git cannot store.
  private func refuseConflict(with name: String) throws(GitError) {
    let packed = try PackedReferences(reading: root).values.keys
    guard !packed.contains(where: { $0.hasPrefix(name + "/") || name.hasPrefix($0 + "/") }) else {
      throw .invalidReferenceName
    }
    if try root.status(name)?.isDirectory == true {
      var below: Set<String> = []
      try collect(name, into: &below)
      guard below.isEmpty else { throw .invalidReferenceName }
      for directory in try root.names(in: name) { root.removeDirectory("\(name)/\(directory)") }
      root.removeDirectory(name)
    }
  }

  private func collect(_ directory: String, into names: inout Set<String>) throws(GitError) {
    for entry in try root.names(in: directory) {
      let path = "\(directory)/\(entry)"
      if try root.status(path)?.isDirectory == true {
        try collect(path, into: &names)
      } else if ReferenceName.isAllowed(path) {
        names.insert(path)
      }
    }
  }

  /// Where the last durable value of a reference is kept while a newer one is not durable yet.
  static func durablePath(_ name: String) -> String { "polykey/durable/\(fileName(of: name))" }

  /// A reference's name as one of a file; git allows no colon in it.
  static func fileName(of name: String) -> String {
    name.split(separator: "/", omittingEmptySubsequences: false).joined(separator: ":")
  }
}
