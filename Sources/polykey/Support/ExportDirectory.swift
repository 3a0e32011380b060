import CLinux
import Glibc
import Vault

/// A new directory that files are written into.
///
/// No call leaves it, whoever changes what is in it meanwhile.
///
/// Paths are relative, of 1 or more bytes; symbolic links in them are never followed. Calls fail with an errno.
final class ExportDirectory {
  /// An errno.
  struct Failed: Error { let code: Int32 }

  private let root: Int32
  /// The directory that was used last, as the next path is mostly in the same.
  private var recent: (path: [UInt8], descriptor: Int32)?

  /// Makes the directory, or opens an empty one that belongs to this user.
  init(_ path: String) throws(Failure) {
    let isNew = unsafe mkdir(path, 0o700) == 0
    if !isNew, errno != EEXIST { throw Failure(.failed, "\(path): cannot be made: \(ErrorNumber.text(errno))") }
    root = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard root >= 0 else { throw Failure(.exists, "\(path): is there already, and no directory") }
    var status = stat()
    guard unsafe fstat(root, &status) == 0, status.st_uid == geteuid() else {
      throw Failure(.failed, "\(path): belongs to somebody else")
    }
    guard isNew || ExportDirectory.isEmpty(root) else {
      throw Failure(.exists, "\(path): is not empty: name a new directory")
    }
  }

  deinit {
    if let recent { close(recent.descriptor) }
    if root >= 0 { close(root) }
  }

  private static func isEmpty(_ directory: Int32) -> Bool {
    let copy = unsafe openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let stream = unsafe fdopendir(copy) else { return false }
    defer { unsafe closedir(stream) }
    var count = 0
    while unsafe readdir(stream) != nil { count += 1 }
    return count == 2
  }

  // MARK: making

  /// Makes the directories above a path that are not there, with mode 0700.
  func makeParents(of path: [UInt8]) throws(Failed) {
    // Mostly they are there.
    let parent = ExportDirectory.split(path).parent
    if parent.isEmpty || recent?.path == parent { return }
    for slash in path.indices where path[slash] == 0x2F {
      try unsafe at(Array(path[..<slash])) { directory, name in
        unsafe mkdirat(directory, name, 0o700) == 0 || errno == EEXIST ? 0 : -1
      }
    }
  }

  func makeDirectory(_ path: [UInt8]) throws(Failed) {
    try unsafe at(path) { unsafe mkdirat($0, $1, 0o700) }
  }

  func makeSymbolicLink(_ path: [UInt8], to target: [UInt8]) throws(Failed) {
    try unsafe at(path) { directory, name in
      unsafe ExportDirectory.withText(target) { unsafe symlinkat($0, directory, name) }
    }
  }

  func makeNode(_ path: [UInt8], mode: mode_t, device: dev_t = 0) throws(Failed) {
    try unsafe at(path) { unsafe mknodat($0, $1, mode, device) }
  }

  /// A further name of a file that this made.
  func makeLink(_ path: [UInt8], to old: [UInt8]) throws(Failed) {
    let (parent, oldName) = ExportDirectory.split(old)
    let oldDirectory = try open(parent)
    defer { close(oldDirectory) }
    try unsafe at(path) { directory, name in
      unsafe ExportDirectory.withText(oldName) { unsafe linkat(oldDirectory, $0, directory, name, 0) }
    }
  }

  /// Makes a file and lends its descriptor.
  func makeFile<R>(_ path: [UInt8], _ body: (Int32) throws -> R) throws -> R {
    var file: Int32 = -1
    try unsafe at(path) { directory, name in
      file = unsafe clinux_open_beneath(directory, name, UInt64(O_WRONLY | O_CREAT | O_EXCL), 0o600)
      return file
    }
    defer { close(file) }
    return try body(file)
  }

  func removeFile(_ path: [UInt8]) { try? unsafe at(path) { unsafe unlinkat($0, $1, 0) } }

  // MARK: attributes

  /// Calls `body` with the directory above a path, open, and the path's last name; throws errno if it returns -1.
  @unsafe
  func at(_ path: [UInt8], _ body: (Int32, UnsafePointer<CChar>) -> Int32) throws(Failed) {
    let (parent, name) = ExportDirectory.split(path)
    if recent.map({ $0.path != parent }) ?? true {
      let descriptor = try open(parent)
      if let recent { close(recent.descriptor) }
      recent = (parent, descriptor)
    }
    let directory = recent?.descriptor ?? root
    var code: Int32 = 0
    unsafe ExportDirectory.withText(name) { if unsafe body(directory, $0) < 0 { code = errno } }
    guard code == 0 else { throw Failed(code: code) }
  }

  /// Lends the descriptor of a directory; the root's if `path` is empty.
  func withDirectory<R>(_ path: [UInt8], _ body: (Int32) throws -> R) throws -> R {
    let directory = try open(path)
    defer { close(directory) }
    return try body(directory)
  }

  /// Lends bytes as a C string.
  @unsafe
  static func withText<R>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
    let text = (bytes + [0]).map { CChar(bitPattern: $0) }
    return unsafe text.withUnsafeBufferPointer { text in
      // It has one byte at least.
      guard let base = text.baseAddress else { preconditionFailure("a C string has an end") }
      return unsafe body(base)
    }
  }

  // MARK: looking up

  private static func split(_ path: [UInt8]) -> (parent: [UInt8], name: [UInt8]) {
    guard let slash = path.lastIndex(of: 0x2F) else { return ([], path) }
    return (Array(path[..<slash]), Array(path[(slash + 1)...]))
  }

  /// Opens a directory, in steps of less than PATH_MAX bytes.
  private func open(_ path: [UInt8]) throws(Failed) -> Int32 {
    var directory = try step(root, [0x2E])
    var rest = path[...]
    while !rest.isEmpty {
      var piece = rest.prefix(4000)
      if piece.endIndex < rest.endIndex, let slash = piece.lastIndex(of: 0x2F) { piece = piece[..<slash] }
      let next = directory
      defer { close(next) }
      directory = try step(next, Array(piece))
      rest = rest[piece.endIndex...].drop { $0 == 0x2F }
    }
    return directory
  }

  private func step(_ directory: Int32, _ path: [UInt8]) throws(Failed) -> Int32 {
    var code: Int32 = 0
    let next = unsafe ExportDirectory.withText(path) { path in
      let next = unsafe clinux_open_beneath(directory, path, UInt64(O_RDONLY | O_DIRECTORY), 0)
      code = errno
      return next
    }
    guard next >= 0 else { throw Failed(code: code) }
    return next
  }
}
