internal import CLibGit2
internal import Glibc

/// An open file or directory, closed when the last reference goes.
final class Descriptor: Sendable {
  let raw: Int32

  init(adopting raw: Int32) { self.raw = raw }

  deinit { close(raw) }
}

/// What `fstatat` tells of a file.
struct FileStatus {
  let size: Int
  /// Seconds since 1970.
  let modified: Int
  let mode: mode_t
  let links: Int

  init(_ status: stat) {
    size = Int(status.st_size)
    modified = status.st_mtim.tv_sec
    mode = status.st_mode
    links = Int(status.st_nlink)
  }

  var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
  var isFile: Bool { mode & S_IFMT == S_IFREG }
}

/// A directory held open; all paths are relative to it, so moving it does no harm.
final class Directory: Sendable {
  let descriptor: Descriptor

  init(path: String) throws(GitError) {
    let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard raw >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR ? .notARepository : GitError(errno: code)
    }
    descriptor = Descriptor(adopting: raw)
  }

  /// Opens `path`; nil if there is no such file, or for `O_EXCL` if there is one.
  func openFile(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(GitError) -> Descriptor? {
    while true {
      let raw = unsafe openat(descriptor.raw, path, flags | O_CLOEXEC | O_NOFOLLOW, mode)
      if raw >= 0 { return Descriptor(adopting: raw) }
      switch errno {
      case EINTR: continue
      case ENOENT, ENOTDIR: return nil
      case EEXIST where flags & O_EXCL != 0: return nil
      case let code: throw GitError(errno: code)
      }
    }
  }

  /// The whole of the file at `path`; nil if there is none.
  func read(_ path: String) throws(GitError) -> [UInt8]? {
    guard let file = try openFile(path, O_RDONLY) else { return nil }
    let status = try status(of: file)
    guard status.isFile else { return nil }
    var bytes = [UInt8](repeating: 0, count: status.size)
    var filled = 0
    while filled < bytes.count {
      // SAFETY: the range [filled, count) lies in the buffer.
      let count = unsafe bytes.withUnsafeMutableBytes {
        unsafe pread(file.raw, $0.baseAddress.map { unsafe $0 + filled }, $0.count - filled, off_t(filled))
      }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        throw GitError(errno: code)
      }
      if count == 0 { break }
      filled += count
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  func write(_ bytes: [UInt8], to file: Descriptor) throws(GitError) {
    var written = 0
    while written < bytes.count {
      // SAFETY: the range [written, count) lies in the buffer.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(file.raw, $0.baseAddress.map { unsafe $0 + written }, $0.count - written)
      }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        throw GitError(errno: code)
      }
      written += count
    }
  }

  func status(_ path: String) throws(GitError) -> FileStatus? {
    var status = stat()
    guard unsafe fstatat(descriptor.raw, path, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      let code = errno
      if code == ENOENT || code == ENOTDIR { return nil }
      throw GitError(errno: code)
    }
    return FileStatus(status)
  }

  func status(of file: Descriptor) throws(GitError) -> FileStatus {
    var status = stat()
    guard unsafe fstat(file.raw, &status) == 0 else { throw GitError(errno: errno) }
    return FileStatus(status)
  }

  func rename(_ source: String, to target: String) throws(GitError) {
    guard unsafe renameat(descriptor.raw, source, descriptor.raw, target) == 0 else { throw GitError(errno: errno) }
  }

  /// Renames unless the new name is taken; false if it is, if there is no `source`, or where the file system cannot.
  func renameIfFree(_ source: String, to target: String) throws(GitError) -> Bool {
    if unsafe clibgit2_rename_if_free(descriptor.raw, source, target) == 0 { return true }
    let code = errno
    if [EEXIST, ENOENT, EINVAL, ENOSYS].contains(code) { return false }
    throw GitError(errno: code)
  }

  /// Swaps two files' names in one step; false where the file system cannot.
  func exchange(_ one: String, _ other: String) throws(GitError) -> Bool {
    if unsafe clibgit2_exchange(descriptor.raw, one, other) == 0 { return true }
    let code = errno
    if code == EINVAL || code == ENOSYS || code == ENOENT { return false }
    throw GitError(errno: code)
  }

  /// Removes a file; one that is not there is fine.
  func remove(_ path: String) throws(GitError) {
    if unsafe unlinkat(descriptor.raw, path, 0) != 0 {
      let code = errno
      if code != ENOENT && code != ENOTDIR { throw GitError(errno: code) }
    }
  }

  /// Removes a directory if it is there and empty; tells whether it did.
  @discardableResult
  func removeDirectory(_ path: String) -> Bool { unsafe unlinkat(descriptor.raw, path, AT_REMOVEDIR) == 0 }

  /// Makes a directory; false if the name is taken.
  @discardableResult
  func makeDirectory(_ path: String, mode: mode_t = 0o777) throws(GitError) -> Bool {
    if unsafe mkdirat(descriptor.raw, path, mode) == 0 { return true }
    let code = errno
    if code == EEXIST { return false }
    throw GitError(errno: code)
  }

  /// Makes the directories that lead to `path`.
  func makeParents(of path: String) throws(GitError) {
    var parent = ""
    for part in path.split(separator: "/").dropLast() {
      parent += parent.isEmpty ? String(part) : "/\(part)"
      try makeDirectory(parent)
    }
  }

  /// The names in the directory at `path`, in no order, without `.` and `..`; none if it is not there.
  func names(in path: String) throws(GitError) -> [String] {
    guard let directory = try openFile(path, O_RDONLY | O_DIRECTORY) else { return [] }
    let copy = fcntl(directory.raw, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0, let stream = unsafe fdopendir(copy) else { throw GitError(errno: errno) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = unsafe readdir(stream) {
      // SAFETY: `d_name` is NUL-terminated and lives until the next `readdir` of this stream.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw GitError(errno: errno) }
    return names
  }

  /// Begins writing a file's data to the disk; only a hint.
  func startWriteback(_ file: Descriptor) { _ = clibgit2_start_writeback(file.raw) }

  /// Waits until a file's data, and what is needed to find it, is on the disk.
  func syncData(_ file: Descriptor) throws(GitError) {
    guard fdatasync(file.raw) == 0 else { throw GitError(errno: errno) }
  }

  /// Waits until the entries of the directory at `path`, or the file there, are on the disk; false if it is not there.
  @discardableResult
  func sync(_ path: String) throws(GitError) -> Bool {
    guard let file = try openFile(path, O_RDONLY) else { return false }
    guard fsync(file.raw) == 0 else { throw GitError(errno: errno) }
    return true
  }

  /// Waits until all that was written to the file system is on the disk.
  func syncFileSystem() throws(GitError) {
    guard clibgit2_sync_file_system(descriptor.raw) == 0 else { throw GitError(errno: errno) }
  }

  /// Writes a small file, and replaces an older one in one step.
  func replace(_ path: String, with bytes: [UInt8], temporary: String, durable: Bool) throws(GitError) {
    try remove(temporary)
    guard let file = try openFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644) else { throw .io(EEXIST) }
    try write(bytes, to: file)
    if durable { try syncData(file) }
    try rename(temporary, to: path)
    if durable { try sync(Directory.parent(of: path)) }
  }

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return String(path[..<slash])
  }
}
