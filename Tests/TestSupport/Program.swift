import Foundation

/// A program run to its end by a test.
public struct Program: Sendable {
  /// Its exit status.
  public let status: Int32
  /// What it wrote on stdout.
  public let output: [UInt8]
  /// What it wrote on stderr.
  public let errors: String

  /// What the program printed, without the newline that ends it.
  public var text: String {
    var text = String(decoding: output, as: UTF8.self)
    if text.hasSuffix("\n") { text.removeLast() }
    return text
  }

  /// Why a program could not be run, or failed.
  public struct Failure: Error, CustomStringConvertible {
    /// One line.
    public let description: String

    /// A failure for this reason.
    public init(description: String) { self.description = description }
  }

  /// Runs `arguments` (looked up in PATH) and waits for its end; both outputs are read to their ends meanwhile.
  public static func run(
    _ arguments: [String], in directory: String? = nil, input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Program {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // The threads that tests run on block and ignore signals, which a program from a shell does not expect.
    process.arguments = ["--default-signal"] + arguments
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let temporary = try TemporaryDirectory()
    let paths = ["in", "out", "err"].map { "\(temporary.path)/\($0)" }
    for (path, bytes) in zip(paths, [input, [], []]) {
      guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
        throw Failure(description: "cannot create \(path)")
      }
    }
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: paths[0]))
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[2]))
    try process.run()
    process.waitUntilExit()
    return Program(
      status: process.terminationStatus,
      output: [UInt8](try Data(contentsOf: URL(fileURLWithPath: paths[1]))),
      errors: String(decoding: try Data(contentsOf: URL(fileURLWithPath: paths[2])), as: UTF8.self))
  }

  /// Runs `arguments` and throws what it said on stderr unless it exits 0.
  @discardableResult
  public static func check(
    _ arguments: [String], in directory: String? = nil, input: [UInt8] = [], environment: [String: String] = [:]
  ) throws -> Program {
    let program = try run(arguments, in: directory, input: input, environment: environment)
    guard program.status == 0 else {
      throw Failure(description: "\(arguments.prefix(3)) exited \(program.status): \(program.errors)\(program.text)")
    }
    return program
  }
}
