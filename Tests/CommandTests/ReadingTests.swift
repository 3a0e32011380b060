import Foundation
import TestSupport
import Testing

/// Reading needs no byte of the keynode's disk, nor the right to write there; with the real program.
@Suite("Reading without room", .enabled(if: SmallDisk.isPossible)) struct ReadingTests {
  private enum Place: CaseIterable { case full, fullWithoutState, readOnly, othersOwn }

  /// A keynode with two versions of a secret, on a disk of its own.
  private func withKeynode(_ body: (SmallDisk, String, (String...) throws -> Program) throws -> Void) throws {
    guard let disk = try SmallDisk(size: "24m") else { return }
    let directory = try TemporaryDirectory()
    let environment = ["POLYKEY_HOME": disk("keynode"), "HOME": directory.path, "LC_ALL": "C.UTF-8"]
    func run(_ arguments: String...) throws -> Program {
      try Program.run([Installation.program] + arguments, input: [UInt8]("new".utf8), environment: environment)
    }
    #expect(try run("init", "--no-passphrase").status == 0)
    #expect(try run("vault", "create", "default").status == 0)
    try Program.check(
      ["sh", "-c", "for v in one two; do echo $v | \"$1\" set default:d/secret; done", "sh", Installation.program],
      environment: environment)
    try body(disk, directory("mnt"), run)
  }

  @Test(arguments: Place.allCases)
  private func `get, ls, log, show, verify and a read-only mount work`(place: Place) throws {
    try withKeynode { disk, mountPoint, polykey in
      let filler = disk("filler")
      switch place {
      case .full, .fullWithoutState:
        if place == .fullWithoutState { try Program.check(["rm", "-r", disk("keynode/state")]) }
        let script = "dd if=/dev/zero of=\"$1\" bs=4k; dd if=/dev/zero of=\"$1-\" bs=1"
        _ = try Program.run(["sh", "-c", script, "sh", filler])
      case .readOnly: try Program.check(["mount", "-o", "remount,ro", disk.path])
      case .othersOwn: try Program.check(["chown", "-R", "65534:65534", disk("keynode")])
      }
      for (command, output) in [
        (["get", "default:d/secret"], "two\n"), (["ls", "-r", "default"], "d/\nd/secret\n"),
        (["show", "default:d/secret@~1"], "one\n"),
      ] {
        let program = try polykeyAll(polykey, command)
        #expect(program.status == 0 && program.output == [UInt8](output.utf8), "\(command): \(program.errors)")
      }
      #expect(try polykey("log", "default:d/secret").text.split(separator: "\n").count == 2)
      for command in [["verify", "default"], ["status"], ["vault", "list"], ["members", "default"]] {
        let program = try polykeyAll(polykey, command)
        #expect(program.status == 0, "\(command): \(program.errors)")
      }
      let mount = try polykey("mount", "default", mountPoint, "--read-only")
      #expect(mount.status == 0 && mount.errors.isEmpty, "\(mount.errors)")
      #expect(try Program.run(["cat", "\(mountPoint)/d/secret"]).text == "two")
      let unmount = try polykey("unmount", mountPoint)
      #expect(unmount.status == 0, "\(unmount.errors)")
      try eventually { try Program.run(["fuser", "-sm", disk.path]).status != 0 || place == .othersOwn }
      guard place != .othersOwn else { return }

      // Writing says why it cannot, and works as soon as it can.
      let set = try polykey("set", "default:d/secret")
      #expect(set.status == (place == .readOnly ? 1 : 8) && set.isOneSentence, "\(set.errors)")
      try Program.check(
        place == .readOnly ? ["mount", "-o", "remount,rw", disk.path] : ["rm", "-f", filler, filler + "-"])
      #expect(try polykey("set", "default:d/secret").status == 0)
      #expect(try polykey("get", "default:d/secret").text == "new")
      #expect(try polykey("verify", "default").status == 0)
    }
  }

  private func polykeyAll(_ polykey: (String...) throws -> Program, _ words: [String]) throws -> Program {
    switch words.count {
    case 1: try polykey(words[0])
    case 2: try polykey(words[0], words[1])
    default: try polykey(words[0], words[1], words[2])
    }
  }
}
