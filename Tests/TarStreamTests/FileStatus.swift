import Glibc
import TestSupport

/// What lstat(2) and getfattr(1) tell of a file, whose path may be any bytes.
struct FileStatus: Equatable {
  struct Failure: Error {
    let code: Int32
  }

  var mode: UInt32
  var userID: UInt32
  var groupID: UInt32
  var size: Int64
  var seconds: Int
  var nanoseconds: Int
  var inode: UInt64

  /// The status of the file itself, links not followed.
  init(of path: [UInt8]) throws {
    var status = stat()
    guard unsafe withCPath(path, { unsafe lstat($0, &status) }) == 0 else {
      throw Failure(code: errno)
    }
    mode = status.st_mode
    userID = status.st_uid
    groupID = status.st_gid
    size = Int64(status.st_size)
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
    inode = UInt64(status.st_ino)
  }

  var permissions: UInt16 { UInt16(mode & 0o7777) }
}

/// Calls `body` with `path` as a C string.
func withCPath<R>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> R) -> R {
  unsafe (path + [0]).withUnsafeBufferPointer { bytes in
    // SAFETY: the array ends with NUL and is never empty.
    unsafe bytes.withMemoryRebound(to: CChar.self) { unsafe body($0.baseAddress.unsafelyUnwrapped) }
  }
}

/// At most 100,000 bytes of the file's content; empty if there is none.
func readFile(_ path: [UInt8]) -> [UInt8] {
  let descriptor = unsafe withCPath(path) { unsafe open($0, O_RDONLY) }
  defer { close(descriptor) }
  var content = [UInt8](repeating: 0, count: 100_000)
  let room = content.count
  let count = unsafe read(descriptor, &content, room)
  return Array(content.prefix(max(count, 0)))
}

/// Makes a file with mode 0604.
func writeFile(_ path: [UInt8], _ content: [UInt8]) {
  let descriptor = unsafe withCPath(path) { unsafe creat($0, 0o604) }
  defer { close(descriptor) }
  let written = unsafe write(descriptor, content, content.count)
  precondition(written == content.count, "the file could not be written")
}

func linkTarget(of path: [UInt8]) -> [UInt8] {
  var target = [CChar](repeating: 0, count: 5000)
  let count = unsafe withCPath(path) { unsafe readlink($0, &target, 5000) }
  return target.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
}

/// The user.* attributes of the file.
func extendedAttributes(of path: String) throws -> [String: [UInt8]] {
  let listing = try Program.check(["getfattr", "--absolute-names", "-h", "-d", "-e", "hex", path]).text
  var result: [String: [UInt8]] = [:]
  for line in listing.split(separator: "\n") where line.hasPrefix("user.") {
    guard let equals = line.lastIndex(of: "=") else { continue }
    let digits = Array(line[equals...].dropFirst(3).utf8)
    result[String(line[..<equals])] = stride(from: 0, to: digits.count, by: 2).map { index in
      UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
    }
  }
  return result
}
