import CLinux
import FuseMount
import Glibc
import SecretMemory
import Vault

/// Starts the process that serves a mount, and waits until it is up or says why not.
enum BackgroundMount {
  static func start(_ request: MountRequest, arguments: [String], keynode: Keynode) throws {
    let identity = try SocketPair()
    let readiness = try Pipe()
    // The state may have been deleted, or never been in a restored keynode.
    unsafe mkdir(keynode.paths.state, 0o700)
    let null = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
    guard null >= 0 else { throw Failure(.mount, "cannot open /dev/null: \(ErrorNumber.text(errno))") }
    let log = MountLog.open(at: keynode.paths)
    // Reading needs no byte of the keynode's disk.
    guard log >= 0 || request.options.readOnly else {
      throw Failure(.mount, "cannot open \(keynode.paths.state)/mount.log: \(ErrorNumber.text(errno))")
    }
    defer {
      close(null)
      if log >= 0 { close(log) }
    }
    let text = try explained { try IdentityFile.text(of: keynode.identity) }
    let child = try Child(
      "/proc/self/exe",
      ["mount"] + arguments + ["--foreground", "--identity-descriptor", "3", "--ready-descriptor", "4"],
      descriptors: [null, null, log >= 0 ? log : null, identity.theirs, readiness.writer], name: "polykey")
    identity.closeTheirs()
    readiness.closeWriter()
    // The secret never is an argument or a file, nor anywhere before the process has made itself unreadable to others of this user, and says so.
    if identity.waitForByte() { unsafe text.withUnsafeBytes { _ = unsafe Console.write($0, to: identity.ours) } }
    identity.closeOurs()
    guard let answer = Readiness.wait(on: readiness.reader) else {
      let status = child.wait()
      throw Failure(.mount, "the mount's process ended with status \(status): see \(keynode.paths.state)/mount.log")
    }
    for sentence in try answer.get() { Console.complain(sentence) }
  }
}

/// What the mount's process says once: that it is up, or why not.
enum Readiness {
  /// The mount is up, but for what `complaints` tell, a sentence each.
  static func tell(_ complaints: [String], on descriptor: Int32) { tell(complaints, status: 0, on: descriptor) }

  /// There is no mount.
  static func tell(_ failure: Failure, on descriptor: Int32) {
    tell([failure.sentence], status: failure.status.rawValue, on: descriptor)
  }

  private static func tell(_ sentences: [String], status: Int32, on descriptor: Int32) {
    Console.write([UInt8](([String(status)] + sentences).joined(separator: "\n").utf8), to: descriptor)
    close(descriptor)
  }

  /// The complaints, or the failure; nil if the process ended without a word.
  static func wait(on descriptor: Int32) -> Result<[String], Failure>? {
    var message: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1024)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      message += chunk[..<count]
    }
    let lines = String(decoding: message, as: UTF8.self).split(separator: "\n").map(String.init)
    guard let status = lines.first.flatMap({ Int32($0) }) else { return nil }
    if status == 0 { return .success(Array(lines.dropFirst())) }
    guard let known = Failure.Status(rawValue: status) else { return nil }
    return .failure(Failure(known, lines.dropFirst().joined(separator: " ")))
  }
}

/// Two sockets connected to each other, which close with it.
///
/// Unlike a pipe's ends, nobody can open them in `/proc/PID/fd`.
final class SocketPair {
  private(set) var ours: Int32
  private(set) var theirs: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw Failure(.failed, "no sockets can be had: \(ErrorNumber.text(errno))")
    }
    (ours, theirs) = (ends[0], ends[1])
  }

  /// Waits until the other side has written a byte; false if it has closed.
  func waitForByte() -> Bool {
    var byte: UInt8 = 0
    while true {
      let count = unsafe read(ours, &byte, 1)
      if count < 0, errno == EINTR { continue }
      return count == 1
    }
  }

  func closeOurs() { SocketPair.close(&ours) }
  func closeTheirs() { SocketPair.close(&theirs) }

  private static func close(_ descriptor: inout Int32) {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  deinit {
    closeOurs()
    closeTheirs()
  }
}

/// A pipe whose ends close with it.
final class Pipe {
  let reader: Int32
  private(set) var writer: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    guard unsafe clinux_pipe(&ends) == 0 else {
      throw Failure(.failed, "no pipe can be had: \(ErrorNumber.text(errno))")
    }
    (reader, writer) = (ends[0], ends[1])
  }

  func closeWriter() {
    if writer >= 0 { close(writer) }
    writer = -1
  }

  deinit {
    closeWriter()
    close(reader)
  }
}
