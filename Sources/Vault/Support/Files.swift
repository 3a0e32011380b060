internal import Glibc

/// The few file operations that the keynode needs, each with its errno as ``VaultError/io(_:)``.
enum Files {
  /// Reads a whole file of at most `limit` bytes; nil if there is none.
  ///
  /// - Throws: ``VaultError/io(_:)``; EFBIG if it is larger.
  static func read(_ path: String, limit: Int) throws(VaultError) -> [UInt8]? {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .io(errno)
    }
    defer { close(descriptor) }
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
    let temporary = "\(path).new"
    unsafe unlink(temporary)
    let descriptor = unsafe Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw .io(errno) }
    var failure = unsafe write(bytes, to: descriptor)
    if failure == nil, fchmod(descriptor, mode) != 0 || fsync(descriptor) != 0 { failure = errno }
    close(descriptor)
    if failure == nil, unsafe Glibc.rename(temporary, path) != 0 { failure = errno }
    if let failure {
      unsafe unlink(temporary)
      throw .io(failure)
    }
    try synchronizeDirectory(of: path)
  }

  static func replace(_ path: String, with bytes: [UInt8], mode: mode_t) throws(VaultError) {
    var failure: VaultError?
    unsafe bytes.withUnsafeBytes {
      do throws(VaultError) { try unsafe replace(path, with: $0, mode: mode) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Makes a directory and its missing parents; the directory itself, if new, with mode 0700.
  static func makeDirectory(_ path: String) throws(VaultError) {
    if unsafe mkdir(path, 0o700) == 0 { return try synchronizeDirectory(of: path) }
    switch errno {
    case EEXIST: return
    case ENOENT:
      guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw .io(ENOENT) }
      try makeDirectory(String(path[..<slash]))
      guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .io(errno) }
    case let code: throw .io(code)
    }
  }

  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  static func rename(_ path: String, to other: String) throws(VaultError) {
    guard unsafe Glibc.rename(path, other) == 0 else { throw .io(errno) }
    try synchronizeDirectory(of: other)
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
    if unsafe unlink(path) == 0 { return }
    guard errno == EISDIR || errno == EPERM else { throw .io(errno) }
    for name in try names(in: path) { try remove("\(path)/\(name)") }
    guard unsafe rmdir(path) == 0 else { throw .io(errno) }
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
