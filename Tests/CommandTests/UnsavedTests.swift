import Foundation
import TestSupport
import Testing

/// Changes that cannot be stored when a mount is to end: on a disk that is full, with the real program.
@Suite("Unsaved changes", .enabled(if: SmallDisk.isPossible)) struct UnsavedTests {
  /// A mount with a new mode of a file, for which the keynode's disk has no room: a version of it is another 500 kB.
  ///
  /// Not an open file that was written to: each child process that any test starts meanwhile closes a copy of it, which stores it.
  private final class Scene {
    let disk: SmallDisk
    let directory: TemporaryDirectory

    init?() throws {
      guard let disk = try SmallDisk(size: "48m") else { return nil }
      self.disk = disk
      directory = try TemporaryDirectory()
      try polykey("init", "--no-passphrase")
      try polykey("vault", "create", "default")
      try polykey("mount", "default", mountPoint)
      try Data(repeating: 7, count: 500_000).write(to: URL(fileURLWithPath: "\(mountPoint)/file"))
      try change(at: mountPoint)
    }

    /// Fills the disk, and then changes the file's mode.
    func change(at mountPoint: String, to mode: mode_t = 0o640) throws {
      try fill()
      #expect(unsafe chmod("\(mountPoint)/file", mode) == 0)
    }

    deinit {
      _ = try? run("unmount", "--lazy", "--discard", mountPoint)
      for name in processes { if let process = Int32(name) { kill(process, SIGKILL) } }
      _ = poll(seconds: 20) { processes.isEmpty || !processes.contains { isAlive($0) } }
      _ = try? Program.run(["fusermount3", "-uz", mountPoint])
    }

    var mountPoint: String { directory("mnt") }
    var environment: [String: String] {
      ["POLYKEY_HOME": disk("keynode"), "HOME": directory.path, "LC_ALL": "C.UTF-8"]
    }
    /// The numbers of the processes that serve.
    var processes: [String] {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: disk("keynode/state/mounts"))) ?? []
      return names.filter { !$0.contains(".") }
    }
    func isAlive(_ process: String) -> Bool { FileManager.default.fileExists(atPath: "/proc/\(process)") }

    /// Leaves no block free.
    func fill() throws {
      let descriptor = unsafe open(disk("filler"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
      #expect(descriptor >= 0)
      defer { Foundation.close(descriptor) }
      for size in [65_536, 512] {
        let zeros = [UInt8](repeating: 0, count: size)
        while unsafe Foundation.write(descriptor, zeros, size) == size {}
      }
    }

    func makeRoom() throws { try Program.check(["rm", "-f", disk("filler")]) }

    @discardableResult
    func polykey(_ arguments: String...) throws -> Program {
      try Program.check([Installation.program] + arguments, environment: environment)
    }

    func run(_ arguments: String...) throws -> Program {
      try Program.run([Installation.program] + arguments, environment: environment)
    }

    func expectMode(_ mode: String) throws {
      let list = try polykey("ls", "--json", "default").text
      #expect(list.contains("\"mode\":\"\(mode)\""), "\(list)")
    }
  }

  @Test func `unmount says with its status what could not be stored, and leaves the mount as it is`() throws {
    guard let scene = try Scene() else { return }
    for flags in [[], ["--lazy"]] {
      let refused = try Program.run(
        [Installation.program, "unmount", scene.mountPoint] + flags, environment: scene.environment)
      #expect(refused.status == 8 && refused.errors.contains("not unmounted") && refused.isOneSentence)
    }
    let status = try scene.run("status")
    #expect(status.status == 8 && status.text.contains("mounted at") && status.errors.contains("no space left"))
    // Nothing is lost, and nothing is held against it afterwards.
    try scene.makeRoom()
    try eventually { try scene.run("status").status == 0 }
    try scene.polykey("unmount", scene.mountPoint)
    try scene.expectMode("640")
  }

  @Test func `what umount left unstored is kept by the process until there is room, and the next mount waits`() throws {
    guard let scene = try Scene() else { return }
    try Program.check(["fusermount3", "-u", scene.mountPoint])
    try eventually { try scene.run("status").errors.contains("changes are not stored") }
    #expect(try scene.run("status").status == 8)
    let unmount = try scene.run("unmount", scene.mountPoint)
    #expect(unmount.status == 8 && unmount.errors.contains("keeps them"), "\(unmount.errors)")
    let mount = try scene.run("mount", "default", scene.mountPoint)
    #expect(mount.status == 8 && mount.errors.contains("could not be stored"), "\(mount.errors)")
    try scene.makeRoom()
    try scene.polykey("mount", "default", scene.mountPoint)
    try scene.expectMode("640")
    #expect(try scene.run("status").status == 0)
  }

  @Test func `after SIGTERM the loss is told by status and the next mount, once`() throws {
    guard let scene = try Scene() else { return }
    let process = try #require(scene.processes.first)
    kill(Int32(process) ?? 0, SIGTERM)
    // A second one wants no more tries.
    kill(Int32(process) ?? 0, SIGINT)
    try eventually { !scene.isAlive(process) }
    let status = try scene.run("status")
    #expect(status.status == 8 && status.errors.contains("lost changes that it could not store"), "\(status.errors)")
    try scene.makeRoom()
    let mount = try scene.polykey("mount", "default", scene.mountPoint)
    #expect(mount.errors.contains("lost changes that it could not store"), "\(mount.errors)")
    #expect(try scene.run("status").status == 0)
    try scene.polykey("unmount", scene.mountPoint)
  }

  @Test func `in the foreground the exit status is that of the failure`() throws {
    guard let scene = try Scene() else { return }
    try scene.makeRoom()
    try scene.polykey("unmount", scene.mountPoint)
    let other = scene.directory("other")
    let program = try BackgroundProgram(
      [Installation.program, "mount", "--foreground", "default", other], environment: scene.environment
    ) { FileManager.default.fileExists(atPath: "\(other)/file") }
    try scene.change(at: other, to: 0o604)
    for signal in [SIGTERM, SIGINT] { kill(program.processIdentifier, signal) }
    #expect(program.waitForEnd() == 8, "\(program.output)")
  }

  @Test func `what is discarded is lost, and not told again`() throws {
    guard let scene = try Scene() else { return }
    let unmount = try scene.run("unmount", "--discard", scene.mountPoint)
    #expect(unmount.status == 0 && unmount.errors.contains("changes are lost"), "\(unmount.errors)")
    #expect(try scene.run("status").status == 0)
    try scene.makeRoom()
    try scene.polykey("mount", "default", scene.mountPoint)
    try scene.polykey("unmount", scene.mountPoint)
  }
}
