internal import Glibc
internal import Synchronization

extension Repository: ObjectSource {
  /// The kind and contents of the object `name`.
  ///
  /// - Throws: ``GitError/missing(_:)``, ``GitError/corrupt(_:)`` if the stored bytes have another name or cannot be decoded.
  package func read(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8]) {
    try read(name, through: database)
  }

  /// The same, with packs read through `database`.
  func read(
    _ name: ObjectName, through database: ObjectDatabase
  ) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8]) {
    // An object that is gone from its file was packed meanwhile; a damaged one may have a sound copy in a pack.
    var failure = GitError.missing(name)
    if let file = try root.read(Self.loosePath(name)) {
      if let object = LooseFormat.decode(file), hash(object.kind, object.bytes) == name { return object }
      failure = .corrupt(name)
    }
    do {
      return try database.read(name, hash: hash)
    } catch {
      if error != .missing(name) { throw error }
    }
    // `git gc` may also have unpacked it since.
    if failure == .missing(name), let file = try root.read(Self.loosePath(name)), let object = LooseFormat.decode(file),
      hash(object.kind, object.bytes) == name
    {
      return object
    }
    throw failure
  }

  /// The name of what was read, by which it is compared with the name that it was read under.
  private func hash(_ kind: ObjectKind, _ bytes: [UInt8]) -> ObjectName? {
    detectsCollisions.load(ordering: .relaxed) ? .checked(kind, bytes) : .plain(kind, bytes)
  }

  /// From now on refuses also objects that were made to collide with others, as ``checked(_:_:)`` tells, though they are in the repository.
  ///
  /// All that came in by an exchange was looked at; what others put into the directory was not.
  package func detectCollisions() { detectsCollisions.store(true, ordering: .relaxed) }

  /// The object's kind and its size in bytes, not verified; nil if it is not in the repository.
  package func kindAndSize(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, size: Int)? {
    try kindAndSize(name, through: database)
  }

  /// The same, with packs read through `database`.
  func kindAndSize(
    _ name: ObjectName, through database: ObjectDatabase
  ) throws(GitError) -> (kind: ObjectKind, size: Int)? {
    if let file = try root.openFile(Self.loosePath(name), O_RDONLY) {
      var start = [UInt8](repeating: 0, count: 128)
      let count = unsafe start.withUnsafeMutableBytes { unsafe pread(file.raw, $0.baseAddress, $0.count, 0) }
      if count > 0, let header = LooseFormat.header(of: Array(start.prefix(count))) {
        return (header.kind, header.size)
      }
    }
    return try database.header(name)
  }

  /// Writes objects, each whole under its name or not at all.
  ///
  /// An object that exists is written anew: that repairs a damaged one, and makes it young for a concurrent `git prune`.
  ///
  /// - Throws: ``GitError/outOfSpace``, ``GitError/io(_:)``; some of the objects may then exist, which harms nothing.
  package func write(_ objects: [NewObject], durability: Durability) throws(GitError) {
    let written = try writeLoose(objects, durability: durability)
    if durability == .powerLoss { try syncLoose(objects, written) }
  }

  /// Writes and names the files; with `.powerLoss` also starts writing them to the disk and returns them open.
  ///
  /// They get their names before they are synced, so that one journal transaction holds all of it. Should power fail then, a file
  /// may be found empty, but no reference leads to it, and recovery removes it.
  func writeLoose(_ objects: [NewObject], durability: Durability) throws(GitError) -> [Descriptor] {
    try prepareToWrite()
    var files: [Descriptor] = []
    for object in objects {
      let target = Self.loosePath(object.name)
      let directory = String(target.dropLast(39))
      let bytes = LooseFormat.encode(object.kind, object.bytes)
      let (temporary, file) = try newFile(near: directory)
      do {
        try root.write(bytes, to: file)
        if durability == .powerLoss {
          root.startWriteback(file)
          files.append(file)
        }
        try rename(temporary, to: target, in: directory)
      } catch {
        try? root.remove(temporary)
        throw error
      }
    }
    if durability == .processCrash { pending.withLock { $0.objects += objects.lazy.map(\.name) } }
    return files
  }

  /// Makes the file at `path`, a loose object's, the object `name`; it counts as written with ``Durability/processCrash``.
  func adopt(_ path: String, as name: ObjectName) throws(GitError) {
    try prepareToWrite()
    let target = Self.loosePath(name)
    try rename(path, to: target, in: String(target.dropLast(39)))
    pending.withLock { $0.objects.append(name) }
  }

  /// Waits until `files`, which hold `objects`, and their names are on the disk.
  func syncLoose(_ objects: [NewObject], _ files: [Descriptor]) throws(GitError) {
    try syncing { () throws(GitError) in
      for file in files { try root.syncData(file) }
      for directory in Set(objects.map { String(Self.loosePath($0.name).dropLast(39)) }) { try root.sync(directory) }
    }
  }

  /// An empty file to be renamed into the fan-out directory: one that is ready, else a new one.
  private func newFile(near directory: String) throws(GitError) -> (path: String, file: Descriptor) {
    if let ready = readyFiles.take() { return (ready.path, ready.file) }
    let path = temporaryName(in: directory)
    return (path, try createInFanOut(path, directory))
  }

  private func rename(_ temporary: String, to target: String, in directory: String) throws(GitError) {
    do {
      try root.rename(temporary, to: target)
    } catch {
      // A ready file's fan-out directory may not be there yet.
      guard error == .io(ENOENT), try root.makeDirectory(directory) else { throw error }
      try syncing { () throws(GitError) in _ = try root.sync("objects") }
      try root.rename(temporary, to: target)
    }
  }

  private func createInFanOut(_ temporary: String, _ directory: String) throws(GitError) -> Descriptor {
    // `git gc` removes fan-out directories that it has emptied, perhaps again at once.
    for _ in 0..<8 {
      if let file = try root.openFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o444) { return file }
      if try root.makeDirectory(directory) { try syncing { () throws(GitError) in _ = try root.sync("objects") } }
    }
    throw .io(ENOENT)
  }

  static func loosePath(_ name: ObjectName) -> String {
    var path = Array("objects/".utf8)
    path.reserveCapacity(49)
    let digits = name.hexDigits
    path += digits[..<2]
    path.append(UInt8(ascii: "/"))
    path += digits[2...]
    return String(decoding: path, as: UTF8.self)
  }
}
