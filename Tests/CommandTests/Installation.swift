import Foundation
import Synchronization
import TestSupport

/// A keynode of a test's own with the program that was just built; whatever it mounted is unmounted when it goes.
final class Installation: Sendable {
  let directory: TemporaryDirectory
  /// POLYKEY_HOME.
  var home: String { directory("keynode") }
  /// Where ``mount(_:_:)`` mounts all vaults.
  var mountPoint: String { directory("mnt") }

  /// The program, beside the test's own executable.
  static let program: String = {
    let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let candidates = [executable, URL(fileURLWithPath: CommandLine.arguments[0])]
    let folders = candidates.map { $0.deletingLastPathComponent().path }
    return (folders.map { "\($0)/polykey" }.first { FileManager.default.isExecutableFile(atPath: $0) }) ?? "polykey"
  }()

  /// A keynode without a passphrase and with one vault, `default`.
  init(vaults: [String] = ["default"]) throws {
    directory = try TemporaryDirectory()
    try polykey("init", "--no-passphrase")
    for vault in vaults { try polykey("vault", "create", vault) }
  }

  /// An empty place, without a keynode.
  init(empty: Void) throws { directory = try TemporaryDirectory() }

  /// Ends the program, if it still runs, before the directory is removed in which it writes.
  func owns(_ program: BackgroundProgram) { programs.withLock { $0.append(Owned(program: program)) } }

  private struct Owned { weak var program: BackgroundProgram? }
  private let programs = Mutex<[Owned]>([])

  deinit {
    for owned in programs.withLock({ $0 }) { owned.program?.end() }
    let processes = mountProcesses
    // One that still writes would write into a directory that is being removed.
    defer { for process in processes { _ = poll(seconds: 20) { process.hasEnded } } }
    for _ in 0..<2 {
      guard let mounts = try? Program.run(["findmnt", "-rn", "-o", "TARGET", "-t", "fuse.polykey"]) else { return }
      for mount in mounts.text.split(separator: "\n") where mount.hasPrefix(directory.path) {
        _ = try? Program.run(
          [Installation.program, "unmount", "--lazy", "--discard", String(mount)], environment: environment)
      }
    }
  }

  var environment: [String: String] { ["POLYKEY_HOME": home, "HOME": directory.path, "LC_ALL": "C.UTF-8"] }

  /// Runs the program; throws what it said unless it exits 0.
  @discardableResult
  func polykey(_ arguments: String..., input: String = "") throws -> Program {
    try Program.check([Installation.program] + arguments, input: [UInt8](input.utf8), environment: environment)
  }

  /// Runs the program, whatever its exit status.
  func attempt(_ arguments: String..., input: String = "", environment more: [String: String] = [:]) throws -> Program {
    try Program.run(
      [Installation.program] + arguments, input: [UInt8](input.utf8),
      environment: environment.merging(more) { $1 })
  }

  /// Mounts all vaults in the background and returns the directory.
  @discardableResult
  func mount(_ flags: String...) throws -> String {
    try FileManager.default.createDirectory(atPath: mountPoint, withIntermediateDirectories: true)
    try Program.check([Installation.program, "mount", mountPoint] + flags, environment: environment)
    return mountPoint
  }

  func unmount() throws { try polykey("unmount", mountPoint) }

  /// Runs a shell script in the mount of the vault `default` and throws what it said unless it exits 0.
  @discardableResult
  func shell(
    _ script: String, input: String = "", in folder: String? = nil, environment more: [String: String] = [:]
  ) throws -> Program {
    try Program.check(
      ["timeout", "300", "sh", "-euc", script], in: folder ?? "\(mountPoint)/default", input: [UInt8](input.utf8),
      environment: environment.merging(more) { $1 })
  }

  /// A vault's repository.
  func repository(_ vault: String = "default") -> String { "\(home)/vaults/\(vault).git" }

  /// Commits on the vault's main branch; 0 before the first.
  func commitCount(_ vault: String = "default") throws -> Int {
    let count = try Program.run(["git", "-C", repository(vault), "rev-list", "--count", "main"])
    return count.status == 0 ? Int(count.text) ?? 0 : 0
  }

  /// The process that serves the mount.
  func mountProcess() throws -> MountProcess {
    guard let process = mountProcesses.first else { throw Program.Failure(description: "no mount is recorded") }
    return process
  }

  private var mountProcesses: [MountProcess] {
    let folder = "\(home)/state/mounts"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { MountProcess(record: "\(folder)/\($0)") }
  }
}

/// A living process that serves a mount, found by the record that it holds locked.
final class MountProcess: Sendable {
  let identifier: Int32
  private let record: Int32

  /// Nil if the process is gone.
  fileprivate init?(record path: String) {
    record = unsafe open(path, O_RDONLY | O_CLOEXEC)
    identifier = Int32(path.split(separator: "/").last ?? "") ?? 0
    guard identifier > 0, record >= 0, flock(record, LOCK_SH | LOCK_NB) != 0 else { return nil }
  }

  deinit { close(record) }

  var hasEnded: Bool {
    guard flock(record, LOCK_SH | LOCK_NB) == 0 else { return false }
    flock(record, LOCK_UN)
    return true
  }

  /// Waits until it has ended, however it does.
  func waitForEnd() {
    while flock(record, LOCK_SH) != 0, errno == EINTR {}
    flock(record, LOCK_UN)
  }
}
