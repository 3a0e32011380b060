import Foundation
import FuseMount
import TestSupport
import Testing
import VirtualFS

/// What another writer changes is seen at once, though the kernel caches everything.
@Suite("Coherence") struct CoherenceTests {
  private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
  }

  /// Retries until `condition` holds: the notifier's thread needs a moment, which no call can wait for.
  private func soon(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<2000 {
      if try condition() { return true }
      usleep(1000)
    }
    return false
  }

  private static let later = Timestamp(seconds: 2_000_000_000)

  @Test(arguments: MountedSystem.Shape.allCases)
  func `a changed file shows its new content`(shape: MountedSystem.Shape) throws {
    let system = try MountedSystem(shape)
    try "old".write(toFile: system.path + "/f", atomically: false, encoding: .utf8)
    #expect(try text(system.path + "/f") == "old")
    // The same size: only the invalidation can tell.
    system.backing.writeExternally([UInt8]("new".utf8), to: "f", at: CoherenceTests.later)
    system.refresh()
    #expect(try soon { try text(system.path + "/f") == "new" })
    #expect(try Program.check(["stat", "-c", "%Y", system.path + "/f"]).text == "2000000000")
  }

  @Test func `an open descriptor sees the change`() throws {
    let system = try MountedSystem()
    try "old".write(toFile: system.path + "/f", atomically: false, encoding: .utf8)
    let file = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    #expect(try file.readToEnd() == Data("old".utf8))
    system.backing.writeExternally([UInt8]("longer".utf8), to: "f", at: CoherenceTests.later)
    system.refresh()
    let isSeen = try soon {
      try file.seek(toOffset: 0)
      return try file.readToEnd() == Data("longer".utf8)
    }
    #expect(isSeen)
  }

  @Test(arguments: MountedSystem.Shape.allCases)
  func `a name known to be absent appears`(shape: MountedSystem.Shape) throws {
    let system = try MountedSystem(shape)
    #expect(!FileManager.default.fileExists(atPath: system.path + "/f"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == [])
    system.backing.writeExternally([UInt8]("here".utf8), to: "f", at: CoherenceTests.later)
    system.refresh()
    #expect(soon { FileManager.default.fileExists(atPath: system.path + "/f") })
    #expect(try soon { try FileManager.default.contentsOfDirectory(atPath: system.path) == ["f"] })
  }

  @Test(arguments: [false, true])
  func `a name that nobody asked for appears in a listing`(isReadOnly: Bool) throws {
    var options = MountOptions()
    options.readOnly = isReadOnly
    let system = try MountedSystem(options: options)
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == [])
    system.backing.writeExternally([UInt8]("here".utf8), to: "f", at: CoherenceTests.later)
    system.refresh()
    #expect(try soon { try FileManager.default.contentsOfDirectory(atPath: system.path) == ["f"] })
  }

  @Test func `a removed file disappears, but not from who has it open`() throws {
    let system = try MountedSystem()
    try "old".write(toFile: system.path + "/f", atomically: false, encoding: .utf8)
    let file = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == ["f"])
    system.backing.removeExternally("f")
    system.refresh()
    #expect(soon { !FileManager.default.fileExists(atPath: system.path + "/f") })
    #expect(try soon { try FileManager.default.contentsOfDirectory(atPath: system.path) == [] })
    #expect(try file.readToEnd() == Data("old".utf8))
  }

  @Test(.enabled(if: geteuid() == 0)) func `access control lists are kept and obeyed`() throws {
    var options = MountOptions()
    options.allowOther = true
    let system = try MountedSystem(options: options)
    func reads(_ user: String, _ path: String) throws -> Bool {
      try Program.run(
        ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "cat", system.path + "/" + path]
      ).status == 0
    }
    try Program.check(["chmod", "755", system.scratch])
    try Program.check(
      [
        "sh", "-c",
        "umask 022; mkdir d; echo x > d/f; chmod 600 d/f; setfacl -m u:1234:r d/f; setfacl -d -m u:1234:r,o::- d",
      ],
      in: system.path)
    #expect(try reads("1234", "d/f") && !reads("1235", "d/f"))
    // What cp makes, what is inherited, and what chmod and removal make of it.
    try Program.check(["sh", "-c", "cp -a d/f copied; umask 077; echo y > d/made; cp -a d d2"], in: system.path)
    #expect(try reads("1234", "copied") && reads("1234", "d/made") && !reads("1235", "d/made"))
    let kept = try Program.check(["getfacl", "-n", "--omit-header", "d/made"], in: system.path).text
    #expect(kept.contains("user:1234:r--") && kept.contains("mask::r--"))
    #expect(try Program.check(["getfacl", "-n", "--omit-header", "d2/made"], in: system.path).text == kept)
    try Program.check(["chmod", "g-r", "copied"], in: system.path)
    #expect(try !reads("1234", "copied"))
    try Program.check(["setfacl", "-b", "d/f"], in: system.path)
    #expect(try !reads("1234", "d/f") && Program.check(["stat", "-c", "%a", "d/f"], in: system.path).text == "600")
    // A change from outside counts at once.
    system.backing.changeExternally("d/made") { $0.extendedAttributes = [:] }
    system.refresh()
    #expect(try soon { try !reads("1234", "d/made") })
  }

  @Test func `warm reads ask the file system for no content`() throws {
    let system = try MountedSystem()
    try "kept".write(toFile: system.path + "/f", atomically: false, encoding: .utf8)
    #expect(try text(system.path + "/f") == "kept")
    _ = system.fileSystem.dropCaches()
    let loads = system.backing.loads
    for _ in 0..<10 { #expect(try text(system.path + "/f") == "kept") }
    #expect(system.backing.loads == loads)
  }

  @Test func `an invalidation that waits for a slow read blocks nothing else`() throws {
    let system = try MountedSystem()
    try "old".write(toFile: system.path + "/slow", atomically: false, encoding: .utf8)
    let (begun, opened) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    // New content that nobody has read, so that the reader's load is held.
    system.backing.writeExternally([UInt8]("1st".utf8), to: "slow", at: CoherenceTests.later)
    system.refresh()
    system.backing.holdNextLoad(begun: begun, opened: opened)
    let reader = Process()
    reader.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    reader.arguments = ["cat", system.path + "/slow"]
    let output = Pipe()
    reader.standardOutput = output
    try reader.run()
    begun.wait()
    // As if the file were closed: the notifier's thread now waits for the page that the read holds.
    let inode = try #require(system.fileSystem.inode(named: try Name("slow".utf8), in: .root))
    system.mount.invalidate([.inode(inode, .content, isOpen: false)], volume: .single)
    try Program.check(
      ["timeout", "20", "sh", "-c", "echo x > other; cat other; mkdir d; mv other d/o; ls -l d"], in: system.path)
    opened.signal()
    reader.waitUntilExit()
    #expect(try output.fileHandleForReading.readToEnd() == Data("1st".utf8))
  }

  @Test func `readers under a stream of changes see whole versions and never block`() throws {
    let system = try MountedSystem()
    func version(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number & 0xFF), count: 1 + number) }
    system.backing.writeExternally(version(1), to: "f", at: Timestamp(seconds: 1))
    system.refresh()
    let reader = """
      import os, sys, time
      end = time.monotonic() + 60
      while time.monotonic() < end:
          fd = os.open(sys.argv[1], os.O_RDONLY)
          data = b""
          while True:
              part = os.read(fd, 65536)
              if not part: break
              data += part
          os.close(fd)
          if len(set(data)) != 1 or (len(data) - 1) % 256 != data[0]: sys.exit(3)
          if len(data) == 1 + 400: sys.exit(0)
      sys.exit(4)
      """
    let path = system.path + "/f"
    let script = system.scratch + "/reader.py"
    try reader.write(toFile: script, atomically: false, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "90", "python3", script, path]
    try process.run()
    for number in 2...400 {
      system.backing.writeExternally(version(number), to: "f", at: Timestamp(seconds: Int64(number)))
      system.refresh()
    }
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}
