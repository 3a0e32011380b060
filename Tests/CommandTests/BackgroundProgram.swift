import Foundation
import Synchronization
import TestSupport

/// A server that a test runs beside itself; it is ended when its owner goes.
final class BackgroundProgram: Sendable {
  private let process: Mutex<Process>
  private let log: String
  private let directory: TemporaryDirectory

  /// Starts `arguments` (looked up in PATH) and waits until `isReady`, for at most `seconds`.
  init(
    _ arguments: [String], environment: [String: String] = [:], seconds: Double = 60, isReady: () throws -> Bool
  ) throws {
    directory = try TemporaryDirectory()
    log = try directory.write([], to: "log")
    let process = Process()
    // exec, so that the process that is ended is the server itself.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["--default-signal", "sh", "-c", "exec \"$@\" > '\(log)' 2>&1 < /dev/null", "sh"] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    try process.run()
    self.process = Mutex(process)
    let isUp = try poll(seconds: seconds) { try !isRunning || isReady() }
    guard isUp, isRunning else {
      throw Program.Failure(description: "\(arguments.prefix(1)) did not come up: \(output)")
    }
  }

  deinit { end() }

  /// Ends it, if it has not ended yet.
  func end() {
    process.withLock {
      $0.terminate()
      $0.waitUntilExit()
    }
  }

  /// What it wrote so far.
  var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
  var processIdentifier: Int32 { process.withLock { $0.processIdentifier } }

  /// Waits until it has ended; its exit status.
  func waitForEnd() -> Int32 {
    process.withLock {
      $0.waitUntilExit()
      return $0.terminationStatus
    }
  }

  private var isRunning: Bool { process.withLock { $0.isRunning } }
}

/// Waits until `condition` holds, asking every 20 ms; false if it does not within `seconds`.
///
/// For programs that give no event to wait for.
func poll(seconds: Double = 60, until condition: () throws -> Bool) rethrows -> Bool {
  let deadline = ContinuousClock.now + .seconds(seconds)
  while try !condition() {
    if ContinuousClock.now > deadline { return false }
    usleep(20_000)
  }
  return true
}

/// A TCP port on loopback that nobody listens on.
func freePort() throws -> Int {
  let script = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
  guard let port = Int(try Program.check(["python3", "-c", script]).text) else {
    throw Program.Failure(description: "no free port")
  }
  return port
}
