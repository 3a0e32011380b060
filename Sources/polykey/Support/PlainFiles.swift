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
enum InputFile {
  /// Lends `body` the content in pieces of at most 64 KiB.
  static func read(_ path: String, body: ([UInt8]) throws -> Void) throws {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, errno) }
    defer { close(descriptor) }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        throw failure(path, code)
      }
      if count == 0 { return }
      try body(Array(chunk[..<count]))
    }
  }

  private static func failure(_ path: String, _ code: Int32) -> Failure {
    Failure(code == ENOENT ? .missing : .failed, "\(path): cannot be read: \(ErrorNumber.text(code))")
  }
}
