import Glibc
import Synchronization
import Vault
import VirtualFS

/// A vault's file system inside this process, for the commands that change secrets without a mount.
///
/// A mount of the same vault sees what is committed here at once.
struct LocalFileSystem {
  let vault: Vault
  let fileSystem: VirtualFileSystem
  private let backing: VaultBacking
  private let caller = Credentials(user: getuid(), group: getgid())

  init(_ name: VaultName, of keynode: Keynode) throws {
    (vault, backing, fileSystem) = try explained {
      let vault = try keynode.openVault(name)
      let backing = try VaultBacking(vault)
      var options = FileSystemOptions.standard(temporaryNames: false)
      options.isEphemeral = { $0.bytes.starts(with: LocalFileSystem.temporaryPrefix) }
      let fileSystem = VirtualFileSystem(
        backing: backing, options: options, now: Clocks.now, monotonic: Clocks.monotonic, invalidate: { _ in })
      fileSystem.populate(try backing.nodes())
      return (vault, backing, fileSystem)
    }
  }

  /// Waits for a request's reply.
  func result<Value: Sendable>(_ request: (@escaping Reply<Value>) -> Void) throws -> Value {
    let waiter = Waiter<Value>()
    request { waiter.finish($0) }
    return try waiter.wait().get()
  }

  /// The inode at a path.
  func find(_ names: some Sequence<Name>) throws -> Attributes {
    var found = try fileSystem.attributes(of: .root)
    for name in names { found = try fileSystem.lookup(name, in: found.inode).attributes }
    return found
  }

  /// The inode at a path; nil if there is none.
  func findIfAny(_ names: some Sequence<Name>) throws -> Attributes? {
    var found = try fileSystem.attributes(of: .root)
    for name in names {
      guard let next = try findIfAny(name, in: found.inode) else { return nil }
      found = next
    }
    return found
  }

  /// The inode of that name in a directory; nil if there is none.
  func findIfAny(_ name: Name, in directory: InodeID) throws -> Attributes? {
    do throws(VFSError) {
      return try fileSystem.lookup(name, in: directory).attributes
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  func makeDirectory(_ name: Name, in parent: InodeID, mode: UInt16 = 0o700) throws -> Attributes {
    try result { fileSystem.makeDirectory(name, in: parent, mode: mode, by: caller, reply: $0) }.attributes
  }

  /// The directory at a path, made with its parents where missing.
  func makeDirectories(_ names: some Sequence<Name>) throws -> Attributes {
    var found = try fileSystem.attributes(of: .root)
    for name in names {
      if let known = try findIfAny(name, in: found.inode) {
        found = known
      } else {
        found = try makeDirectory(name, in: found.inode)
      }
    }
    return found
  }

  /// Replaces the content of the file at a path by what `feed` passes on, and its attributes by those of `model`, in one version; makes
  /// missing directories.
  ///
  /// Nothing of it is stored before `feed` has returned. If this throws, nothing is stored of it, and this file system is to be used no more.
  func write(
    _ path: [Name], mode: UInt16 = 0o600, like model: StoredNode? = nil,
    feed: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    guard let name = path.last else { return }
    var options = OpenOptions()
    options.write = true
    options.truncate = true
    // Directories are stored when they are made: until then the file waits under a name that is not stored.
    let parent = try findIfAny(path.dropLast())
    let first = try parent == nil ? LocalFileSystem.temporaryName() : name
    let (entry, handle) = try fileSystem.create(
      first, in: parent?.inode ?? .root, mode: mode, options: options, exclusive: false, by: caller)
    var offset: Int64 = 0
    unsafe try feed { bytes in
      let written = try result { unsafe fileSystem.write(handle, at: offset, bytes: bytes, reply: $0) }
      offset += Int64(written)
    }
    if let model { try imitate(model, entry.attributes.inode) }
    if parent == nil { try rename(first, in: .root, to: name, in: try makeDirectories(path.dropLast()).inode) }
    try result { fileSystem.synchronize(handle, reply: $0) }
    // Not where something failed: a file that is closed is stored as it is.
    fileSystem.release(handle)
  }

  /// Makes the symbolic link at a path, in the place of what is there, in one version; makes missing directories.
  func writeSymbolicLink(_ path: [Name], target: [UInt8]) throws {
    guard let name = path.last else { return }
    let parent = try makeDirectories(path.dropLast()).inode
    let first = try LocalFileSystem.temporaryName()
    try makeSymbolicLink(first, in: parent, target: target)
    try rename(first, in: parent, to: name, in: parent)
  }

  /// A new name of this program's own, which is never stored.
  private static func temporaryName() throws -> Name {
    try Name(temporaryPrefix + [UInt8]("\(UInt64.random(in: .min ... .max))".utf8))
  }

  private static let temporaryPrefix = [UInt8](".#polykey-".utf8)

  /// Gives an inode another's mode and extended attributes; they ride with the next commit.
  func imitate(_ model: StoredNode, _ inode: InodeID) throws {
    var change = AttributeChange()
    change.mode = model.mode
    try self.change(inode, change)
    for name in try fileSystem.attributeNames(of: inode) where model.extendedAttributes[name] == nil {
      try fileSystem.removeAttribute(name, of: inode, by: caller)
    }
    for (name, value) in model.extendedAttributes {
      try fileSystem.setAttribute(name, of: inode, to: value, mode: .any, by: caller)
    }
  }

  func change(_ inode: InodeID, _ change: AttributeChange) throws {
    _ = try result { fileSystem.setAttributes(of: inode, change, handle: nil, by: caller, reply: $0) }
  }

  func remove(_ name: Name, in parent: InodeID) throws {
    try result { fileSystem.removeFile(name, in: parent, by: caller, reply: $0) }
  }

  func removeDirectory(_ name: Name, in parent: InodeID) throws {
    try result { fileSystem.removeDirectory(name, in: parent, by: caller, reply: $0) }
  }

  func rename(_ name: Name, in parent: InodeID, to newName: Name, in newParent: InodeID) throws {
    try result {
      fileSystem.rename(name, in: parent, to: newName, in: newParent, flags: .none, by: caller, reply: $0)
    }
  }

  private func makeSymbolicLink(_ name: Name, in parent: InodeID, target: [UInt8]) throws {
    _ = try result { fileSystem.makeSymbolicLink(name, in: parent, target: target, by: caller, reply: $0) }
  }

  /// A directory's entries but "." and "..", in order of names.
  func entries(of directory: InodeID) throws -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    try fileSystem.readDirectory(directory, from: 0, plus: true) { entry in
      if entry.name != [0x2E], entry.name != [0x2E, 0x2E] { entries.append(entry) }
      return true
    }
    return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }

  /// Lends `body` the file's content in pieces of at most 1 MiB.
  func read(_ inode: InodeID, body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var options = OpenOptions()
    options.read = true
    let handle = try fileSystem.open(inode, options: options, by: caller)
    defer { fileSystem.release(handle) }
    var offset: Int64 = 0
    while true {
      let outcome = try unsafe fileSystem.read(handle, at: offset, count: 1 << 20) { bytes in
        Result { unsafe try body(bytes) }.map { bytes.count }
      }
      let count = try outcome.get()
      if count == 0 { return }
      offset += Int64(count)
    }
  }

  /// What is shown in `.conflicts/`.
  func conflicts() throws -> [Conflict] { try backing.conflicts() }

  /// Waits until all is on disk.
  func finish() throws {
    try result { fileSystem.synchronizeAll(reply: $0) }
    try explained { try vault.finish() }
  }
}

/// One result handed from one thread to another.
final class Waiter<Value: Sendable>: @unchecked Sendable {
  // SAFETY (Sendable): `result` is written before the semaphore is posted and read after it was waited for.
  private var result: Result<Value, VFSError>?
  private var semaphore = sem_t()

  init() { unsafe sem_init(&semaphore, 0, 0) }
  deinit { unsafe sem_destroy(&semaphore) }

  func finish(_ result: Result<Value, VFSError>) {
    self.result = result
    unsafe sem_post(&semaphore)
  }

  func wait() throws -> Result<Value, VFSError> {
    while unsafe sem_wait(&semaphore) != 0 {}
    guard let result else { throw Failure(.failed, "a request ended without a result") }
    return result
  }
}

/// The clocks that file systems are given.
enum Clocks {
  static let now: @Sendable () -> Timestamp = {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }

  static let monotonic: @Sendable () -> UInt64 = {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
