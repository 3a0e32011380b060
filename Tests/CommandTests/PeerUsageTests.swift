import Foundation
import TestSupport
import Testing

/// The commands about peers, used wrongly or where they cannot work.
@Suite("Peers: wrong usage") struct PeerUsageTests {
  @Test func `each mistake is one sentence with its documented status`() throws {
    let installation = try Installation()
    let free = try freePort()
    for (line, status, words) in [
      ("members", 64, "<vault>"), ("invite default", 64, "--role"), ("join", 64, "<code>"),
      ("role default", 64, "<member>"),
      ("remove-member default", 64, "<member>"), ("sync", 64, "<vault>"), ("peer add bob", 64, "<address>"),
      ("members none", 3, "vault list"), ("invite none --role reader", 3, "vault list"),
      ("role none x reader", 3, "vault list"), ("remove-member none x", 3, "vault list"),
      ("exposed none", 3, "vault list"), ("rotate none", 3, "vault list"), ("sync none", 3, "vault list"),
      ("serve none", 3, "none"), ("bundle none /none", 3, "vault list"),
      ("role default nobody reader", 3, "polykey members"), ("remove-member default nobody", 3, "polykey members"),
      ("role default nobody king", 64, "king"), ("sync default nobody", 3, "peer list"),
      ("sync default 192.0.2.7", 3, "HOST:PORT"),
      ("sync default --push --pull", 64, "not both"), ("sync default", 9, "peer add"),
      ("sync default 127.0.0.1:\(free)", 9, "connection refused"),
      ("sync default nohost.invalid:7420", 9, "no such host"), ("join junk", 64, "pairing code"),
      ("join -", 64, "pairing code"),
      ("invite default --role reader", 9, "--listen"), ("invite default --role reader --expires soon", 64, "30m"),
      ("peer add bob junk", 64, "HOST:PORT"), ("peer add bob 127.0.0.1:1 --node x", 64, "52 characters"),
      ("peer remove bob", 3, "peer list"), ("serve --listen junk", 64, "HOST:PORT"),
      ("serve --listen 127.0.0.1:1 --offline", 64, "not both"),
    ] {
      try installation.expectRefusal(line.split(separator: " ").map(String.init), status: Int32(status), saying: words)
    }
    let nobody = try Installation(empty: ())
    for line in ["members default", "peers", "peer list", "peer add bob 127.0.0.1:1", "peer remove bob", "serve"] {
      try nobody.expectRefusal(line.split(separator: " ").map(String.init), status: 3, saying: "polykey init")
    }
  }

  @Test func `a port that is taken is told by all that would listen there`() throws {
    let installation = try Installation()
    let port = try freePort()
    let server = try installation.serve(at: port)
    try FileManager.default.createDirectory(atPath: installation.mountPoint, withIntermediateDirectories: true)
    for command in [
      ["serve"], ["mount", installation.mountPoint], ["invite", "default", "--role", "reader", "--wait"],
    ] {
      try installation.expectRefusal(
        command + ["--listen", "127.0.0.1:\(port)"], status: 9, saying: "address already in use")
    }
    // Nothing of the mount is left, not even a dead one.
    #expect(try FileManager.default.contentsOfDirectory(atPath: installation.mountPoint).isEmpty)
    try installation.mount()
    withExtendedLifetime(server) {}
  }

  @Test(.enabled(if: getuid() == 0, "a read-only mount needs root"))
  func `where nothing can be written a code is not used up`() throws {
    let (first, second) = (try Installation(), try Installation(vaults: []))
    let port = try freePort()
    let server = try first.serve(at: port)
    let code = try first.polykey("invite", "default", "--role", "writer").text
    // In a mount namespace of its own, which ends with the program.
    let script = """
      mount --bind "$POLYKEY_HOME" "$POLYKEY_HOME"
      mount -o remount,bind,ro "$POLYKEY_HOME"
      exec "$@"
      """
    for command in [["join", code], ["peer", "add", "bob", "127.0.0.1:1"]] {
      let refused = try Program.run(
        ["unshare", "-m", "sh", "-euc", script, "sh", Installation.program] + command, environment: second.environment)
      #expect(
        refused.status == 1 && refused.isOneSentence && refused.errors.contains("read-only file system"),
        "\(refused.errors)")
    }
    try second.polykey("join", code)
    withExtendedLifetime(server) {}
  }

  @Test func `exchanges at the same time do not disturb each other`() throws {
    let (first, second) = try Installation.pair()
    let remote = first.directory("remote.git")
    try Program.check(["git", "init", "-q", "--bare", remote])
    let port = try freePort()
    let server = try first.serve(at: port)
    try second.polykey("set", "default:large", input: String(repeating: "x", count: 1_000_000))
    let address = "127.0.0.1:\(port)"
    for installation in [first, second] { try installation.polykey("remote", "add", "default", "backup", remote) }
    for command in [["sync", "default", address], ["remote", "sync", "default"]] {
      let programs = try (0..<3).map { _ in
        try BackgroundProgram([Installation.program] + command, environment: second.environment) { true }
      }
      for program in programs { #expect(program.waitForEnd() == 0, "\(command): \(program.output)") }
    }
    // Two members at one remote.
    try first.polykey("set", "default:a", input: "1")
    try second.polykey("set", "default:b", input: "2")
    let programs = try [first, second, first, second].map { installation in
      try BackgroundProgram(
        [Installation.program, "remote", "sync", "default"], environment: installation.environment
      ) { true }
    }
    for program in programs { #expect(program.waitForEnd() == 0, "\(program.output)") }
    for installation in [first, second, first] { try installation.polykey("remote", "sync", "default") }
    for installation in [first, second] {
      #expect(try installation.polykey("ls", "default:").text == "a\nb\nlarge")
      try installation.polykey("verify", "default")
    }
    withExtendedLifetime(server) {}
  }
}
