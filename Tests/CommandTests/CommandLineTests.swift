import Foundation
import TestSupport
import Testing

/// Every command as `polykey --help` tells it.
@Suite("Command line") struct CommandLineTests {
  private static let commands = [
    "init", "recover", "vault create", "vault list", "vault rename", "vault remove", "mount", "unmount", "status", "ls",
    "get", "set", "rm", "mv", "mkdir", "log", "show", "diff", "restore", "verify", "key passphrase", "key export",
    "key phrase",
    "key show", "unlock", "lock", "signers", "members", "invite", "join", "role", "remove-member", "exposed", "rotate",
    "serve", "sync", "peers", "peer add", "peer remove", "peer list", "bundle", "apply", "conflicts", "watch",
    "export", "vault upgrade", "remote add", "remote list", "remote remove", "remote sync",
  ]

  @Test func `every command has help with an example, and the help names every command`() throws {
    let installation = try Installation(empty: ())
    let help = try installation.polykey("--help").text
    for command in CommandLineTests.commands {
      let words = command.split(separator: " ").map(String.init)
      #expect(help.contains("\n  \(words[0]) "), "\(command)")
      let own = try Program.check([Installation.program] + words + ["--help"], environment: installation.environment)
      #expect(own.text.contains("Example") && own.text.contains("polykey \(command)"), "\(command): \(own.text)")
    }
    let listed = help.components(separatedBy: "SUBCOMMANDS:\n")[1].split(separator: "\n")
      .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") && !$0.hasPrefix("  See ") }.map {
        String($0.split(separator: " ")[0])
      }
    #expect(Set(listed) == Set(CommandLineTests.commands.map { String($0.split(separator: " ")[0]) }))
  }

  @Test func `errors are one sentence with the documented status`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:secret", input: "value")
    try installation.polykey("mkdir", "default:d")
    try installation.polykey("set", "default:d/x", input: "value")
    for (line, status) in [
      ("ls none:", 3), ("ls none", 3), ("ls default:none", 3), ("get default:none", 3), ("get default:d", 1),
      ("get default:secret/x", 1),
      ("rm default:none", 3), ("rm default:d", 11), ("mkdir default:d", 4), ("mkdir default:none/d", 3),
      ("mkdir -p default:secret", 4), ("mv default:none default:x", 3), ("mv default:secret other:x", 64),
      ("mv default: default:x", 64), ("rm default:", 64), ("set default:", 64), ("set default:d", 1),
      ("log default:none", 3), ("log none", 3), ("show default:secret@9999", 3), ("show default:secret@~9", 3),
      ("show default:none@~0", 3), ("show default:d@~0", 1), ("show default:secret", 64),
      ("restore default:secret@9999", 3), ("diff default 0000 1111", 3), ("verify none", 3), ("signers none", 3),
      ("vault create default", 4), ("vault create .x", 64), ("vault rename none x", 3), ("vault remove none --yes", 3),
      ("vault remove default", 64), ("unmount /none", 7), ("init --no-passphrase", 4), ("unlock --timeout 0", 64),
      ("bogus", 64), ("get", 64), ("get a b c", 64), ("get --bogus default:secret", 64),
    ] {
      let words = line.split(separator: " ").map(String.init)
      try installation.expectRefusal(words, status: Int32(status), saying: "polykey: ")
    }
    let other = try Installation(empty: ())
    try other.expectRefusal(["ls", "default:"], status: 3, saying: "polykey init")
    try other.expectRefusal(["status"], status: 3, saying: "polykey init")
    // A value given as an argument by mistake is not repeated.
    let mistake = try installation.attempt("set", "default:secret", "hunter2")
    #expect(mistake.status == 64 && mistake.isOneSentence && !mistake.errors.contains("hunter2"), "\(mistake.errors)")
  }

  @Test func `with --json each line is an object`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:d/quote\"back\\slash\ttab\nline", input: "1")
    try installation.polykey("set", "default:d/€", input: "2")
    for (command, keys) in [
      (["status"], ["keynode", "vault"]), (["vault", "list"], ["vault"]),
      (["ls", "-r", "default:"], ["path", "mode"]),
      (["log", "default"], ["version", "changes"]), (["log", "default:d/€"], ["version", "time"]),
    ] {
      let output = try Program.check(
        [Installation.program] + command + ["--json"], environment: installation.environment)
      let lines = output.text.split(separator: "\n")
      #expect(!lines.isEmpty)
      let objects = try lines.map { try json($0) }
      for key in keys { #expect(objects.contains { $0[key] != nil }, "\(command): \(key)") }
    }
    let paths = try installation.polykey("ls", "-r", "--json", "default").text.split(separator: "\n")
      .map { try json($0)["path"] as? String }
    #expect(paths.contains("d/quote\"back\\slash\ttab\nline") && paths.contains("d/€"))
    #expect(try installation.polykey("verify", "--json", "default").text.isEmpty)
  }

  @Test func `the recovery phrase brings the same keynode back`() throws {
    let first = try Installation(empty: ())
    let made = try first.polykey("init", "--no-passphrase", "--label", "laptop")
    // Whoever reads a log of it is not to have the identity.
    let node = made.text
    #expect(node.hasPrefix("node ") && node.split(separator: " ").count == 2, "\(node)")
    #expect(made.errors.contains("polykey key phrase") && made.errors.split(separator: " ").count < 24)
    let phrase = try first.polykey("key", "phrase").text
    #expect(phrase.split(separator: " ").count == 24)
    #expect(try Program.run(["grep", "-rqi", phrase, first.home]).status == 1)
    let second = try Installation(empty: ())
    #expect(try second.polykey("recover", "--no-passphrase", input: "\(phrase)\n").text == node)
    try first.polykey("vault", "create", "default")
    try first.polykey("set", "default:secret", input: "value")
    try Program.check(["cp", "-a", first.repository(), second.repository()])
    #expect(try second.polykey("get", "default:secret").text == "value")
    let mode = try FileManager.default.attributesOfItem(atPath: "\(first.home)/identity")[.posixPermissions] as? Int
    #expect(mode == 0o600)
    let wrong = phrase.split(separator: " ").reversed().joined(separator: " ")
    for words in [wrong, "", "one two", String(phrase.dropLast())] {
      let third = try Installation(empty: ())
      let recover = try third.attempt("recover", "--no-passphrase", input: words)
      #expect(recover.status == 5 && recover.isOneSentence && !FileManager.default.fileExists(atPath: third.home))
    }
  }

  @Test func `passphrases are set, changed, taken away and kept in the keyring for a while`() throws {
    let installation = try Installation()
    let first = try installation.directory.write([UInt8]("the first passphrase\nmore".utf8), to: "first")
    let second = try installation.directory.write([UInt8]("the second passphrase\r\n".utf8), to: "second")
    try installation.polykey("set", "default:secret", input: "value")
    try installation.polykey("key", "passphrase", "--new-passphrase-file", first)
    #expect(!FileManager.default.fileExists(atPath: "\(installation.home)/identity"))
    #expect(try installation.polykey("get", "default:secret", "--passphrase-file", first).text == "value")
    let environment = ["POLYKEY_PASSPHRASE_FILE": first]
    #expect(try installation.attempt("get", "default:secret", environment: environment).text == "value")
    // It is a stock age file.
    let age = try Program.run(["head", "-c", "21", "\(installation.home)/identity.age"])
    #expect(age.text == "age-encryption.org/v1")

    try installation.polykey("unlock", "--passphrase-file", first)
    #expect(try installation.polykey("get", "default:secret").text == "value")
    #expect(try installation.polykey("status").text.contains("unlocked"))
    try installation.polykey("lock")
    #expect(try installation.polykey("status").text.contains("locked"))
    try installation.expectRefusal(["verify", "default", "--passphrase-file", second], status: 5, saying: "not the")
    try installation.polykey("unlock", "--timeout", "1", "--passphrase-file", first)
    #expect(try installation.polykey("get", "default:secret").text == "value")
    try eventually { try installation.polykey("status").text.contains("passphrase, locked") }

    try installation.polykey("unlock", "--passphrase-file", first)
    try installation.polykey(
      "key", "passphrase", "--passphrase-file", first, "--new-passphrase-file", second)
    #expect(try installation.polykey("status").text.contains("passphrase, locked"))
    #expect(try installation.attempt("get", "default:secret", "--passphrase-file", first).status == 5)
    #expect(try installation.polykey("get", "default:secret", "--passphrase-file", second).text == "value")
    try installation.polykey("key", "passphrase", "--passphrase-file", second, "--no-passphrase")
    #expect(try installation.polykey("get", "default:secret").text == "value")
    #expect(!FileManager.default.fileExists(atPath: "\(installation.home)/identity.age"))
  }

  @Test func `exported keys are those that ssh-keygen and age take`() throws {
    let installation = try Installation()
    let shown = try installation.polykey("key", "show").text.split(separator: "\n")
    let key = try installation.directory.write(installation.polykey("key", "export").output, to: "key")
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    let line = try Program.check(["ssh-keygen", "-y", "-f", key]).text
    #expect(shown.contains { $0 == "ssh \(line)" }, "\(line)")
    let identity = try installation.directory.write(installation.polykey("key", "export", "--age").output, to: "id")
    let recipient = try Program.check(["age-keygen", "-y", identity]).text
    #expect(shown.contains { $0 == "age \(recipient)" })
    let sealed = try installation.directory.write(
      Program.check(["age", "-r", recipient], input: [UInt8]("for me".utf8)).output, to: "sealed")
    #expect(try Program.check(["age", "-d", "-i", identity, sealed]).text == "for me")
  }

  @Test func `secrets are set, read, listed, moved and removed without a mount`() throws {
    let installation = try Installation(vaults: ["default", "other"])
    var generator = SeededGenerator(seed: 3)
    let large = generator.bytes(2_500_000)
    let file = try installation.directory.write(large, to: "large")
    try Program.check(
      ["sh", "-c", "\"$0\" set default:a/b/large < \"$1\"", Installation.program, file],
      environment: installation.environment)
    #expect(try installation.polykey("get", "default:a/b/large").output == large)
    try installation.polykey("set", "default:a/x", input: "1")
    try installation.polykey("mkdir", "-p", "default:e/f")
    #expect(try installation.polykey("ls", "default:").text == "a/\ne/")
    #expect(try installation.polykey("ls", "-r", "default:a").text == "a/b/\na/b/large\na/x")
    try installation.polykey("mv", "default:a/x", "default:e/f")
    try installation.polykey("mv", "default:e", "default:g")
    #expect(try installation.polykey("get", "default:g/f/x").text == "1")
    try installation.polykey("rm", "-r", "default:a")
    #expect(try installation.polykey("ls", "-r", "default:").text == "g/\ng/f/\ng/f/x")
    #expect(try installation.polykey("ls", "other:").text == "")
    #expect(try installation.polykey("vault", "list").text == "default\nother")
    try installation.polykey("vault", "rename", "other", "third")
    try installation.polykey("vault", "remove", "third", "--yes")
    #expect(try installation.polykey("vault", "list").text == "default")
    try installation.polykey("verify", "default")
  }

  @Test func `versions are found across renames, and a path that is used again has the history of both`() throws {
    let installation = try Installation()
    for value in ["one\n", "two\n"] { try installation.polykey("set", "default:a", input: value) }
    try installation.polykey("mkdir", "default:d")
    try installation.polykey("mv", "default:a", "default:d/b")
    try installation.polykey("set", "default:d/b", input: "three\n")
    func letters(_ address: String) throws -> [String] {
      try installation.polykey("log", "--json", address).text.split(separator: "\n")
        .flatMap { try json($0)["changes"] as? [String] ?? [] }
    }
    #expect(try letters("default:d/b") == ["M d/b", "R a -> d/b", "M a", "A a"])
    #expect(try installation.polykey("show", "default:d/b@~3").text == "one")
    // Another secret of the old name.
    try installation.polykey("set", "default:a", input: "other\n")
    #expect(try letters("default:a").first == "A a")
    #expect(try installation.polykey("show", "default:a@~0").text == "other")
    #expect(try installation.polykey("log", "-n", "2", "default:d/b").text.split(separator: "\n").count == 2)

    let diff = try installation.polykey("diff", "default:d/b", "~3", "~0").text
    #expect(try installation.polykey("diff", "default:d/b", "@~3", "@~0").text == diff)
    #expect(diff.contains("\n-one\n+three"), "\(diff)")
    try installation.polykey("restore", "default:d/b@~3")
    #expect(try installation.polykey("get", "default:d/b").text == "one")
    #expect(try installation.polykey("show", "default:d/b@~1").text == "three")
    try installation.polykey("rm", "default:d/b")
    let log = try installation.polykey("log", "--json", "default:d/b").text.split(separator: "\n")
    #expect((try json(log[0])["changes"] as? [String]) == ["D d/b"])
    try installation.polykey("restore", "default:d/b@~1")
    #expect(try installation.polykey("get", "default:d/b").text == "one")
    let (old, new) = (
      try #require(try json(log[1])["version"] as? String), try #require(try json(log[0])["version"] as? String)
    )
    #expect(try installation.polykey("diff", "default", old, new).text == "D d/b")
    try installation.polykey("verify", "default")
  }

  @Test func `changes of the command line and of a mount show in the other at once`() throws {
    let installation = try Installation()
    try installation.mount()
    let folder = "\(installation.mountPoint)/default"
    // What the kernel then knows: contents, attributes, a listing, and that names are not there.
    try installation.shell("mkdir d; echo old > d/secret; cat d/secret; ls -l d; ! cat d/absent 2> /dev/null; ls -la")
    let inode = try Program.check(["stat", "-c", "%i", "\(folder)/d/secret"]).text
    try installation.polykey("set", "default:d/secret", input: "a longer value")
    try eventually { try installation.shell("cat d/secret").text == "a longer value" }
    #expect(try Program.check(["stat", "-c", "%i %s", "\(folder)/d/secret"]).text == "\(inode) 14")
    try installation.polykey("set", "default:d/absent", input: "there")
    try eventually { try Program.run(["cat", "\(folder)/d/absent"]).text == "there" }
    #expect(try installation.shell("ls d").text == "absent\nsecret")
    try installation.polykey("mv", "default:d/secret", "default:d/moved")
    try eventually { try installation.shell("ls d").text == "absent\nmoved" }
    #expect(try Program.run(["cat", "\(folder)/d/secret"]).status == 1)
    #expect(try Program.check(["stat", "-c", "%i", "\(folder)/d/moved"]).text == inode)
    try installation.polykey("rm", "-r", "default:d")
    try eventually { try installation.shell("ls").text == "" }
    #expect(try Program.run(["cat", "\(folder)/d/moved"]).status == 1)

    for number in 1...10 {
      try installation.shell("mkdir -p e; echo \(number) > e/f")
      #expect(try installation.polykey("get", "default:e/f").text == "\(number)")
      try installation.polykey("set", "default:e/g", input: "\(number)")
      try eventually { try Program.run(["cat", "\(folder)/e/g"]).text == "\(number)" }
    }
    // Both at once, on one directory: nothing of either gets lost.
    let group = DispatchGroup()
    DispatchQueue.global().async(group: group) {
      for number in 1...10 { _ = try? installation.polykey("set", "default:e/cli\(number)", input: "x") }
    }
    try installation.shell("for i in 1 2 3 4 5 6 7 8 9 10; do echo y > e/mount$i; sync e/mount$i; done")
    #expect(group.wait(timeout: .now() + 60) == .success)
    let names = (1...10).flatMap { ["cli\($0)", "mount\($0)"] } + ["f", "g"]
    try eventually { try Set(FileManager.default.contentsOfDirectory(atPath: "\(folder)/e")) == Set(names) }
    try installation.unmount()
    #expect(try installation.polykey("ls", "default:e").text.split(separator: "\n").count == 22)
    try installation.polykey("verify", "default")
  }

  @Test func `a passphrase is asked for on the terminal, without echo`() throws {
    let installation = try Installation(empty: ())
    let script = """
      import os, pty, sys, time
      program, arguments, answers = sys.argv[1], sys.argv[2].split(" "), sys.argv[3:]
      pid, terminal = pty.fork()
      if pid == 0: os.execv(program, [program] + arguments)
      said = b""
      try:
          while True:
              chunk = os.read(terminal, 4096)
              if not chunk: break
              said += chunk
              if said.endswith(b": ") and answers: os.write(terminal, answers.pop(0).encode() + b"\\n")
      except OSError: pass
      print(said.decode())
      sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
      """
    func run(_ arguments: String, _ answers: String...) throws -> Program {
      try Program.run(
        ["timeout", "30", "python3", "-c", script, Installation.program, arguments] + answers,
        environment: installation.environment)
    }
    let differing = try run("init", "a long passphrase", "another passphrase")
    #expect(differing.status == 5 && differing.text.contains("differ"), "\(differing.text)")
    let made = try run("init", "a long passphrase", "a long passphrase")
    #expect(made.status == 0 && made.text.contains("Recovery phrase"), "\(made.text)\(made.errors)")
    #expect(!made.text.contains("a long passphrase"))
    #expect(try run("vault create default", "a long passphrase").status == 0)
    let wrong = try run("ls default:", "a wrong passphrase")
    #expect(wrong.status == 5 && !wrong.text.contains("a wrong passphrase"), "\(wrong.text)")
    #expect(try run("mount \(installation.mountPoint)", "a long passphrase").status == 0)
    try installation.shell("echo value > secret; cat secret")
    try installation.unmount()
  }
}
