import Foundation
import TestSupport
import Testing

/// How mounts begin and end, and what is refused; with the real program.
@Suite("Mount life cycle") struct MountLifeCycleTests {
  @Test func `mountpoints that cannot be are refused with the reason`() throws {
    let installation = try Installation()
    let file = try installation.directory.write([], to: "file")
    let full = installation.directory("full")
    try FileManager.default.createDirectory(atPath: full, withIntermediateDirectories: false)
    _ = try installation.directory.write([], to: "full/file")
    for (directory, reason) in [
      ("\(installation.directory.path)/no/such", "no such file or directory"), (file, "not a directory"),
      (full, "not empty"), ("/proc", "not empty"), ("\(file)/below", "not a directory"),
    ] {
      try installation.expectRefusal(["mount", directory], status: 7, saying: reason)
      try installation.expectRefusal(["mount", directory, "--foreground"], status: 7, saying: reason)
    }
    try installation.expectRefusal(["mount", "-o", "bogus", full], status: 64, saying: "unknown mount option bogus")
    try installation.expectRefusal(["mount", "none", installation.mountPoint], status: 3, saying: "no vault")
    try installation.expectRefusal(["mount", "a/b", installation.mountPoint], status: 64, saying: "name")
    try installation.expectRefusal(["unmount", full], status: 7, saying: "not mounted")
    try installation.expectRefusal(["unmount", "/proc"], status: 7, saying: "not mounted")
    // The one option that mounts over what is there.
    try installation.polykey("mount", full, "-o", "nonempty")
    #expect(try FileManager.default.contentsOfDirectory(atPath: full) == ["default"])
    try installation.polykey("unmount", full)
  }

  @Test func `the same mount again is no error, and another of the same vault is refused`() throws {
    let installation = try Installation(vaults: ["default", "second"])
    try installation.mount()
    let again = try installation.attempt("mount", installation.mountPoint)
    #expect(again.status == 0 && again.errors.contains("already mounted"))
    let other = installation.directory("other")
    try installation.expectRefusal(["mount", "default", other], status: 7, saying: "mounted at")
    try installation.expectRefusal(["mount", other], status: 7, saying: "mounted at")
    try installation.expectRefusal(["mount", "second", installation.mountPoint], status: 7, saying: "something else")
    try installation.expectRefusal(["vault", "remove", "second", "--yes"], status: 12, saying: "mounted")
    try installation.expectRefusal(["vault", "rename", "second", "third"], status: 12, saying: "mounted")
    try installation.unmount()
    // By another way to the same repository.
    try installation.polykey("mount", "default", installation.mountPoint)
    try installation.polykey("mount", "second", other)
    try FileManager.default.removeItem(atPath: "\(installation.home)/state")
    try installation.expectRefusal(["mount", installation.directory("third")], status: 7, saying: "mounted")
    try installation.polykey("unmount", other)
    try installation.unmount()
  }

  @Test func `a mount in use is not unmounted, unless lazily`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo value > secret")
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: "\(installation.mountPoint)/default/secret"))
    let process = try installation.mountProcess()
    try installation.expectRefusal(["unmount", installation.mountPoint], status: 12, saying: "in use by")
    #expect(try installation.shell("cat secret").text == "value")
    try installation.polykey("unmount", "--lazy", installation.mountPoint)
    #expect(try FileManager.default.contentsOfDirectory(atPath: installation.mountPoint).isEmpty)
    #expect(String(decoding: handle.availableData, as: UTF8.self) == "value\n")
    try handle.close()
    process.waitForEnd()
    try installation.polykey("verify", "default")
  }

  @Test(arguments: ["fusermount3 -u", "umount", "kill -TERM", "kill -INT", "kill -HUP"])
  func `every usual end of a mount leaves all on disk and no process`(way: String) throws {
    if way == "umount", geteuid() != 0 { return }
    let installation = try Installation()
    try installation.mount()
    // Attributes wait up to a second for a version, a file that is open up to five.
    try installation.shell("echo value > secret; chmod 640 secret")
    let process = try installation.mountProcess()
    let target = way.hasPrefix("kill") ? String(process.identifier) : installation.mountPoint
    try Program.check(way.split(separator: " ").map(String.init) + [target])
    process.waitForEnd()
    #expect(try Program.run(["mountpoint", "-q", installation.mountPoint]).status != 0)
    #expect(try installation.polykey("get", "default:secret").text == "value")
    #expect(try installation.polykey("ls", "--json", "default:").text.contains("\"mode\":\"640\""))
    #expect(try installation.polykey("status").text.contains("not mounted"))
    let fsck = try Program.run(["git", "-C", installation.repository(), "fsck", "--strict", "--no-dangling"])
    #expect(fsck.status == 0 && fsck.errors.isEmpty)
    try installation.mount()
    #expect(try installation.shell("cat secret").text == "value")
  }

  @Test func `in the foreground SIGTERM ends it with status 0, and all is committed`() throws {
    let installation = try Installation()
    try FileManager.default.createDirectory(atPath: installation.mountPoint, withIntermediateDirectories: false)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Installation.program)
    process.arguments = ["mount", "--foreground", installation.mountPoint]
    process.environment = installation.environment
    try process.run()
    defer { if process.isRunning { process.terminate() } }
    try eventually { FileManager.default.fileExists(atPath: "\(installation.mountPoint)/default") }
    try installation.shell("mkdir d; echo value > d/secret; touch -d @1000000000 d/secret")
    // An open file's bytes, too.
    let path = "\(installation.mountPoint)/default/open"
    #expect(FileManager.default.createFile(atPath: path, contents: Data()))
    let open = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try open.write(contentsOf: Data("not closed".utf8))
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0 && process.terminationReason == .exit)
    // The mount is gone: this has nowhere to go, and says so.
    #expect(throws: (any Error).self) {
      try open.write(contentsOf: Data("more".utf8))
      try open.synchronize()
    }
    try? open.close()
    #expect(try installation.polykey("get", "default:d/secret").text == "value")
    #expect(try installation.polykey("get", "default:open").text == "not closed")
    #expect(try installation.polykey("ls", "--json", "default:d").text.contains("2001-09-09"))
  }

  @Test func `a read-only mount refuses every change with EROFS, and shows changes from outside`() throws {
    let installation = try Installation()
    try installation.polykey("set", "default:secret", input: "value")
    try installation.mount("--read-only")
    for script in [
      "echo x > new", "echo x > secret", "mkdir d", "rm -f secret", "mv secret other", "ln -s a b", "chmod 600 secret",
      "touch secret", "ln secret other", "setfattr -n user.a -v b secret",
    ] {
      let change = try Program.run(["sh", "-c", script], in: "\(installation.mountPoint)/default")
      #expect(change.status != 0 && change.errors.contains("Read-only file system"), "\(script): \(change.errors)")
    }
    #expect(try installation.shell("cat secret").text == "value")
    try installation.polykey("set", "default:secret", input: "changed")
    try eventually { try installation.shell("cat secret").text == "changed" }
    #expect(try installation.commitCount() == 2)
  }

  @Test(.enabled(if: geteuid() == 0))
  func `without a device for FUSE the reason is told`() throws {
    let installation = try Installation()
    try FileManager.default.createDirectory(atPath: installation.mountPoint, withIntermediateDirectories: false)
    let mount = try Program.run(
      [
        "unshare", "-m", "--propagation", "private", "sh", "-euc",
        """
        mkdir "$1/dev"; mount -t tmpfs none "$1/dev"
        for f in null urandom; do touch "$1/dev/$f"; mount --bind "/dev/$f" "$1/dev/$f"; done
        mount --move "$1/dev" /dev
        exec "$2" mount "$3"
        """, "sh", installation.directory.path, Installation.program, installation.mountPoint,
      ], environment: installation.environment)
    #expect(mount.status == 7 && mount.errors.contains("/dev/fuse does not exist"), "\(mount.errors)")
    #expect(mount.isOneSentence)
    // The commands that need no mount go on working.
    try installation.polykey("set", "default:secret", input: "value")
  }

  @Test func `vaults that are made while all are mounted appear at once`() throws {
    let installation = try Installation()
    try installation.mount()
    // The kernel has been told that it is not there.
    #expect(!FileManager.default.fileExists(atPath: "\(installation.mountPoint)/late"))
    try installation.polykey("vault", "create", "late")
    try installation.polykey("set", "late:secret", input: "value")
    try eventually { FileManager.default.fileExists(atPath: "\(installation.mountPoint)/late/secret") }
    #expect(try installation.shell("cat secret", in: "\(installation.mountPoint)/late").text == "value")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: installation.mountPoint).sorted() == ["default", "late"])
    try installation.shell("echo more > other", in: "\(installation.mountPoint)/late")
    try installation.unmount()
    #expect(try installation.polykey("get", "late:other").text == "more")
  }

  @Test func `a large file is written and read back in bounded memory`() throws {
    let installation = try Installation()
    try installation.mount()
    let process = try installation.mountProcess()
    try installation.shell(
      """
      head -c 201326592 /dev/urandom | tee large | sha256sum > "$SUM"; sha256sum < large | cmp - "$SUM"
      """, environment: ["SUM": installation.directory("sum")])
    let status = try String(contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)
    let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(separator: " ")
    let kilobytes = try #require(peak.flatMap { $0.count == 3 ? Int($0[1]) : nil })
    #expect(kilobytes < 250 * 1024, "\(kilobytes) KiB")
  }
}

/// Waits, at most 20 seconds, until `condition` holds.
func eventually(
  sourceLocation: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
) throws {
  let deadline = Date(timeIntervalSinceNow: 20)
  while try !condition() {
    guard Date() < deadline else { throw Program.Failure(description: "it did not come about: \(sourceLocation)") }
    usleep(2000)
  }
}
