import Foundation
import TestSupport
import Testing

/// Identities, state and disks that are not as they should be.
@Suite("Bad input") struct BadInputTests {
  @Test func `a wrong passphrase is refused, and the right one goes on working`() throws {
    let installation = try Installation(empty: ())
    let right = try installation.directory.write([UInt8]("correct horse battery\n".utf8), to: "right")
    let wrong = try installation.directory.write([UInt8]("correct horse buttery\n".utf8), to: "wrong")
    let short = try installation.directory.write([UInt8]("short\n".utf8), to: "short")
    let empty = try installation.directory.write([], to: "empty")
    try installation.expectRefusal(["init", "--passphrase-file", short], status: 5, saying: "at least 8 bytes")
    try installation.polykey("init", "--passphrase-file", right)
    try installation.polykey("vault", "create", "default", "--passphrase-file", right)
    for command in [["ls", "default:"], ["verify", "default"], ["unlock"], ["mount", installation.mountPoint]] {
      try installation.expectRefusal(command + ["--passphrase-file", wrong], status: 5, saying: "not the passphrase")
      try installation.expectRefusal(command + ["--passphrase-file", empty], status: 5, saying: "empty")
    }
    try installation.expectRefusal(
      ["ls", "default:", "--passphrase-file", "/nowhere"], status: 5, saying: "no such file")
    // Without a terminal there is nobody to ask.
    let asked = try Program.run(
      ["setsid", "-w", Installation.program, "ls", "default:"], environment: installation.environment)
    #expect(asked.status == 5 && asked.errors.contains("polykey unlock") && asked.isOneSentence, "\(asked.errors)")
    #expect(try installation.polykey("ls", "default:", "--passphrase-file", right).text == "")
  }

  @Test func `another keynode's identity opens no vault`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:secret", input: "value")
    let other = try Installation(vaults: [])
    try Program.check(["cp", "-a", installation.repository(), other.repository()])
    for arguments in [
      ["ls", "default:"], ["get", "default:secret"], ["set", "default:x"], ["log", "default"], ["verify", "default"],
      ["mount", "default", other.mountPoint],
    ] {
      try other.expectRefusal(arguments, status: 5, saying: "not a member")
    }
    #expect(try installation.polykey("get", "default:secret").text == "value")
  }

  @Test func `a corrupt identity is a clear error, and the copy put back works`() throws {
    let installation = try Installation()
    let path = "\(installation.home)/identity"
    let sound = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var generator = SeededGenerator(seed: 1)
    var flipped = sound
    flipped[40] = flipped[40] == 0x51 ? 0x50 : 0x51
    for bytes in [
      [], [UInt8]("nonsense\n".utf8), Array(sound.dropLast(9)), flipped, sound + sound, generator.bytes(99_999),
    ] {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      for arguments in [["ls", "default:"], ["status"], ["key", "show"], ["mount", installation.mountPoint]] {
        try installation.expectRefusal(arguments, status: 5, saying: "not an age identity")
      }
    }
    try Data(sound).write(to: URL(fileURLWithPath: path))
    #expect(try installation.polykey("ls", "default:").text == "")
  }

  @Test func `a corrupt protected identity is a clear error`() throws {
    let installation = try Installation(empty: ())
    let passphrase = try installation.directory.write([UInt8]("correct horse battery\n".utf8), to: "passphrase")
    try installation.polykey("init", "--passphrase-file", passphrase)
    let path = "\(installation.home)/identity.age"
    let sound = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var flipped = sound
    flipped[sound.count - 5] ^= 1
    for bytes in [[], Array(sound.dropLast(9)), flipped, [UInt8]("age-encryption.org/v1\n".utf8)] {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      let show = try installation.attempt("key", "show", "--passphrase-file", passphrase)
      #expect(show.status == 5 && show.isOneSentence, "\(show.errors)")
    }
  }

  @Test func `nothing depends on identity.pub or on the state`() throws {
    let installation = try Installation()
    var generator = SeededGenerator(seed: 2)
    let hostile: [[UInt8]] = [
      [], generator.bytes(200_000), [UInt8]("node x\nlabel \u{1B}[31m\nssh ssh-ed25519 AAAA\n".utf8),
    ]
    for bytes in hostile {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(installation.home)/identity.pub"))
      try installation.polykey("status")
      #expect(try installation.polykey("key", "show").text.hasPrefix("node "))
    }
    try FileManager.default.removeItem(atPath: "\(installation.home)/identity.pub")
    try FileManager.default.removeItem(atPath: "\(installation.home)/state")
    try installation.mount()
    try installation.shell("echo value > secret")
    try installation.unmount()

    // Records and caches that say anything at all, those of living processes of others among them.
    let mounts = "\(installation.home)/state/mounts"
    for (name, bytes) in [
      ("1", [UInt8]("default\n/".utf8)), ("99999999", generator.bytes(9000)), ("-5", []), ("not a number", []),
      ("\(getpid())", [UInt8]("\n\(installation.mountPoint)".utf8)),
    ] { try Data(bytes).write(to: URL(fileURLWithPath: "\(mounts)/\(name)")) }
    for file in try FileManager.default.subpathsOfDirectory(atPath: "\(installation.home)/state")
    where !file.hasPrefix("mount") {
      let path = "\(installation.home)/state/\(file)"
      var isDirectory: ObjCBool = false
      if unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
        try Data(generator.bytes(5000)).write(to: URL(fileURLWithPath: path))
      }
    }
    #expect(try installation.polykey("status").text.contains("default: not mounted"))
    try installation.mount()
    #expect(try installation.shell("cat secret").text == "value")
    try installation.unmount()
    try FileManager.default.removeItem(atPath: "\(installation.home)/state")
    #expect(try installation.polykey("get", "default:secret").text == "value")
    try installation.polykey("verify", "default")
  }

  @Test(.enabled(if: geteuid() == 0))
  func `a full disk is ENOSPC to the writer, loses nothing, and goes on when there is space`() throws {
    let installation = try Installation(empty: ())
    try FileManager.default.createDirectory(atPath: installation.home, withIntermediateDirectories: false)
    try Program.check(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", installation.home])
    defer {
      _ = try? installation.attempt("unmount", installation.mountPoint)
      _ = try? Program.run(["umount", "-l", installation.home])
    }
    try installation.polykey("init", "--no-passphrase")
    try installation.polykey("vault", "create", "default")
    try installation.mount()
    try installation.shell("mkdir d; echo one > d/secret; echo two > d/secret; echo other > other")
    // Filled by the mount itself: removals and renames still find room.
    let filling = try Program.run(
      ["bash", "-c", "head -c 20000000 /dev/urandom > filling"], in: "\(installation.mountPoint)/default",
      environment: installation.environment)
    #expect(filling.status != 0 && filling.errors.contains("No space left on device"), "\(filling.errors)")
    try installation.shell("mv other another; mv another other; echo x > filling || rm -r filling")

    // Filled by another to the last byte.
    let ballast = "\(installation.home)/ballast"
    _ = try Program.run(["dd", "if=/dev/zero", "of=\(ballast)", "bs=4k"])
    for script in [
      "head -c 100 /dev/zero > new", "echo three > d/secret", "head -c 5000000 /dev/urandom > large", "mkdir e",
      "mv other another", "rm other", "ln other another", "ln -s a another",
    ] {
      let write = try Program.run(
        ["bash", "-c", script], in: "\(installation.mountPoint)/default", environment: installation.environment)
      #expect(write.status != 0 && write.errors.contains("No space left on device"), "\(script): \(write.errors)")
    }
    #expect(try installation.shell("cat other; ls").text.hasPrefix("other\nd\n"))
    // Emptied by the shell that then could not write.
    #expect(try installation.shell("cat d/secret").text == "two")
    #expect(try installation.polykey("get", "default:d/secret").text == "two")
    #expect(try installation.polykey("show", "default:d/secret@~0").text == "two")
    #expect(try installation.attempt("set", "default:x", input: "x").status == 8)
    try Program.check(["git", "-C", installation.repository(), "fsck", "--strict", "--no-dangling"])

    try FileManager.default.removeItem(atPath: ballast)
    try installation.shell("sync d/secret; cat d/secret | grep -qx two")
    try installation.shell("echo four > d/secret; echo new > new; mkdir e; mv other another; rm -f large")
    try installation.unmount()
    #expect(try installation.polykey("get", "default:d/secret").text == "four")
    #expect(try installation.polykey("get", "default:another").text == "other")
    let fsck = try Program.run(["git", "-C", installation.repository(), "fsck", "--strict", "--no-dangling"])
    #expect(fsck.status == 0 && fsck.text.isEmpty && fsck.errors.isEmpty, "\(fsck.errors)")
    try installation.polykey("verify", "default")
  }

  @Test func `a name that others gave does nothing to a terminal, and is whole for a program`() throws {
    let installation = try Installation()
    let name = "x\u{1B}]0;y\u{7}\u{9B}2J\u{202E}z"
    try installation.polykey("set", "default:\(name)", input: "1")
    #expect(try installation.polykey("ls", "default:").text == name)
    for command in ["ls default:", "log default", "get default:no\u{1B}[2J"] {
      let program = try Program.run(
        ["script", "-qec", "\(Installation.program) \(command)", "/dev/null"], environment: installation.environment)
      #expect(
        program.text.contains("\"x\\033]0;y\\a\\302\\2332J\\342\\200\\256z\"")
          || program.text.contains("\"default:no\\033[2J\""),
        "\(program.text)")
      #expect(!program.text.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x202E }, "\(command)")
    }
  }
}

/// Lines in which names stand: nobody forges one by a name.
@Suite("Names in lines") struct NameLineTests {
  @Test func `a newline in a name makes no line, for a person or a program`() throws {
    let installation = try Installation()
    let forged = "a\n0123456789ab  2026-01-01 00:00:00  aaaaaaaa  D b"
    let quoted = "\"a\\n0123456789ab  2026-01-01 00:00:00  aaaaaaaa  D b\""
    try installation.polykey("set", "default:\(forged)", input: "1")
    try installation.polykey("set", "default:\"q\"", input: "1")
    #expect(try installation.polykey("ls", "default:").text == "\"\\\"q\\\"\"\n\(quoted)")
    #expect(try installation.versions(of: forged) == ["A \(quoted)"])
    for command in ["ls default:", "log default", "diff default \(try installation.versionNames(of: "\"q\"")[0]) HEAD"]
    {
      let program = try Program.run(
        ["script", "-qec", "\(Installation.program) \(command)", "/dev/null"], environment: installation.environment)
      #expect(
        !program.text.split(whereSeparator: \.isNewline).contains { $0.hasPrefix("0123456789ab") }, "\(program.text)")
    }
    let missing = try installation.attempt("get", "default:no\nsuch")
    #expect(missing.errors == "polykey: \"default:no\\nsuch\": no such file or directory\n")
  }
}

extension NameLineTests {
  @Test func `members go by label and id`() throws {
    let (first, second) = try Installation.pair()
    try second.polykey("set", "default:x", input: "value")
    try second.carry(to: first)
    let node = try #require(try second.polykey("key", "show").text.split(separator: "\n").first).dropFirst(5)
    #expect(try first.polykey("log", "default:x").text.contains("  \(node.prefix(8)) (other)  A x"))
    #expect(try json(first.polykey("log", "--json", "default:x").text)["label"] as? String == "other")
    #expect(try first.polykey("members", "default").text.contains("\(node.prefix(16))  writer    other"))
    let removal = try Program.check(
      [Installation.program, "remove-member", "default", "other"], environment: first.environment)
    #expect(removal.errors.hasPrefix("other, \(node.prefix(16)) is removed."), "\(removal.errors)")
    #expect(try first.attempt("exposed", "default").text == "x  (\(node.prefix(8)) (other))")
  }
}

extension Program {
  /// Whether stderr is one line, as every error of polykey's is.
  var isOneSentence: Bool { errors.hasPrefix("polykey: ") && errors.split(separator: "\n").count == 1 }
}

extension Installation {
  /// Expects one sentence on stderr that has `words`, the exit status, and nothing on stdout.
  func expectRefusal(
    _ arguments: [String], status: Int32, saying words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let program = try Program.run([Installation.program] + arguments, environment: environment)
    #expect(
      program.status == status && program.errors.contains(words) && program.isOneSentence,
      "\(arguments): \(program.status) \(program.errors)", sourceLocation: sourceLocation)
  }
}
