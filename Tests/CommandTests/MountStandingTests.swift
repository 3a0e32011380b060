import Foundation
import TestSupport
import Testing

/// What `mount` and `unmount` say of mounts that are there, that are dead, and that others hold; with the real program.
@Suite("Standing of mounts") struct MountStandingTests {
  @Test func `a mount is there already only if it is just what is asked for`() throws {
    let installation = try Installation()
    try installation.mount()
    for flags in [["--read-only"], ["--listen", "127.0.0.1:0"], ["-o", "noexec"], ["--offline"]] {
      try installation.expectRefusal(
        ["mount", installation.mountPoint] + flags, status: 7, saying: "without options, not with")
    }
    // Neither what is the default, nor the order, is a difference.
    #expect(try installation.attempt("mount", installation.mountPoint, "-o", "rw,relatime").errors.contains("already"))
    try installation.unmount()
    try installation.mount("--read-only", "-o", "noexec,nodev")
    #expect(
      try installation.attempt("mount", installation.mountPoint, "-o", "nodev", "-o", "ro,noexec").errors
        .contains("already"))
    try installation.expectRefusal(["mount", installation.mountPoint], status: 7, saying: "-o nodev,noexec,ro")
  }

  @Test func `just after an end of any kind mount mounts, and never says that it is mounted already`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo value > secret")
    for round in 0..<30 {
      let process = try installation.mountProcess()
      switch round % 3 {
      case 0: #expect(kill(process.identifier, SIGKILL) == 0)
      case 1: try Program.check(["fusermount3", "-u", installation.mountPoint])
      default: #expect(kill(process.identifier, SIGTERM) == 0)
      }
      let mount = try installation.attempt("mount", installation.mountPoint)
      // SIGTERM may come so late that it is mounted, and ends then.
      if round % 3 == 2, mount.errors.contains("already") {
        process.waitForEnd()
      } else {
        #expect(mount.status == 0 && !mount.errors.contains("already"), "round \(round): \(mount.errors)")
      }
      if round % 3 == 2 { try installation.mount() }
      #expect(try installation.shell("cat secret").text == "value", "round \(round)")
    }
  }

  @Test func `a mount that was taken away with a file open is told, and ended by a signal with all stored`() throws {
    let installation = try Installation()
    try installation.mount()
    let path = "\(installation.mountPoint)/default/open"
    #expect(FileManager.default.createFile(atPath: path, contents: Data()))
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    let process = try installation.mountProcess()
    try Program.check(["fusermount3", "-uz", installation.mountPoint])
    try installation.expectRefusal(
      ["mount", installation.mountPoint], status: 7, saying: "(process \(getpid())")
    let status = try installation.polykey("status")
    #expect(status.text.contains("not mounted") && status.errors.contains("taken away"), "\(status.errors)")
    #expect(try installation.polykey("unmount", installation.mountPoint).errors.contains("(process \(getpid())"))
    try handle.write(contentsOf: Data("late".utf8))
    #expect(kill(process.identifier, SIGTERM) == 0)
    process.waitForEnd()
    try? handle.close()
    try installation.mount()
    #expect(try installation.shell("cat open").text == "late")
  }

  @Test func `what was mounted at the directory meanwhile stays when the earlier mount ends`() throws {
    guard geteuid() == 0 else { return }
    let installation = try Installation()
    try installation.mount()
    let process = try installation.mountProcess()
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: "\(installation.mountPoint)/default"))
    try Program.check(["umount", "-l", installation.mountPoint])
    try Program.check(["mount", "-t", "tmpfs", "none", installation.mountPoint])
    defer { _ = try? Program.run(["umount", installation.mountPoint]) }
    #expect(kill(process.identifier, SIGTERM) == 0)
    process.waitForEnd()
    try? handle.close()
    #expect(try Program.check(["findmnt", "-rn", "-o", "FSTYPE", installation.mountPoint]).text == "tmpfs")
  }

  @Test(.enabled(if: geteuid() == 0))
  func `unmounting what a bind mount or another namespace holds stores all, tells who, and returns`() throws {
    let installation = try Installation()
    let other = installation.directory("other")
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
    try installation.mount()
    try Program.check(["mount", "--bind", "\(installation.mountPoint)/default", other])
    defer { _ = try? Program.run(["umount", "-l", other]) }
    try installation.shell("echo value > secret; chmod 640 secret")
    let bound = try installation.polykey("unmount", installation.mountPoint)
    #expect(bound.errors.contains("all is stored") && bound.errors.contains("the mount at \(other)"), "\(bound.errors)")
    #expect(try installation.polykey("ls", "--json", "default").text.contains("\"mode\":\"640\""))
    try installation.expectRefusal(["mount", installation.mountPoint], status: 7, saying: "the mount at \(other)")
    // It goes on for who has it.
    try installation.shell("echo more > later", in: other)
    let process = try installation.mountProcess()
    try Program.check(["umount", other])
    process.waitForEnd()
    try installation.mount()
    #expect(try installation.shell("cat later").text == "more")

    let ready = installation.directory("ready")
    let holder = try BackgroundProgram(
      ["unshare", "-m", "--propagation", "private", "sh", "-c", "touch '\(ready)'; exec sleep 1000"]
    ) { FileManager.default.fileExists(atPath: ready) }
    let held = try installation.polykey("unmount", installation.mountPoint)
    #expect(
      held.errors.contains("(process \(holder.processIdentifier), in another mount namespace)"), "\(held.errors)")
    try installation.expectRefusal(["mount", installation.mountPoint], status: 7, saying: "in another mount namespace")
    let serving = try installation.mountProcess()
    holder.end()
    serving.waitForEnd()
    try installation.mount()
  }

  @Test func `a mount in use is not unmounted, and it is told who uses it`() throws {
    let installation = try Installation()
    try installation.mount()
    let user = try BackgroundProgram(
      ["sh", "-c", "cd '\(installation.mountPoint)/default' && touch ready && exec sleep 1000"]
    ) { FileManager.default.fileExists(atPath: "\(installation.mountPoint)/default/ready") }
    // Nothing on it is open but the working directory.
    try eventually { try Program.check(["ps", "-o", "comm=", "-p", String(user.processIdentifier)]).text == "sleep" }
    try installation.expectRefusal(
      ["unmount", installation.mountPoint], status: 12, saying: "sleep (process \(user.processIdentifier))")
    user.end()
    try installation.unmount()
  }

  @Test func `the process is called polykey, the mount after its vault, and a failed mount leaves no directory`() throws
  {
    let installation = try Installation(vaults: ["default", "second"])
    let path = installation.directory("new")
    for (arguments, status) in [
      (["mount", path, "--listen", "192.0.2.1:1"], Int32(9)), (["mount", "none", path], 3),
    ] {
      let mount = try Program.run([Installation.program] + arguments, environment: installation.environment)
      #expect(mount.status == status, "\(mount.errors)")
      #expect(!FileManager.default.fileExists(atPath: path), "\(arguments)")
    }
    try installation.polykey("mount", "default", path)
    let process = try installation.mountProcess()
    let names = try Program.check(["ps", "-o", "comm=,args=", "-p", String(process.identifier)]).text
      .split(separator: " ")
    #expect(names.prefix(2) == ["polykey", "polykey"], "\(names)")
    let table = try Program.check(["findmnt", "-rn", "-o", "SOURCE,FSTYPE", path]).text
    #expect(table == "polykey:default fuse.polykey")
    try installation.polykey("unmount", path)
  }
}
