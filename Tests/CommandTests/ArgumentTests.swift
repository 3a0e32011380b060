import Foundation
import TestSupport
import Testing

/// Arguments are bytes: each is taken as it was given, or refused.
@Suite("Arguments") struct ArgumentTests {
  /// Runs a script of bash, which can write any byte, with the program as `p`.
  private func bash(_ script: String, _ installation: Installation, in folder: String? = nil) throws -> Program {
    try Program.run(
      ["bash", "-c", "p() { \"$0\" \"$@\"; }; \(script)", Installation.program],
      in: folder ?? installation.directory.path,
      environment: installation.environment)
  }

  @Test func `a secret's path may have any bytes, and no other is meant`() throws {
    let installation = try Installation()
    // What Swift would make of it, and code points that stand for such bytes inside the program.
    for (name, value) in [("m\\xfcller", "1"), ("m\\xef\\xbf\\xbdller", "2"), ("m\\xf4\\x8f\\xbf\\xbcller", "3")] {
      let write = try bash("printf \(value) | p set $'default:d/\(name)'", installation)
      #expect(write.status == 0, "\(write.errors)")
    }
    let all = try bash(
      """
      p get $'default:d/m\\xfcller'; p get $'default:d/m\\xef\\xbf\\xbdller'; p get $'default:d/m\\xf4\\x8f\\xbf\\xbcller'
      p mv $'default:d/m\\xfcller' $'default:d/\\xff:\\xcc\\x81'; p ls $'default:d/\\xff:\\xcc\\x81'
      p show $'default:d/\\xff:\\xcc\\x81@~0'; p log -n 1 $'default:d/\\xff:\\xcc\\x81' | cut -c 46-
      p rm $'default:d/\\xff:\\xcc\\x81'; p ls default:d
      """, installation)
    #expect(all.errors.isEmpty)
    let name: [UInt8] = [0xFF, 0x3A, 0xCC, 0x81]
    let moved = [UInt8]("R d/m".utf8) + [0xFC] + [UInt8]("ller -> d/".utf8) + name + [0x0A]
    let rest = [UInt8]("d/m\u{FFFD}ller\nd/m\u{10FFFC}ller\n".utf8)
    #expect(all.output == [UInt8]("123d/".utf8) + name + [UInt8]("\n1".utf8) + moved + rest, "\(all.text)")
    // A combining character behind the colon is no part of it.
    let accent = try bash("printf 4 | p set $'default:\\xcc\\x81'; p ls default:", installation)
    #expect(accent.text == "d\n\u{301}" || accent.text == "d/\n\u{301}", "\(accent.text) \(accent.errors)")
  }

  @Test func `--json loses no byte of a name`() throws {
    let installation = try Installation()
    let set = try bash("printf 1 | p set $'default:m\\xfcller'; printf 2 | p set $'default:\\xc3\\xbc'", installation)
    #expect(set.status == 0)
    let lines = try installation.polykey("ls", "--json", "default:").text.split(separator: "\n").map { try json($0) }
    #expect(lines.map { $0["path"] as? String } == ["m\u{FFFD}ller", "ü"])
    let exact = lines.map { ($0["pathBase64"] as? String).flatMap { Data(base64Encoded: $0) }.map([UInt8].init) }
    #expect(exact == [[UInt8]("m".utf8) + [0xFC] + [UInt8]("ller".utf8), nil])
    let log = try json(installation.polykey("log", "-n", "1", "--json", "default:\u{FC}").text[...])
    #expect(log["changes"] as? [String] == ["A ü"] && log["changesBase64"] == nil)
    let whole = try installation.polykey("log", "--json", "default").text.split(separator: "\n").map { try json($0) }
    let changes = (whole.last?["changesBase64"] as? [String])?.compactMap { Data(base64Encoded: $0) }
    #expect(changes == [Data([UInt8]("A m".utf8) + [0xFC] + [UInt8]("ller".utf8))])
  }

  @Test func `where text is wanted, other bytes are refused in a sentence, and nothing is made`() throws {
    let installation = try Installation()
    let folder = installation.directory("places")
    let made = try bash("mkdir places places/$'lat\\xfcn'; ln -s $'lat\\xfcn' places/link", installation)
    #expect(made.status == 0)
    for command in [
      "p mount default places/$'lat\\xfcn'", "p mount places/$'n\\xfcw'", "p mount default places/link",
      "cd places/$'lat\\xfcn'; p mount default sub", "p unmount places/$'lat\\xfcn'",
      "p bundle default places/$'b\\xfcndle'", "p apply default places/$'b\\xfcndle'",
      "p vault create $'v\\xfclt'", "p show $'default:\\xfc' --passphrase-file $'\\xfd'", "p $'\\xfc'",
      "POLYKEY_HOME=$PWD/places/$'h\\xfcme' p init --no-passphrase", "HOME=$PWD/$'\\xfc' POLYKEY_HOME= p init",
      "POLYKEY_PASSPHRASE_FILE=$'\\xfc' p unlock",
    ] {
      let program = try bash(command, installation)
      if command.contains("unlock") { continue }  // Without a passphrase the variable is not looked at.
      #expect(program.status == 64 && program.isOneSentence, "\(command): \(program.status) \(program.errors)")
    }
    let left = try Program.check(["find", folder, "-mindepth", "1"]).output.split(separator: 0x0A)
    #expect(left.count == 2, "\(left)")
  }

  @Test func `arguments are found whatever a preloaded library does to memory, and none at all is wrong usage`() throws
  {
    let installation = try Installation()
    try installation.polykey("set", "default:x", input: "value")
    // Swift finds them beside the environment, if it still is where it was.
    let source = try installation.directory.write(
      [UInt8](
        """
        #include <stdlib.h>
        #include <string.h>
        __attribute__((constructor)) static void change(int count, char **arguments) {
          setenv("ADDED_BY_A_LIBRARY", "1", 1);
          if (count > 1 && !strcmp(arguments[1], "get")) arguments[1] = "--version";
        }
        """.utf8), to: "library.c")
    let library = installation.directory("library.so")
    try Program.check(
      ["sh", "-c", "\"$(command -v cc || command -v clang)\" -shared -fPIC -o \"$0\" \"$1\"", library, source])
    let found = try installation.attempt("get", "default:x", environment: ["LD_PRELOAD": library])
    #expect(found.text == "value", "\(found.text)")
    // An empty argument counts.
    #expect(try installation.attempt("get", "").status == 64)
    for words in [[], ["vault"], ["key"], ["peer"], ["remote"]] {
      try installation.expectRefusal(words, status: 64, saying: "no command")
    }
    #expect(try installation.polykey("vault", "--help").text.contains("create"))
  }

  @Test func `an @ in a name is no version's unless a version follows`() throws {
    let installation = try Installation()
    for value in ["one", "two"] { try installation.polykey("set", "default:mail/user@example.com", input: value) }
    #expect(try installation.polykey("show", "default:mail/user@example.com@~1").text == "one")
    #expect(try installation.polykey("show", "default:mail/user@example.com@~0").text == "two")
    for command in ["show", "restore"] {
      try installation.expectRefusal(
        [command, "default:mail/user@example.com"], status: 64, saying: "user@example.com: no version is named")
    }
    let version = try #require(try installation.versionNames(of: "mail/user@example.com").last)
    try installation.polykey("restore", "default:mail/user@example.com@\(version)")
    #expect(try installation.polykey("get", "default:mail/user@example.com").text == "one")
    // One that looks like a version needs one behind it.
    try installation.polykey("set", "default:user@cafe", input: "three")
    #expect(try installation.attempt("show", "default:user@cafe").status == 3)
    #expect(try installation.polykey("show", "default:user@cafe@~0").text == "three")
  }

  @Test func `what cannot be printed is told`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:x", input: "value")
    for command in ["get default:x", "ls default:", "log default", "show default:x@~0", "key show", "key export"] {
      let full = try bash("p \(command) > /dev/full", installation)
      #expect(full.status == 8 && full.isOneSentence, "\(command): \(full.status) \(full.errors)")
      let closed = try bash("p \(command) >&-", installation)
      #expect(closed.status == 1 && closed.isOneSentence, "\(command): \(closed.status) \(closed.errors)")
    }
  }
}
