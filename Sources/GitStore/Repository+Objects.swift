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
    let (loose, isThere) = try readLoose(name)
    if let loose { return loose }
    do {
      return try database.read(name, hash: hash)
    } catch {
      if error != .missing(name) { throw error }
    }
    // `git gc` may also have unpacked it since.
    if !isThere, let loose = try readLoose(name).object { return loose }
    throw isThere ? .corrupt(name) : .missing(name)
  }

  /// The object of a loose file, if it is sound, and whether there is a file, or something in its place.
  func readLoose(
    _ name: ObjectName
  ) throws(GitError) -> (object: (kind: ObjectKind, bytes: [UInt8])?, isThere: Bool) {
    let file: [UInt8]?
    do {
      file = try root.read(Self.loosePath(name), limit: LooseFormat.fileLimit)
    } catch {
      guard error == .notPlain || error == .io(EFBIG) else { throw error }
      return (nil, true)
    }
    guard let file else { return (nil, false) }
    guard let object = LooseFormat.decode(file), hash(object.kind, object.bytes) == name else { return (nil, true) }
    return (object, true)
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
    if let file = try openLoose(name) {
      var start = [UInt8](repeating: 0, count: 128)
      let count = unsafe start.withUnsafeMutableBytes { unsafe pread(file.raw, $0.baseAddress, $0.count, 0) }
      if count > 0, let header = LooseFormat.header(of: Array(start.prefix(count))) {
        return (header.kind, header.size)
      }
    }
    return try database.header(name)
  }

  /// A loose object's file; nil if there is none, or something else in its place.
  private func openLoose(_ name: ObjectName) throws(GitError) -> Descriptor? {
    do {
      return try root.openFile(Self.loosePath(name), O_RDONLY)
    } catch {
      guard error == .notPlain else { throw error }
      return nil
    }
  }

  /// Writes objects, each whole under its name or not at all.
  ///
  /// One that exists is made young, for a concurrent `git prune`, and written anew only if it is damaged: it may be durable, which the new file
  /// would not be.
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
        if durability == .powerLoss { root.startWriteback(file) }
        let isNew = try place(temporary, as: object.name)
        if durability == .powerLoss, let kept = try isNew ? file : openLoose(object.name) { files.append(kept) }
      } catch {
        try? root.remove(temporary)
        throw error
      }
    }
    if durability == .processCrash { pending.withLock { $0.objects += objects.lazy.map(\.name) } }
    return files
  }

  /// Removes loose objects that this instance wrote, and that nothing leads to nor will.
  ///
  /// What was packed meanwhile stays.
  package func discard(_ names: [ObjectName]) throws(GitError) {
    for name in names { try root.remove(Self.loosePath(name)) }
  }

  /// Makes the file at `path`, a loose object's, the object `name`; it counts as written with ``Durability/processCrash``.
  func adopt(_ path: String, as name: ObjectName) throws(GitError) {
    try prepareToWrite()
    _ = try place(path, as: name)
    pending.withLock { $0.objects.append(name) }
  }

  /// Removes a loose object's file, if it is there; one in a pack stays.
  ///
  /// For what nothing leads to any more, and this process alone has written: whoever has opened the file reads on, here or in another
  /// process, and who looks later finds no such object. It may come back after a power loss, which harms nothing.
  ///
  /// - Throws: ``GitError/io(_:)``.
  package func discardLoose(_ name: ObjectName) throws(GitError) { try root.remove(Self.loosePath(name)) }

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

  /// Gives a file the name of the object that it holds; false if there is a sound one, which is kept, and the file is gone then.
  private func place(_ file: String, as name: ObjectName) throws(GitError) -> Bool {
    let target = Self.loosePath(name)
    for _ in 0..<8 {
      if try root.renameIfFree(file, to: target) { return true }
      if try root.status(target) == nil {
        // A ready file's fan-out directory may not be there yet, or just have been removed by `git gc`.
        if try root.makeDirectory(Directory.parent(of: target)) {
          try syncing { () throws(GitError) in _ = try root.sync("objects") }
        }
      } else if try readLoose(name).object == nil {
        try root.rename(file, to: target)
        return true
      } else if try root.touch(target) {
        try root.remove(file)
        return false
      }
    }
    throw .io(ENOENT)
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
