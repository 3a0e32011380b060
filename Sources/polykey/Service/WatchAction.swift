import CLinux
import Glibc

/// What `polykey watch` does when secrets change.
enum WatchAction: Sendable {
  /// Prints each one's address, or an object of JSON.
  case show(json: Bool)
  /// Runs a command of the shell, with the addresses on its standard input, a line each, and in POLYKEY_CHANGED if they fit there.
  case run(String)
  /// Sends a signal to a process, given by its number or by a file that has it.
  case signal(Int32, process: String)
  /// Has systemd reload a unit.
  case reload(String)

  /// Names of signals without SIG.
  private static let signals: [String: Int32] = [
    "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "USR1": SIGUSR1, "USR2": SIGUSR2, "TERM": SIGTERM, "ALRM": SIGALRM,
    "CONT": SIGCONT, "WINCH": SIGWINCH, "KILL": SIGKILL,
  ]

  /// The signal of a name, with SIG or without, or a number; nil if there is none.
  static func signal(named text: String) -> Int32? {
    if let number = Int32(text) { return 1..<65 ~= number ? number : nil }
    let name = text.uppercased()
    return signals[name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name]
  }

  /// Does it; what fails is told on stderr, and the next change is waited for all the same.
  func perform(for changed: [WatchedChange], started: (Child?) -> Void) {
    switch self {
    case .show(let json): for change in changed { change.show(json: json) }
    case .run(let command):
      let lines = changed.map { Quoted.forLines($0.address) }
      let value = Array(lines.joined(separator: [0x0A]))
      start(
        "/bin/sh", ["-c", command],
        ["POLYKEY_CHANGED": value.count <= WatchAction.longestVariable ? value : []], input: value + [0x0A],
        called: "the command", started)
    case .signal(let number, let process):
      guard let identifier = WatchAction.identifier(of: process) else {
        return Console.complain("\(process): no process has its number there")
      }
      if kill(identifier, number) != 0 {
        Console.complain("process \(identifier) cannot be sent the signal: \(ErrorNumber.text(errno))")
      }
    case .reload(let unit):
      start("systemctl", ["reload", "--", unit], [:], input: [], called: "systemctl reload", started)
    }
  }

  /// Bytes of a value with which execve(2) takes no offence: 128 KiB with the name, an equals sign and a NUL, less room to spare.
  private static let longestVariable = 120 << 10

  /// The number, or what the file of that path has in its first line.
  private static func identifier(of process: String) -> pid_t? {
    let text = process.hasPrefix("/") ? StateFile.read(process)?.split(separator: "\n").first.map(String.init) : process
    // 0 and less are groups of processes, and all of them.
    return text.flatMap { pid_t($0) }.flatMap { $0 > 0 ? $0 : nil }
  }

  private func start(
    _ path: String, _ arguments: [String], _ environment: [String: [UInt8]], input: [UInt8], called name: String,
    _ started: (Child?) -> Void
  ) {
    // Not a pipe, which a command that does not read would let run full.
    let file = clinux_memory_file()
    guard file >= 0 else { return Console.complain("no memory file can be had: \(ErrorNumber.text(errno))") }
    defer { close(file) }
    guard Console.write(input, to: file), lseek(file, 0, SEEK_SET) == 0 else {
      return Console.complain("no memory for the names of what changed: \(ErrorNumber.text(errno))")
    }
    do {
      let child = try Child(path, arguments, descriptors: [file, 1, 2], environment: environment)
      started(child)
      let status = child.wait()
      started(nil)
      if status != 0 { Console.complain("\(name) ended with status \(status)") }
    } catch {
      Console.complain((error as? Failure)?.sentence ?? "\(name) cannot be started")
    }
  }
}

/// A secret that changed.
struct WatchedChange {
  let vault: String
  let path: [UInt8]

  var address: [UInt8] { [UInt8]("\(vault):".utf8) + path }

  func show(json: Bool) {
    if json {
      Console.print(JSON.object([("vault", .string(vault)), ("path", .text(path))]))
    } else {
      Console.print(path: address)
    }
  }
}
