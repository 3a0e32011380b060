import Glibc

/// A file that is written beside the one it will replace.
final class ReplacedFile {
  private let path: String
  private let draft: String
  private var descriptor: Int32

  init(_ path: String) throws(Failure) {
    self.path = path
    draft = "\(path).new-\(getpid())"
    unsafe unlink(draft)
    descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw ReplacedFile.failure(path, errno) }
  }

  /// Removes what was not finished.
  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unsafe unlink(draft)
  }

  func write(_ bytes: [UInt8]) throws(Failure) {
    guard Console.write(bytes, to: descriptor) else { throw ReplacedFile.failure(path, errno) }
  }

  /// Puts it into its place; it is on the disk then.
  func finish() throws(Failure) {
    guard fsync(descriptor) == 0, unsafe rename(draft, path) == 0 else { throw ReplacedFile.failure(path, errno) }
    close(descriptor)
    descriptor = -1
  }

  private static func failure(_ path: String, _ code: Int32) -> Failure {
    Failure(code == ENOSPC ? .noSpace : .failed, "\(path): cannot be written: \(ErrorNumber.text(code))")
  }
}

/// A file that is read from its beginning to its end.
final class InputFile {
  private let path: String
  private let descriptor: Int32
  /// Nil for what is no regular file.
  let size: UInt64?

  init(_ path: String) throws(Failure) {
    self.path = path
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw InputFile.failure(path, errno) }
    size = InputFile.size(of: path)
  }

  /// The size of a regular file; nil for anything else.
  static func size(of path: String) -> UInt64? {
    var status = stat()
    guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return UInt64(clamping: status.st_size)
  }

  static func isPipe(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
  }

  deinit { close(descriptor) }

  /// Lends `body` the content in pieces of at most 64 KiB.
  func read(_ body: ([UInt8]) throws -> Void) throws {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        throw InputFile.failure(path, code)
      }
      if count == 0 { return }
      try body(Array(chunk[..<count]))
    }
  }

  private static func failure(_ path: String, _ code: Int32) -> Failure {
    Failure(code == ENOENT ? .missing : .failed, "\(path): cannot be read: \(ErrorNumber.text(code))")
  }
}
