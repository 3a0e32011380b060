import Glibc
import Vault

/// Tells other commands of a mount: a file in the keynode's state that the mount's process holds locked while it lives.
struct MountRecord: Sendable {
  let directory: String
  /// The one vault at the directory; nil if all are below it.
  let vault: String?
  let process: pid_t
  private let path: String

  /// Whether its process lives.
  var isAlive: Bool {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0
  }

  /// Waits until its process has put all on disk and ended.
  func waitForEnd() {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_SH) != 0, errno == EINTR {}
  }

  private static func folder(_ paths: KeynodePaths) -> String { "\(paths.state)/mounts" }

  /// The records of a keynode, those of processes that are gone too.
  static func all(of paths: KeynodePaths) -> [MountRecord] {
    guard let directory = unsafe opendir(folder(paths)) else { return [] }
    defer { unsafe closedir(directory) }
    var records: [MountRecord] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if let process = pid_t(name), let record = MountRecord(process: process, path: "\(folder(paths))/\(name)") {
        records.append(record)
      }
    }
    return records.sorted { $0.directory < $1.directory }
  }

  private init?(process: pid_t, path: String) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    guard count > 0 else { return nil }
    // The vault's name (or nothing), a newline, then the directory, which may hold any byte.
    let parts = bytes[..<count].split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    vault = parts[0].isEmpty ? nil : String(decoding: parts[0], as: UTF8.self)
    directory = String(decoding: parts[1], as: UTF8.self)
    self.process = process
    self.path = path
  }

  /// Leaves this process's record; it stays locked until the process ends.
  static func leave(directory: String, vault: String?, at paths: KeynodePaths) throws -> Held {
    let folder = folder(paths)
    unsafe mkdir(paths.state, 0o700)
    unsafe mkdir(folder, 0o700)
    // What killed processes left.
    for record in all(of: paths) where !record.isAlive { unsafe unlink(record.path) }
    let path = "\(folder)/\(getpid())"
    unsafe unlink(path)
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0,
      Console.write([UInt8]("\(vault ?? "")\n\(directory)".utf8), to: descriptor)
    else { throw Failure(.mount, "cannot note the mount in the keynode's state: \(ErrorNumber.text(errno))") }
    return Held(path: path)
  }

  /// A record of this process.
  struct Held: Sendable {
    let path: String

    /// Removes it; whoever waits goes on when the process ends.
    func remove() { unsafe unlink(path) }
  }
}
