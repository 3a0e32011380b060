import Foundation
import TestSupport
import Testing

/// `polykey invite --wait` and `polykey join` over loopback.
@Suite("Joining from the command line", .serialized) struct JoiningTests {
  /// Starts `invite --wait` and returns it with the code that it printed.
  private func invite(
    _ inviter: Installation, _ flags: String..., role: String = "writer"
  ) throws -> (program: BackgroundProgram, code: String) {
    let program = try BackgroundProgram(
      [Installation.program, "invite", "default", "--role", role, "--wait", "--listen", "127.0.0.1:0"] + flags,
      environment: inviter.environment
    ) { true }
    func code() -> Substring? {
      program.output.split(separator: "\n").first { $0.hasPrefix("polykey:") && $0.contains("@") }
    }
    try eventually { code() != nil && program.output.hasSuffix("\n") }
    return (program, String(code() ?? ""))
  }

  private func members(_ installation: Installation) throws -> Int {
    try installation.polykey("members", "default", "--json").text.split(separator: "\n").count
  }

  @Test func `invite --wait ends when the member that joined has everything, however quick it is`() throws {
    let owner = try Installation()
    try owner.polykey("set", "default:key", input: "1")
    for number in 0..<12 {
      let joiner = try Installation(vaults: [])
      let (waiting, code) = try invite(owner, role: number % 3 == 0 ? "replica" : "reader")
      try joiner.polykey("join", code)
      #expect(waiting.waitForEnd() == 0, "\(waiting.output)")
    }
    #expect(try members(owner) == 13)
  }

  @Test func `a name that is taken is said before anybody is admitted, and a suggested one gets a number`() throws {
    let (owner, joiner) = (try Installation(), try Installation())
    let (waiting, code) = try invite(owner)
    let taken = try joiner.attempt("join", code, "--name", "default")
    #expect(taken.status == 4 && taken.isOneSentence && taken.errors.contains("default"))
    #expect(try joiner.attempt("join", code, "--name", "../x").status == 64)
    #expect(try joiner.attempt("join", code, "--mount", "/proc/version").status == 7)
    #expect(try joiner.attempt("join", code, "--mount", "/nowhere/at/all").status == 7)
    #expect(try members(owner) == 1)
    // The inviter calls it default, as the joiner does another vault.
    let joined = try joiner.attempt("join", code)
    #expect(joined.status == 0 && joined.errors.contains("joined default-2 as writer"), "\(joined.errors)")
    #expect(waiting.waitForEnd() == 0)
    #expect(try joiner.polykey("vault", "list").text.contains("default-2"))
    // The same vault is not taken in under a second name.
    let (again, second) = try invite(owner)
    defer { again.end() }
    let other = try joiner.attempt("join", second, "--name", "other")
    #expect(other.status == 4 && other.errors.contains("default-2"), "\(other.errors)")
    #expect(try !joiner.polykey("vault", "list").text.contains("other"))
  }

  @Test(.enabled(if: SmallDisk.isPossible, "mounting needs root"))
  func `a disk without room is said before anybody is admitted`() throws {
    guard let disk = try SmallDisk(size: "8m") else { return }
    let owner = try Installation()
    let environment = ["POLYKEY_HOME": disk("home"), "HOME": owner.directory.path, "LC_ALL": "C.UTF-8"]
    try Program.check([Installation.program, "init", "--no-passphrase"], environment: environment)
    try Program.check(["dd", "if=/dev/zero", "of=\(disk("filler"))", "bs=1M", "count=6", "status=none"])
    let (waiting, code) = try invite(owner)
    let full = try Program.run([Installation.program, "join", code], environment: environment)
    #expect(full.status == 8 && full.isOneSentence, "\(full.errors)")
    #expect(try members(owner) == 1)
    try Program.check(["rm", disk("filler")])
    try Program.check([Installation.program, "join", code], environment: environment)
    #expect(waiting.waitForEnd() == 0)
  }

  @Test func `join --mount asks for the passphrase once`() throws {
    let (owner, joiner) = (try Installation(), try Installation(empty: ()))
    let file = try joiner.directory.write([UInt8]("correct horse battery\n".utf8), to: "passphrase")
    try joiner.polykey("init", "--passphrase-file", file)
    let (waiting, code) = try invite(owner)
    let script = """
      import os, pty, sys
      process, terminal = pty.fork()
      if process == 0: os.execvp(sys.argv[1], sys.argv[1:])
      said, asked = b"", 0
      while True:
        try: more = os.read(terminal, 1024)
        except OSError: break
        if not more: break
        said += more
        if said.count(b"assphrase: ") > asked:
          asked += 1
          os.write(terminal, b"correct horse battery\\n")
      print(asked, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
      print(said.decode())
      """
    let mount = joiner.directory("mnt")
    let asked = try Program.check(
      ["timeout", "120", "python3", "-c", script, Installation.program, "join", code, "--mount", mount, "--offline"],
      environment: joiner.environment)
    #expect(asked.text.hasPrefix("1 0\n"), "\(asked.text)")
    #expect(waiting.waitForEnd() == 0)
    try owner.polykey("set", "default:key", input: "1")
    #expect(try Program.check(["findmnt", "-n", mount]).text.contains("polykey"))
    try joiner.polykey("unmount", mount)
  }

  @Test func `the log of a mount is begun anew when it is full, and one older file is kept`() throws {
    let (owner, joiner) = (try Installation(), try Installation(vaults: []))
    let state = "\(owner.home)/state"
    let port = try freePort()
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    try Program.check(["sh", "-c", "yes old | head -c 2000000 > '\(state)/mount.log'; chmod 600 '\(state)/mount.log'"])
    try owner.mount("--listen", "127.0.0.1:\(port)")
    let code = try owner.polykey("invite", "default", "--role", "reader").text
    try joiner.polykey("join", code)
    func size(_ name: String) -> Int {
      (try? FileManager.default.attributesOfItem(atPath: "\(state)/\(name)"))?[.size] as? Int ?? -1
    }
    try eventually("a new one is begun") { size("mount.log.1") == 2_000_000 }
    let log = try String(contentsOfFile: "\(state)/mount.log", encoding: .utf8)
    #expect(log.contains("has joined default as reader") && log.utf8.count < 1000)
    try owner.unmount()
  }
}
