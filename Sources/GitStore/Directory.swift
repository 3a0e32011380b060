internal import CLibGit2
internal import Glibc
internal import Synchronization

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
///
/// Nothing outside of it is ever reached, whatever others put into it: no symbolic link is followed, and nothing but plain files and
/// directories is opened, without waiting for anybody.
final class Directory: Sendable {
  let descriptor: Descriptor
  /// The directories that files were looked up in, by path; only places to look at, so opening them reads nothing.
  private let parents = Mutex<[String: Descriptor]>([:])
  /// How many of them are kept open.
  private let parentLimit = Atomic(48)
  /// Its path, for the recorder.
  let path: String
  let recorder: FileRecorder?

  init(path: String) throws(GitError) {
    let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard raw >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR ? .notARepository : GitError(errno: code)
    }
    descriptor = Descriptor(adopting: raw)
    self.path = path
    recorder = FileRecorder.covering(path)
  }

  /// Keeps all directories that it has looked into open, some 300 for a repository.
  func keepParents() { parentLimit.store(1024, ordering: .relaxed) }

  // MARK: Looking up

  /// Calls `body` with the directory that `path` is in and the name there; again with a fresh one if what was kept is gone.
  ///
  /// Both return what a system call does, or its negated `errno`; see ``result(_:)``.
  func at(_ path: String, _ body: (Int32, String) throws(GitError) -> Int32) throws(GitError) -> Int32 {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return try body(descriptor.raw, path) }
    let (directory, name) = (String(path[..<slash]), String(path[path.utf8.index(after: slash)...]))
    if let kept = parents.withLock({ $0[directory] }) {
      let result = try body(kept.raw, name)
      // It may have been removed, and another made: git does that.
      guard result == -ENOENT, Self.isRemoved(kept), let fresh = try openParent(directory) else { return result }
      keep(fresh, as: directory)
      return try body(fresh.raw, name)
    }
    guard let fresh = try openParent(directory) else { return -ENOENT }
    keep(fresh, as: directory)
    return try body(fresh.raw, name)
  }

  /// The same with two names.
  func at(
    _ source: String, _ target: String, _ body: (Int32, String, Int32, String) -> Int32
  ) throws(GitError) -> Int32 {
    try at(source) { from, name throws(GitError) in
      try at(target) { to, newName throws(GitError) in body(from, name, to, newName) }
    }
  }

  /// A system call's result, if called just after it: what it returned, or its negated `errno`.
  static func result(_ returned: Int32) -> Int32 { returned < 0 ? -errno : returned }

  private func keep(_ parent: Descriptor, as path: String) {
    let limit = parentLimit.load(ordering: .relaxed)
    parents.withLock { parents in
      if parents.count >= limit { parents = [:] }
      parents[path] = parent
    }
  }

  private static func isRemoved(_ directory: Descriptor) -> Bool {
    var status = stat()
    return unsafe fstat(directory.raw, &status) != 0 || status.st_nlink == 0
  }

  /// The directory at `path`; nil if it is not there.
  ///
  /// - Throws: ``GitError/notPlain`` if a symbolic link is on the way.
  private func openParent(_ path: String) throws(GitError) -> Descriptor? {
    while true {
      var raw = unsafe Self.result(clibgit2_open_directory_beneath(descriptor.raw, path))
      // An old kernel, or a container that knows only old calls.
      if raw == -ENOSYS || raw == -EPERM { raw = openStepwise(path) }
      switch raw {
      case 0...: return Descriptor(adopting: raw)
      case -EINTR, -EAGAIN: continue
      case -ENOENT: return nil
      case -ENOTDIR, -ELOOP, -EXDEV:
        if isLink(path) { throw .notPlain }
        return nil
      default: throw GitError(errno: -raw)
      }
    }
  }

  /// The same where there is no openat2(2): each step alone.
  private func openStepwise(_ path: String) -> Int32 {
    var current = descriptor
    for name in path.split(separator: "/") {
      guard name != "..", name != "." else { return -ENOENT }
      let raw = unsafe Self.result(clibgit2_open_subdirectory(current.raw, String(name)))
      guard raw >= 0 else { return raw }
      current = Descriptor(adopting: raw)
    }
    return Self.result(fcntl(current.raw, F_DUPFD_CLOEXEC, 0))
  }

  /// Whether a symbolic link is on the way to `path`, or there; else a file is in a directory's place.
  private func isLink(_ path: String) -> Bool {
    var current = descriptor
    for name in path.split(separator: "/").map(String.init) {
      var status = stat()
      guard unsafe fstatat(current.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
      if status.st_mode & S_IFMT == S_IFLNK { return true }
      let raw = unsafe clibgit2_open_subdirectory(current.raw, name)
      guard raw >= 0 else { return false }
      current = Descriptor(adopting: raw)
    }
    return false
  }

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return String(path[..<slash])
  }

  // MARK: Recording

  func absolute(_ path: String) -> String { path == "." ? self.path : "\(self.path)/\(path)" }

  func recording<Value: ~Copyable>(
    _ change: () throws(GitError) -> Value, as operation: (borrowing Value) -> FileRecorder.Operation?
  ) throws(GitError) -> Value {
    guard let recorder else { return try change() }
    return try recorder.record(change, as: operation)
  }

  func recording(
    _ file: Descriptor, _ change: () throws(GitError) -> Void, as operation: (Int) -> FileRecorder.Operation
  ) throws(GitError) {
    guard let recorder else { return try change() }
    try recorder.record(file, change, as: operation)
  }
}
