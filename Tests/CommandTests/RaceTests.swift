import Foundation
import Synchronization
import TestSupport
import Testing

/// Several who do one thing at a time: one wins, the others say so, and nothing is damaged.
@Suite("Races") struct RaceTests {
  /// Runs a command several times at once.
  private func race(_ commands: [[String]], _ installation: Installation) throws -> [Program] {
    let gate = installation.directory("gate")
    try Program.check(["mkfifo", gate])
    defer { try? FileManager.default.removeItem(atPath: gate) }
    // Each waits at the gate, which opens for all at once.
    let results = Mutex<[Int: Program]>([:])
    let threads = DispatchGroup()
    for (index, command) in commands.enumerated() {
      let thread = Thread { [environment = installation.environment] in
        let program = try? Program.run(
          ["sh", "-c", "read line < \"$0\"; exec \"$@\"", gate, Installation.program] + command,
          environment: environment)
        results.withLock { $0[index] = program }
        threads.leave()
      }
      threads.enter()
      thread.start()
    }
    // Opened for writing it lets those in who wait, and closed it lets them go on; who comes later is let in next time.
    while threads.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
      let descriptor = unsafe open(gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      if descriptor >= 0 { close(descriptor) }
    }
    return try (0..<commands.count).map { index in try #require(results.withLock { $0[index] }) }
  }

  /// Expects that one of them succeeded, and that each other said why not in a sentence.
  private func expectOneWinner(_ programs: [Program], status: Int32, saying words: String) throws -> Int {
    let winners = programs.indices.filter { programs[$0].status == 0 }
    #expect(winners.count == 1, "\(programs.map { "\($0.status) \($0.errors)" })")
    for program in programs where program.status != 0 {
      #expect(
        program.status == status && program.errors.contains(words) && program.isOneSentence,
        "\(program.status) \(program.errors)")
    }
    return try #require(winners.first)
  }

  @Test func `a vault of one name is made once`() throws {
    let installation = try Installation(vaults: [])
    for round in 0..<3 {
      let programs = try race(Array(repeating: ["vault", "create", "v\(round)"], count: 4), installation)
      _ = try expectOneWinner(programs, status: 4, saying: "already")
      try installation.polykey("set", "v\(round):x", input: "value")
      try installation.polykey("verify", "v\(round)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(installation.home)/vaults")
    #expect(names.sorted() == ["v0.git", "v1.git", "v2.git"])
  }

  @Test func `vaults of several names are made at a time, and what a killed maker left goes`() throws {
    let installation = try Installation(vaults: [])
    for name in [".draft-killed", ".new-abcdefgh-old", ".joining-abcdefgh-old", ".bundle-abcdefgh-old", ".removed-old"]
    {
      try Program.check(["mkdir", "-p", "\(installation.home)/vaults/\(name)/repository/objects"])
    }
    let programs = try race((0..<4).map { ["vault", "create", "v\($0)"] }, installation)
    #expect(programs.allSatisfy { $0.status == 0 }, "\(programs.map(\.errors))")
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(installation.home)/vaults")
    #expect(names.sorted() == ["v0.git", "v1.git", "v2.git", "v3.git"])
    for number in 0..<4 { try installation.polykey("verify", "v\(number)") }
  }

  @Test func `a keynode is made once, and its phrase is its own`() throws {
    for round in 0..<3 {
      let installation = try Installation(empty: ())
      let passphrase = try installation.directory.write([UInt8]("correct horse battery\n".utf8), to: "passphrase")
      let protected = ["init", "--passphrase-file", passphrase]
      let plain = ["init", "--no-passphrase"]
      let programs = try race(
        round == 0 ? [plain, plain, plain, plain] : [plain, protected, plain, protected], installation)
      let winner = programs[try expectOneWinner(programs, status: 4, saying: "there is a keynode")]
      let phrase = try installation.polykey("key", "phrase", "--passphrase-file", passphrase).text
      #expect(phrase.split(separator: " ").count == 24)
      for program in programs where program.status != 0 { #expect(program.output.isEmpty) }
      let files = try FileManager.default.contentsOfDirectory(atPath: installation.home)
      #expect(files.count { $0.hasPrefix("identity") } == 2, "\(files)")
      let shown = try installation.polykey("key", "show", "--passphrase-file", passphrase).text
      let pub = try String(contentsOfFile: "\(installation.home)/identity.pub", encoding: .utf8)
      #expect(pub == "\(shown)\n" && winner.text.hasPrefix(String(shown.prefix(57))))
      let other = try Installation(empty: ())
      let recovered = try other.polykey("recover", "--no-passphrase", input: "\(phrase)\n").text
      #expect(shown.hasPrefix(recovered))
    }
  }

  @Test func `an identity whose passphrase several change at a time is never gone`() throws {
    let installation = try Installation()
    let passphrase = try installation.directory.write([UInt8]("correct horse battery\n".utf8), to: "passphrase")
    let change = ["key", "passphrase", "--passphrase-file", passphrase]
    _ = try race([change + ["--new-passphrase-file", passphrase]], installation)
    // As of a killed process.
    for name in ["identity.new", "identity.age.new"] {
      try Data().write(to: URL(fileURLWithPath: "\(installation.home)/\(name)"))
    }
    for _ in 0..<3 {
      _ = try race([change + ["--no-passphrase"], change + ["--new-passphrase-file", passphrase]], installation)
      try installation.polykey("ls", "default:", "--passphrase-file", passphrase)
      let files = try FileManager.default.contentsOfDirectory(atPath: installation.home)
      #expect(files.count { $0.hasPrefix("identity") } == 2, "\(files)")
    }
  }

  @Test func `a vault is renamed or removed once`() throws {
    let installation = try Installation(vaults: ["a", "b"])
    let renames = try race([["vault", "rename", "a", "x"], ["vault", "rename", "a", "y"]], installation)
    _ = try expectOneWinner(renames, status: 3, saying: "no vault of that name")
    let name = try installation.polykey("vault", "list").text.split(separator: "\n").first { $0 != "b" }
    let onto = try race(
      [["vault", "rename", String(name ?? ""), "z"], ["vault", "rename", "b", "z"]], installation)
    _ = try expectOneWinner(onto, status: 4, saying: "already")
    try installation.polykey("set", "z:secret", input: "value")
    let removals = try race(Array(repeating: ["vault", "remove", "z", "--yes"], count: 3), installation)
    _ = try expectOneWinner(removals, status: 3, saying: "no vault of that name")
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(installation.home)/vaults").count == 1)
  }

  @Test func `a vault is joined once by two at a time`() throws {
    let (first, second) = (try Installation(), try Installation(vaults: []))
    try first.polykey("set", "default:x", input: "value")
    let inviter = try BackgroundProgram(
      [Installation.program, "invite", "default", "--role", "writer", "--wait", "--listen", "127.0.0.1:0"],
      environment: first.environment
    ) { true }
    try eventually { inviter.output.contains("@") && inviter.output.hasSuffix("\n") }
    let code = try #require(inviter.output.split(separator: "\n").first { $0.hasPrefix("polykey:") })
    let programs = try race([["join", String(code)], ["join", String(code)]], second)
    #expect(programs.contains { $0.status == 0 }, "\(programs.map(\.errors))")
    // Who comes late finds the vault, or the inviter gone.
    #expect(programs.allSatisfy { [0, 4, 9].contains($0.status) }, "\(programs.map(\.errors))")
    #expect(try second.polykey("get", "default:x").text == "value")
    try second.polykey("verify", "default")
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(second.home)/vaults") == ["default.git"])
  }

  @Test func `a bundle is taken once, and a peer that is added is not forgotten`() throws {
    let (first, second) = try Installation.pair()
    try first.polykey("set", "default:x", input: "value")
    let file = first.directory("vault.bundle")
    try first.polykey("bundle", "default", file)
    try second.polykey("vault", "remove", "default", "--yes")
    let programs = try race(Array(repeating: ["apply", "default", file], count: 3), second)
    // Who comes late finds the vault, and nothing new.
    #expect(programs.contains { $0.status == 0 })
    #expect(programs.allSatisfy { [0, 4].contains($0.status) }, "\(programs.map(\.errors))")
    #expect(try second.polykey("get", "default:x").text == "value")
    try second.polykey("verify", "default")
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(second.home)/vaults") == ["default.git"])

    let added = try race((1...6).map { ["peer", "add", "p\($0)", "127.0.0.1:\($0)"] }, second)
    #expect(added.allSatisfy { $0.status == 0 }, "\(added.map(\.errors))")
    let peers = try second.polykey("peer", "list").text
    #expect((1...6).allSatisfy { peers.contains("p\($0)  127.0.0.1:\($0)") }, "\(peers)")
  }
}

/// The identity is for one process alone.
@Suite("The identity's privacy") struct IdentityPrivacyTests {
  @Test func `a mount's process asks for the identity when it cannot be read by others any more`() throws {
    let installation = try Installation()
    // As `polykey mount` starts it. The limit on core dumps is set before dumps, and reading by others, are forbidden.
    let script = """
      import os, socket, subprocess, sys
      program, directory, identity = sys.argv[1:]
      ours, theirs = socket.socketpair()
      ready, tell = os.pipe()
      os.dup2(theirs.fileno(), 33); os.dup2(tell, 34)
      child = subprocess.Popen(
          [program, "mount", directory, "--foreground", "--identity-descriptor", "33", "--ready-descriptor", "34"],
          pass_fds=[33, 34])
      theirs.close(); os.close(tell); os.close(33); os.close(34)
      assert len(ours.recv(1)) == 1
      limits = open(f"/proc/{child.pid}/limits").read().splitlines()
      assert [line.split()[4] for line in limits if line.startswith("Max core file size")] == ["0"], limits
      assert os.stat(f"/proc/{child.pid}/fd").st_uid == 0
      try: open(f"/proc/{child.pid}/fd/33")
      except OSError: pass
      else: assert False, "the socket was opened"
      ours.sendall(open(identity, "rb").read())
      ours.close()
      said = os.read(ready, 100)
      assert said == b"0", said
      child.terminate()
      assert child.wait() == 0
      """
    try FileManager.default.createDirectory(atPath: installation.mountPoint, withIntermediateDirectories: true)
    try Program.check(
      [
        "timeout", "60", "python3", "-c", script, Installation.program, installation.mountPoint,
        "\(installation.home)/identity",
      ], environment: installation.environment)
  }

  @Test func `an identity or a keynode that others may read is told`() throws {
    let installation = try Installation()
    let identity = "\(installation.home)/identity"
    #expect(try installation.attempt("ls", "default:").errors.isEmpty)
    for (mode, path, words) in [(0o640, identity, "chmod 600"), (0o755, installation.home, "chmod 700")] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      for command in [["ls", "default:"], ["status"]] {
        let program = try Program.run([Installation.program] + command, environment: installation.environment)
        #expect(program.status == 0 && program.errors.contains("\(words) \(path)"), "\(program.errors)")
      }
      let mount = try Program.check(
        [Installation.program, "mount", installation.mountPoint], environment: installation.environment)
      #expect(mount.errors.split(separator: "\n").count == 1, "\(mount.errors)")
      try installation.unmount()
      try FileManager.default.setAttributes(
        [.posixPermissions: path == identity ? 0o600 : 0o700], ofItemAtPath: path)
    }
    #expect(try installation.attempt("ls", "default:").errors.isEmpty)
  }
}
