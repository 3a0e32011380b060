import Foundation
import FuseMount
import TestSupport
import Testing
import VirtualFS

/// Mounts of an ordinary user, which root plays: by fusermount3, as on any desktop.
@Suite("Ordinary user", .serialized, .enabled(if: geteuid() == 0)) struct UserTests {
  /// nobody, in nogroup.
  private static let user: UInt32 = 65_534

  /// Lets everyone open /dev/fuse, as udev's rules do, while `body` runs.
  private func withOpenDevice(_ body: () async throws -> Void) async throws {
    let device = "/dev/fuse"
    let before = try FileManager.default.attributesOfItem(atPath: device)[.posixPermissions] ?? 0o600
    try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: device)
    do {
      try await body()
    } catch {
      try FileManager.default.setAttributes([.posixPermissions: before], ofItemAtPath: device)
      throw error
    }
    try FileManager.default.setAttributes([.posixPermissions: before], ofItemAtPath: device)
  }

  /// A directory of the user's with a mount point in it.
  private func home() throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: directory("mnt"), withIntermediateDirectories: false)
    for path in [directory.path, directory("mnt")] {
      try FileManager.default.setAttributes(
        [.ownerAccountID: UserTests.user, .groupOwnerAccountID: UserTests.user], ofItemAtPath: path)
    }
    return directory
  }

  @Test func `a user mounts, works, and unmounts with fusermount3`() async throws {
    let directory = try home()
    try await withOpenDevice {
      await #expect(processExitsWith: .success) { [path = directory.path as String] in
        try becomeUser()
        let system = try MountedSystem(at: path)
        try Program.check(["sh", "-c", "echo mine > f && test \"$(stat -c %u f)\" = 65534 && cat f"], in: system.path)
        let busy = try FileHandle(forReadingFrom: URL(fileURLWithPath: system.path + "/f"))
        do throws(MountError) {
          try Unmounting.unmount(system.mountPoint)
          exit(2)
        } catch {
          guard error == .busy else { exit(3) }
        }
        try busy.close()
        try Unmounting.unmount(system.mountPoint)
        system.waitForEnd()
        guard system.backing.bytes(at: "f") == [UInt8]("mine\n".utf8) else { exit(4) }
        // And by a signal's way.
        let again = try MountedSystem(at: path)
        again.unmount()
        guard try MountTable.entry(at: again.mountPoint) == nil else { exit(5) }
      }
    }
    #expect(try MountTable.entry(at: directory("mnt")) == nil)
  }

  @Test func `what a user may not do is refused with the reason`() async throws {
    let directory = try home()
    try await withOpenDevice {
      await #expect(processExitsWith: .success) { [path = directory.path as String] in
        try becomeUser()
        func refusal(_ directory: String, _ options: MountOptions = MountOptions()) -> MountError? {
          let fileSystem = MountedSystem.fileSystem(MemoryBacking(), InvalidationRelay())
          do throws(MountError) {
            _ = try Mount(at: directory, layout: .single(fileSystem), options: options)
            return nil
          } catch {
            return error
          }
        }
        guard refusal("/usr") == .notWritable else { exit(2) }
        guard refusal("/root/none") == .notAccessible else { exit(3) }
        var options = MountOptions()
        options.allowOther = true
        let conf = (try? String(contentsOfFile: "/etc/fuse.conf", encoding: .utf8)) ?? ""
        if !conf.split(separator: "\n").contains("user_allow_other") {
          guard refusal(path + "/mnt", options) == .allowOtherForbidden else { exit(4) }
        }
      }
    }
    await #expect(processExitsWith: .success) { [path = directory.path as String] in
      guard (try? FileManager.default.attributesOfItem(atPath: "/dev/fuse")[.posixPermissions]) as? Int == 0o600 else {
        return
      }
      try becomeUser()
      do {
        _ = try MountedSystem(at: path)
        exit(2)
      } catch {
        guard error as? MountError == .deviceForbidden else { exit(3) }
      }
    }
  }

  @Test func `a user who watches hears of files and directories that are not to be written`() async throws {
    let directory = try home()
    try await withOpenDevice {
      await #expect(processExitsWith: .success) { [path = directory.path as String] in
        try becomeUser()
        let system = try MountedSystem(at: path)
        try Program.check(
          ["sh", "-c", "mkdir s; echo 1 > s/f; echo 1 > s/g; chmod 400 s/f; chmod 500 s; ls -l s"], in: system.path)
        system.fileSystem.synchronizeAll { _ in }
        let watcher = Watcher()
        try watcher.watch(system.path + "/s", as: "s", Watcher.changes)
        system.backing.writeExternally([UInt8]("2".utf8), to: "s/f", at: Timestamp(seconds: 1))
        system.refresh()
        guard try watcher.events(until: "s CLOSE_WRITE f") == ["s MODIFY f", "s CLOSE_WRITE f"] else { exit(2) }
        system.backing.writeExternally([UInt8]("3".utf8), to: "s/new", at: Timestamp(seconds: 1))
        system.refresh()
        guard try watcher.events(until: "s CLOSE_WRITE new").first == "s CREATE new" else { exit(3) }
        system.backing.moveExternally("s/f", to: "s/h")
        system.refresh()
        guard try watcher.events(until: "s MOVED_TO h #1").first == "s MOVED_FROM f #1" else { exit(4) }
        system.backing.removeExternally("s/g")
        system.refresh()
        guard try watcher.events(until: "s DELETE g") == ["s DELETE g"] else { exit(5) }
        let look = "stat -c %a s s/h; cat s/h; ! echo > s/h; ! rm -f s/h"
        let modes = try Program.check(["sh", "-c", look], in: system.path)
        guard modes.text == "500\n400\n2" else { exit(6) }
      }
    }
    #expect(try MountTable.entry(at: directory("mnt")) == nil)
  }

  @Test func `a user's dead mount is healed`() async throws {
    let directory = try home()
    try await withOpenDevice {
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.path as String] in
        try becomeUser()
        let system = try MountedSystem(at: path)
        try Program.check(["touch", "f"], in: system.path)
        kill(getpid(), SIGKILL)
      }
      await #expect(processExitsWith: .success) { [path = directory.path as String] in
        try becomeUser()
        guard try MountTable.entry(at: path + "/mnt")?.isStale == true else { exit(2) }
        let system = try MountedSystem(at: path)
        try Program.check(["touch", "f"], in: system.path)
        system.unmount()
      }
    }
    #expect(try MountTable.entry(at: directory("mnt")) == nil)
  }
}

/// Turns this process, an exit test's, into an ordinary user's.
private func becomeUser() throws {
  guard setgroups(0, nil) == 0, setgid(65_534) == 0, setuid(65_534) == 0 else { exit(77) }
  guard unsafe chdir("/") == 0 else { exit(78) }
}
