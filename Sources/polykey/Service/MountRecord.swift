import Glibc
import Vault

/// Tells other commands of a mount: a file in the keynode's state that the mount's process holds locked (flock) while it lives.
///
/// The first part says what was asked for, and never changes. The second, which has its bytes from the beginning so that a full disk
/// does not matter, says how the mount is. A process that ends without having stored everything leaves the file, as `PID.unsaved`.
///
/// Source: docs/format.md, "State".
struct MountRecord: Sendable {
  /// How far a mount is.
  enum Phase: String, Sendable {
    /// It is not at its directory yet.
    case starting
    case mounted
    /// It is not at its directory any more: its process stores what is left.
    case ending
    /// All is stored.
    case done
  }

  /// What changes of a record.
  struct Condition: Sendable {
    var phase = Phase.starting
    /// The mounted file system's number, as in the table of mounts; empty if it is not known.
    var device = ""
    /// Why changes are not stored; nil if all that was to be stored is.
    var failure: Failure?
    /// Since when, in seconds since 1970.
    var time: Int64 = 0
  }

  let directory: String
  /// The one vault at the directory; nil if all are below it.
  let vault: String?
  /// The options, ports and so on that it was mounted with; see ``MountRequest/summary``.
  let summary: String
  let process: pid_t
  private let path: String

  /// Whether its process lives.
  var isAlive: Bool {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0
  }

  /// How the mount is; nil if its process is gone.
  var condition: Condition? { Follower(self)?.condition }

  private static let firstPart = 8192
  private static let secondPart = 1024

  static func folder(_ paths: KeynodePaths) -> String { "\(paths.state)/mounts" }
  private static let unsavedSuffix = ".unsaved"

  /// The records of a keynode, those of processes that are gone too.
  static func all(of paths: KeynodePaths) -> [MountRecord] {
    StateFile.names(in: folder(paths)).compactMap { name in
      pid_t(name).flatMap { MountRecord(process: $0, path: "\(folder(paths))/\(name)") }
    }
    .sorted { $0.directory < $1.directory }
  }

  /// What processes left that ended without having stored everything, and why they had not.
  static func unsaved(of paths: KeynodePaths) -> [(record: MountRecord, failure: Failure, time: Int64)] {
    StateFile.names(in: folder(paths)).compactMap { name in
      guard name.hasSuffix(unsavedSuffix), let process = pid_t(name.dropLast(unsavedSuffix.count)),
        let record = MountRecord(process: process, path: "\(folder(paths))/\(name)"),
        let condition = Follower(record)?.condition, let failure = condition.failure
      else { return nil }
      return (record, failure, condition.time)
    }
  }

  /// Removes it, once the user was told.
  func forget() { unsafe unlink(path) }

  private init?(process: pid_t, path: String) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    guard let bytes = MountRecord.read(descriptor, at: 0, count: MountRecord.firstPart) else { return nil }
    // The directory comes last, as it may hold any byte but NUL.
    let lines = bytes.prefix { $0 != 0 }.split(separator: 0x0A, maxSplits: 2, omittingEmptySubsequences: false)
    guard lines.count == 3 else { return nil }
    vault = lines[0].isEmpty ? nil : String(decoding: lines[0], as: UTF8.self)
    summary = String(decoding: lines[1], as: UTF8.self)
    directory = String(decoding: lines[2], as: UTF8.self)
    self.process = process
    self.path = path
  }

  private static func read(_ descriptor: Int32, at offset: Int, count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
    return got == count ? bytes : nil
  }

  /// Follows a record whose file may go meanwhile.
  final class Follower: Sendable {
    private let descriptor: Int32

    /// Nil if there is no such file any more.
    init?(_ record: MountRecord) {
      descriptor = unsafe open(record.path, O_RDONLY | O_CLOEXEC)
      if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether the process has ended.
    var hasEnded: Bool {
      guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return false }
      flock(descriptor, LOCK_UN)
      return true
    }

    /// What the process wrote last; read again while it is being written.
    var condition: Condition? {
      for _ in 0..<100 {
        guard let bytes = MountRecord.read(descriptor, at: MountRecord.firstPart, count: MountRecord.secondPart) else {
          return nil
        }
        if let condition = Condition(bytes) { return condition }
        usleep(1000)
      }
      return nil
    }
  }

  /// Leaves this process's record; it stays locked until the process ends.
  static func leave(_ request: MountRequest, at paths: KeynodePaths) throws -> Held {
    let folder = folder(paths)
    unsafe mkdir(paths.state, 0o700)
    unsafe mkdir(folder, 0o700)
    // What killed processes left.
    for record in all(of: paths) where !record.isAlive { unsafe unlink(record.path) }
    let path = "\(folder)/\(getpid())"
    unsafe unlink(path)
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    let text = [UInt8]("\(request.vault?.text ?? "")\n\(request.summary)\n\(request.directory)".utf8)
    guard text.count < firstPart else { throw Failure(.mount, "the directory's path is too long") }
    let first = text + [UInt8](repeating: 0, count: firstPart - text.count)
    guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0,
      Console.write(first + Condition().encoded, to: descriptor)
    else {
      let code = errno
      if descriptor >= 0 {
        unsafe unlink(path)
        close(descriptor)
      }
      throw Failure(
        code == ENOSPC || code == EDQUOT ? .noSpace : .mount,
        "the mount cannot be noted in \(folder): \(ErrorNumber.text(code))")
    }
    return Held(path: path, descriptor: descriptor)
  }

  /// A record of this process.
  struct Held: Sendable {
    fileprivate let path: String
    fileprivate let descriptor: Int32

    func note(_ condition: Condition) {
      let bytes = condition.encoded
      _ = unsafe bytes.withUnsafeBytes {
        unsafe pwrite(descriptor, $0.baseAddress, $0.count, off_t(MountRecord.firstPart))
      }
    }

    /// The mount's end; whoever waits goes on when the process ends.
    ///
    /// What could not be stored stays noted.
    func end(_ condition: Condition) {
      note(condition)
      if condition.failure == nil {
        unsafe unlink(path)
      } else {
        unsafe rename(path, path + MountRecord.unsavedSuffix)
      }
    }
  }
}

extension MountRecord.Condition {
  /// Phase, device, time, exit status, sentence and `end`, a line each; then NUL bytes.
  fileprivate var encoded: [UInt8] {
    let status = failure.map { String($0.status.rawValue) } ?? ""
    let sentence = (failure?.sentence ?? "").utf8.map { $0 == 0x0A || $0 == 0 ? 0x20 : $0 }
    let text = [UInt8]("\(phase.rawValue)\n\(device)\n\(time)\n\(status)\n".utf8) + sentence.prefix(800)
    let bytes = text + [UInt8]("\nend\n".utf8)
    return bytes + [UInt8](repeating: 0, count: 1024 - bytes.count)
  }

  /// Nil if the bytes are being written just now.
  fileprivate init?(_ bytes: [UInt8]) {
    let lines = bytes.prefix { $0 != 0 }.split(separator: 0x0A, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard lines.count == 7, lines[5] == "end", let phase = MountRecord.Phase(rawValue: lines[0]),
      let time = Int64(lines[2])
    else { return nil }
    self.init(phase: phase, device: lines[1], time: time)
    if let status = Int32(lines[3]).flatMap({ Failure.Status(rawValue: $0) }) { failure = Failure(status, lines[4]) }
  }
}
