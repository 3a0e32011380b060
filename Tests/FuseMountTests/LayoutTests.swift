import Foundation
import FuseMount
import TestSupport
import Testing
import VirtualFS

/// A mount that shows several volumes.
@Suite("Directory of volumes") struct LayoutTests {
  private static func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

  private func failure(_ command: String, in system: MountedSystem) throws -> String {
    let program = try Program.run(["sh", "-c", command], in: system.mountPoint)
    #expect(program.status != 0)
    return program.errors
  }

  @Test func `the root lists the volumes and cannot be changed`() throws {
    let system = try MountedSystem(.directory)
    #expect(try Program.check(["ls", "-A", system.mountPoint]).text == "main")
    #expect(try Program.check(["stat", "-c", "%a %h %F %u", system.mountPoint]).text == "555 3 directory \(getuid())")
    for command in [
      "mkdir new", "touch new", "ln -s a new", "mkfifo new", "rmdir main", "mv main other", "chmod 700 .",
      "touch -d @1 .",
      "setfattr -n user.a -v b . || python3 -c 'import os; os.setxattr(\".\", \"user.a\", b\"b\")'",
    ] {
      #expect(try failure(command, in: system).contains("Operation not permitted"), "\(command)")
    }
    #expect(try failure("cat none", in: system).contains("No such file"))
    #expect(try Program.check(["df", "--output=size", system.mountPoint]).status == 0)
    try Program.check(["sync", system.mountPoint])
  }

  @Test func `volumes come and go while mounted`() throws {
    let system = try MountedSystem(.directory)
    #expect(try Program.run(["ls", system.mountPoint + "/second"]).status != 0)
    let backing = MemoryBacking()
    let second = MountedSystem.fileSystem(backing, InvalidationRelay(), root: ObjectID(high: 2, low: 2))
    _ = try system.mount.add(Volume(name: LayoutTests.bytes("second"), fileSystem: second))
    let isSeen = soon { (try? FileManager.default.contentsOfDirectory(atPath: system.mountPoint))?.count == 2 }
    #expect(isSeen)
    #expect(soon { FileManager.default.fileExists(atPath: system.mountPoint + "/second") })
    try Program.check(["sh", "-c", "echo 1 > second/f; echo 2 > main/f; cat second/f"], in: system.mountPoint)
    #expect(backing.bytes(at: "f") == LayoutTests.bytes("1\n"))
    #expect(system.backing.bytes(at: "f") == LayoutTests.bytes("2\n"))
    for command in ["ln second/f main/g", "python3 -c 'import os; os.rename(\"second/f\", \"main/g\")'"] {
      #expect(try failure(command, in: system).lowercased().contains("cross-device"))
    }
    try Program.check(["mv", "second/f", "main/moved"], in: system.mountPoint)
    let numbers = try Program.check(["stat", "-c", "%i", ".", "main", "second"], in: system.mountPoint).text
    #expect(Set(numbers.split(separator: "\n")).count == 3)

    let wasThere = system.mount.remove(volumeNamed: LayoutTests.bytes("second"))
    #expect(wasThere)
    #expect(soon { !FileManager.default.fileExists(atPath: system.mountPoint + "/second") })
    #expect(try Program.check(["ls", system.mountPoint]).text == "main")
    #expect(!system.mount.remove(volumeNamed: LayoutTests.bytes("second")))
  }

  @Test func `names of volumes are checked`() throws {
    let system = try MountedSystem(.directory)
    for (name, expected) in [
      ("main", MountError.duplicateVolume), ("a/b", .invalidVolumeName), ("", .invalidVolumeName),
    ] {
      let error = #expect(throws: MountError.self) {
        _ = try system.mount.add(Volume(name: LayoutTests.bytes(name), fileSystem: system.fileSystem))
      }
      #expect(error == expected)
    }
  }

  @Test func `an empty directory of volumes is a valid mount`() throws {
    let directory = try TemporaryDirectory()
    let mount = try Mount(at: directory.path, layout: .directory([]), options: MountOptions())
    let thread = Thread { try? mount.run() }
    thread.start()
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
    #expect(try Program.check(["stat", "-f", "-c", "%T", directory.path]).status == 0)
    try Unmounting.unmount(directory.path)
    #expect(soon { thread.isFinished })
  }

  private func soon(_ condition: () -> Bool) -> Bool {
    for _ in 0..<2000 {
      if condition() { return true }
      usleep(1000)
    }
    return false
  }
}
