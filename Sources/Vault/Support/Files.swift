internal import GitStore
internal import Glibc
internal import Synchronization

/// The few file operations that the keynode needs, each with its errno as ``VaultError/io(_:)``.
enum Files {
  /// Reads a whole file of at most `limit` bytes; nil if there is none.
  ///
  /// - Throws: ``VaultError/io(_:)``; EFBIG if it is larger; ``GitError/notPlain`` if it is no plain file: nobody's FIFO is waited for.
  static func read(_ path: String, limit: Int) throws(VaultError) -> [UInt8]? {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .io(errno)
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .io(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .repository(.notPlain) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .io(errno)
      }
      if count == 0 { return bytes }
      guard bytes.count + count <= limit else { throw .io(EFBIG) }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// Replaces a file's content at once, with this mode, on disk when it returns.
  static func replace(_ path: String, with bytes: UnsafeRawBufferPointer, mode: mode_t) throws(VaultError) {
    let (temporary, descriptor) = try temporaryFile(for: path, mode: mode)
    var failure = unsafe write(bytes, to: descriptor)
    if failure == nil, fchmod(descriptor, mode) != 0 || fsync(descriptor) != 0 { failure = errno }
    if failure == nil, unsafe Glibc.rename(temporary, path) != 0 { failure = errno }
    close(descriptor)
    if let failure {
      unsafe unlink(temporary)
      throw .io(failure)
    }
    try synchronizeDirectory(of: path)
    unsafe FileRecorder.noteReplacing(path, with: bytes, mode: mode)
  }

  /// An empty file beside `path`, of this call alone; `PATH.new`, unless another call has that just now.
  ///
  /// The name is always the same, so that what a killed process left is used again, and nothing piles up.
  private static func temporaryFile(
    for path: String, mode: mode_t
  ) throws(VaultError) -> (path: String, descriptor: Int32) {
    let name = "\(path).new"
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC
    let descriptor = unsafe Glibc.open(name, flags | O_NOFOLLOW | O_NONBLOCK, mode)
    if descriptor >= 0 {
      var (ours, there) = (stat(), stat())
      // Once it is locked it may have been renamed to `path` already.
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0, unsafe fstat(descriptor, &ours) == 0,
        unsafe lstat(name, &there) == 0, ours.st_ino == there.st_ino, ours.st_dev == there.st_dev,
        ours.st_mode & S_IFMT == S_IFREG, ours.st_nlink == 1, ftruncate(descriptor, 0) == 0
      {
        return (name, descriptor)
      }
      close(descriptor)
    }
    let other = "\(name)-\(getpid())-\(replacements.add(1, ordering: .relaxed).newValue)"
    let otherDescriptor = unsafe Glibc.open(other, flags | O_EXCL, mode)
    guard otherDescriptor >= 0 else { throw .io(errno) }
    return (other, otherDescriptor)
  }

  private static let replacements = Atomic(0)

  static func replace(_ path: String, with bytes: [UInt8], mode: mode_t) throws(VaultError) {
    var failure: VaultError?
    unsafe bytes.withUnsafeBytes {
      do throws(VaultError) { try unsafe replace(path, with: $0, mode: mode) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Makes a directory and its missing parents; the directory itself, if new, with mode 0700.
  static func makeDirectory(_ path: String) throws(VaultError) {
    if unsafe mkdir(path, 0o700) == 0 {
      FileRecorder.noteMaking(path)
      return try synchronizeDirectory(of: path)
    }
    switch errno {
    case EEXIST: return
    case ENOENT:
      guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw .io(ENOENT) }
      try makeDirectory(String(path[..<slash]))
      guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .io(errno) }
      FileRecorder.noteMaking(path)
    case let code: throw .io(code)
    }
  }

  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  static func rename(_ path: String, to other: String) throws(VaultError) {
    guard unsafe Glibc.rename(path, other) == 0 else { throw .io(errno) }
    try synchronizeDirectory(of: other)
    FileRecorder.noteRenaming(path, to: other)
  }

  /// The names in a directory, sorted; none if it does not exist.
  static func names(in path: String) throws(VaultError) -> [String] {
    guard let directory = unsafe opendir(path) else {
      if errno == ENOENT { return [] }
      throw .io(errno)
    }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Removes a file or a whole directory.
  static func remove(_ path: String) throws(VaultError) {
    if unsafe unlink(path) == 0 { return FileRecorder.noteRemoving(path) }
    guard errno == EISDIR || errno == EPERM else { throw .io(errno) }
    for name in try names(in: path) { try remove("\(path)/\(name)") }
    guard unsafe rmdir(path) == 0 else { throw .io(errno) }
    FileRecorder.noteRemoving(path)
  }

  /// Refuses a directory that has anything but plain files and directories in it, at any depth; one that is not there is fine.
  ///
  /// What somebody put there might lead writing elsewhere.
  ///
  /// - Throws: ``GitError/notPlain``.
  static func requirePlain(below path: String) throws(VaultError) {
    guard let directory = unsafe opendir(path) else {
      if errno == ENOENT { return }
      throw .io(errno)
    }
    defer { unsafe closedir(directory) }
    var folders: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      switch unsafe Int(entry.pointee.d_type) {
      case Int(DT_REG): continue
      case Int(DT_DIR): folders.append("\(path)/\(name)")
      case Int(DT_UNKNOWN):
        var status = stat()
        guard unsafe lstat("\(path)/\(name)", &status) == 0 else { continue }
        if status.st_mode & S_IFMT == S_IFDIR {
          folders.append("\(path)/\(name)")
        } else if status.st_mode & S_IFMT != S_IFREG {
          throw .repository(.notPlain)
        }
      default: throw .repository(.notPlain)
      }
    }
    for folder in folders { try requirePlain(below: folder) }
  }

  private static func synchronizeDirectory(of path: String) throws(VaultError) {
    try synchronize(path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ".")
  }

  /// Puts a directory's entries on disk.
  static func synchronize(_ parent: String) throws(VaultError) {
    let descriptor = unsafe Glibc.open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .io(errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .io(errno) }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var offset = 0
    while offset < bytes.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
      let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        return errno
      }
      offset += count
    }
    return nil
  }
}
