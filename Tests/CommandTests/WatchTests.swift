import Foundation
import TestSupport
import Testing

/// `polykey watch`: services hear of what changes, here or at a peer.
@Suite("polykey watch") struct WatchTests {
  private func watch(_ installation: Installation, _ arguments: String...) throws -> BackgroundProgram {
    let program = try BackgroundProgram(
      [Installation.program, "watch"] + arguments, environment: installation.environment
    ) { true }
    installation.owns(program)
    let count = arguments.prefix { !$0.hasPrefix("-") }.count
    try eventually { program.output.split(separator: "\n").count { $0.hasPrefix("watching") } == count }
    return program
  }

  /// What it said after it began.
  private func lines(_ program: BackgroundProgram) -> [String] {
    program.output.split(separator: "\n").filter { !$0.hasPrefix("watching") }.map(String.init)
  }

  @Test func `each change of what is watched is a line, and nothing else is`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:a", input: "1")
    let program = try watch(installation, "default:a", "default:d", "default:later")
    #expect(program.output.contains("watching default:d, which is not there yet"))
    var expected: [String] = []
    func expectLine(_ path: String, after arguments: String..., input: String = "") throws {
      try Program.check(
        [Installation.program] + arguments, input: [UInt8](input.utf8), environment: installation.environment)
      expected.append("default:\(path)")
      try eventually { lines(program) == expected }
    }
    try expectLine("a", after: "set", "default:a", input: "2")
    try installation.polykey("set", "default:other", input: "2")
    // Encrypted anew, but the same.
    try installation.polykey("rotate", "default", "--re-encrypt")
    try expectLine("a", after: "set", "default:a", input: "3")
    try expectLine("d", after: "mkdir", "default:d")
    try expectLine("d/x", after: "set", "default:d/x", input: "3")
    try expectLine("later", after: "mv", "default:other", "default:later")
    try expectLine("later", after: "rm", "default:later")
    try expectLine("d/x", after: "rm", "default:d/x")
  }

  @Test func `of a vault that is removed the end is told, and nothing of it is made again`() throws {
    let installation = try Installation(vaults: ["default", "other", "third"])
    let program = try watch(installation, "default:", "other:", "third:")
    try installation.polykey("vault", "remove", "default", "--yes")
    try eventually { lines(program) == ["polykey: the vault default is gone, and not watched any more"] }
    // As anybody may; it fails if a directory comes back.
    try Program.check(["rm", "-r", installation.repository("other")])
    try eventually { lines(program).last == "polykey: the vault other is gone, and not watched any more" }
    try installation.polykey("set", "third:a", input: "1")
    try eventually { lines(program).last == "third:a" }
    #expect(lines(program).count == 3)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(installation.home)/vaults") == ["third.git"])
  }

  @Test func `a command has the address, never the value; its failure ends nothing`() throws {
    let installation = try Installation()
    let program = try watch(
      installation, "default:", "--exec",
      "env > \(installation.directory("env")); echo \"told $POLYKEY_CHANGED\"; exit 3")
    for value in ["one-value", "two-value"] {
      let before = lines(program).count
      try installation.polykey("set", "default:db/password", input: value)
      try eventually { lines(program).dropFirst(before).contains("polykey: the command ended with status 3") }
      #expect(lines(program).dropFirst(before).first == "told default:db\(before == 0 ? "" : "/password")")
    }
    let environment = try String(contentsOfFile: installation.directory("env"), encoding: .utf8)
    #expect(environment.contains("POLYKEY_CHANGED=default:db/password") && !environment.contains("-value"))
    #expect(kill(program.processIdentifier, SIGTERM) == 0)
    #expect(program.waitForEnd() == 0)
  }

  @Test func `names that are too long for the environment are on standard input, each a line`() throws {
    let installation = try Installation()
    let (list, variable) = (installation.directory("list"), installation.directory("variable"))
    let program = try watch(
      installation, "default:", "--exec", "cat > \(list); printf %s \"$POLYKEY_CHANGED\" > \(variable); echo done")
    func texts() throws -> (list: String, variable: String) {
      (try String(contentsOfFile: list, encoding: .utf8), try String(contentsOfFile: variable, encoding: .utf8))
    }
    try installation.polykey("set", "default:a\nb", input: "1")
    try eventually { lines(program).count == 1 }
    #expect(try texts() == ("\"default:a\\nb\"\n", "\"default:a\\nb\""))
    // One commit of 20 names of 8,000 bytes.
    let folder = Array(repeating: String(repeating: "x", count: 250), count: 31).joined(separator: "/")
    try installation.polykey("mkdir", "-p", "default:d/\(folder)")
    try eventually { try texts().list.contains("xx\n") }
    for number in 0..<20 { try installation.polykey("set", "default:d/\(folder)/\(number)", input: "1") }
    try eventually { try texts().list.contains("/19\n") }
    try installation.polykey("mv", "default:d", "default:e")
    try eventually { try texts().list.contains("default:e/\(folder)/19\n") }
    let told = try texts()
    #expect(told.variable.isEmpty && told.list.utf8.count > 131_072 && !told.list.contains("\n\n"))
    #expect((0..<20).allSatisfy { told.list.contains("default:d/\(folder)/\($0)\n") })
  }

  @Test func `wrong usage is told`() throws {
    let installation = try Installation()
    for arguments in [
      ["watch"], ["watch", "default:a", "--signal", "HUP"], ["watch", "default:a", "--signal", "NONE", "1"],
      ["watch", "default:a", "--signal", "HUP", "-1"], ["watch", "default:a", "--exec", "true", "--reload", "x"],
    ] { try installation.expectRefusal(arguments, status: 64, saying: "polykey: ") }
    try installation.expectRefusal(["watch", "none:a"], status: 3, saying: "no vault")
  }

  /// A service that reads its secret at the start and at each SIGHUP, and notes it.
  private static let service = """
    import os, signal, sys
    secret, log = sys.argv[1:3]
    def load(*_):
        with open(secret) as file, open(log, "a") as seen: seen.write(file.read() + "\\n")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    load()
    while True:
        signal.sigwait([signal.SIGHUP])
        load()
    """

  @Test func `a service gets each of twenty rotations that a peer makes, by a signal`() throws {
    let (first, second) = try Installation.pair()
    try first.polykey("set", "default:tls/key", input: "0")
    try first.carry(to: second)
    let port = try freePort()
    let server = try first.serve(at: port)
    try second.polykey("peer", "add", "first", "127.0.0.1:\(port)")
    try second.mount()
    try eventually { try second.polykey("peers").text.contains("connected") }
    let log = second.directory("seen")
    func seen() -> [String] {
      ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }
    let service = try BackgroundProgram(
      ["python3", "-c", WatchTests.service, "\(second.vaultDirectory)/tls/key", log]) { seen() == ["0"] }
    let file = try second.directory.write([UInt8]("\(service.processIdentifier)\n".utf8), to: "pid")
    let program = try watch(second, "default:tls", "--signal", "HUP", file)
    for rotation in 1...20 {
      try first.polykey("set", "default:tls/key", input: "\(rotation)")
      try eventually { seen().last == "\(rotation)" }
    }
    #expect(seen() == (0...20).map(String.init))
    #expect(lines(program).isEmpty)
    withExtendedLifetime((server, service)) {}
  }

  @Test func `without a mount a command gets each of twenty rotations that a peer makes`() throws {
    let (first, second) = try Installation.pair()
    let port = try freePort()
    try second.polykey("peer", "add", "first", "127.0.0.1:\(port)")
    let servers = [try first.serve(at: port), try second.serve(at: try freePort())]
    let log = second.directory("seen")
    func seen() -> [String] {
      ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }
    let program = try watch(
      second, "default:tls/key", "--exec", "\(Installation.program) get \"$POLYKEY_CHANGED\" >> \(log); echo >> \(log)")
    for rotation in 1...20 {
      try first.polykey("set", "default:tls/key", input: "\(rotation)")
      try eventually { seen().last == "\(rotation)" }
    }
    #expect(seen() == (1...20).map(String.init))
    #expect(lines(program).isEmpty)
    withExtendedLifetime(servers) {}
  }

  @Test func `a unit is reloaded, once for changes that come together`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:d/x", input: "1")
    let tools = installation.directory("tools")
    try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: false)
    let script = try installation.directory.write(
      [UInt8]("#!/bin/sh\necho \"asked to $*\"\n".utf8), to: "tools/systemctl")
    try Program.check(["chmod", "755", script])
    let program = try BackgroundProgram(
      [Installation.program, "watch", "default:", "--reload", "app.service"],
      environment: installation.environment.merging(["PATH": "\(tools):/usr/bin:/bin"]) { $1 }
    ) { true }
    try eventually { program.output.contains("watching") }
    try installation.polykey("set", "default:d/x", input: "2")
    try eventually { lines(program).last == "asked to reload -- app.service" }
    let before = lines(program).count
    // One version that changes four places.
    try installation.polykey("mv", "default:d", "default:e")
    try eventually { lines(program).count > before }
    #expect(lines(program).count == before + 1)
  }
}
