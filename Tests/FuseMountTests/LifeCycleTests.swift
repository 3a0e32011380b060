import Foundation
import FuseMount
import TestSupport
import Testing
import VirtualFS

/// Mounting, ending and healing.
@Suite("Life cycle") struct LifeCycleTests {
  private func refusal(at path: String, _ options: MountOptions = MountOptions()) -> MountError? {
    let fileSystem = MountedSystem.fileSystem(MemoryBacking(), InvalidationRelay())
    return #expect(throws: MountError.self) {
      _ = try Mount(at: path, layout: .single(fileSystem), options: options)
    }
  }

  @Test func `bad mount points are refused, each for its reason`() throws {
    let directory = try TemporaryDirectory()
    #expect(refusal(at: directory("none")) == .missing)
    let file = try directory.write([], to: "file")
    #expect(refusal(at: file) == .notDirectory)
    #expect(refusal(at: file + "/below") == .notDirectory)
    #expect(refusal(at: directory.path) == .notEmpty)
    let system = try MountedSystem()
    #expect(refusal(at: system.mountPoint) == .alreadyMounted)
  }

  @Test func `a directory that is not empty can be mounted over if asked for`() throws {
    let directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: directory("mnt/below"), withIntermediateDirectories: true)
    var options = MountOptions()
    try options.add("nonempty")
    let system = try MountedSystem(options: options, at: directory.path)
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == [])
    system.unmount()
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == ["below"])
  }

  @Test func `a mount through a symbolic link and a relative path is found`() throws {
    let directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: directory("mnt"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: directory("link"), withDestinationPath: "mnt")
    let fileSystem = MountedSystem.fileSystem(MemoryBacking(), InvalidationRelay())
    let mount = try Mount(at: directory("link"), layout: .single(fileSystem), options: MountOptions())
    #expect(mount.directory == directory("mnt"))
    #expect(try MountTable.entry(at: directory("mnt")) != nil)
    // Never served: its end unmounts it.
  }

  @Test(arguments: [["umount"], ["fusermount3", "-u"]])
  func `unmounting from outside ends it and stores everything`(command: [String]) throws {
    let system = try MountedSystem()
    try Program.check(["sh", "-c", "echo kept > f"], in: system.path)
    try Program.check(command + [system.mountPoint])
    system.waitForEnd()
    #expect(system.backing.bytes(at: "f") == [UInt8]("kept\n".utf8))
  }

  @Test func `our own unmount tells what is wrong`() throws {
    let system = try MountedSystem()
    try Program.check(["touch", system.path + "/f"])
    let file = try #require(FileHandle(forWritingAtPath: system.path + "/f"))
    let busy = #expect(throws: MountError.self) { try Unmounting.unmount(system.mountPoint) }
    #expect(busy == .busy)
    try file.write(contentsOf: Data("late".utf8))
    try Unmounting.unmount(system.mountPoint, lazy: true)
    let gone = #expect(throws: MountError.self) { try Unmounting.unmount(system.mountPoint) }
    #expect(gone == .notMounted)
    try file.write(contentsOf: Data("r".utf8))
    try file.close()
    system.waitForEnd()
    #expect(system.backing.bytes(at: "f") == [UInt8]("later".utf8))
  }

  @Test func `a request to unmount saves what is open, mappings too`() throws {
    let system = try MountedSystem()
    let script = """
      import mmap, os, sys
      f = open(sys.argv[1], "w+b"); f.write(b"0" * 8192); f.flush()
      m = mmap.mmap(f.fileno(), 0); m[0:6] = b"mapped"
      os.write(1, b"ready")
      sys.stdin.read()
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script, system.path + "/f"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    #expect(output.fileHandleForReading.availableData == Data("ready".utf8))
    system.unmount()
    #expect(system.backing.bytes(at: "f")?.starts(with: "mapped0".utf8) == true)
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  @Test func `a mount under load ends, with all that was closed`() throws {
    let system = try MountedSystem()
    // Relative to an open directory: after the unmount a path would lead to what was mounted over.
    let script = """
      import os, sys
      top = os.open(sys.argv[1], os.O_RDONLY)
      os.fork(); os.fork(); who = os.getpid()
      for n in range(1000000):
          try:
              fd = os.open(f"{who}-{n}", os.O_CREAT | os.O_WRONLY, dir_fd=top)
              os.write(fd, b"%d" % n)
              os.close(fd)
          except OSError: break
          os.write(1, b"%d-%d\\n" % (who, n))
      """
    let writers = Process()
    writers.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    writers.arguments = ["python3", "-c", script, system.path]
    let output = Pipe()
    writers.standardOutput = output
    try writers.run()
    var closed = output.fileHandleForReading.availableData
    system.mount.requestUnmount()
    closed += try output.fileHandleForReading.readToEnd() ?? Data()
    writers.waitUntilExit()
    system.waitForEnd()
    #expect(!closed.isEmpty)
    for name in String(decoding: closed, as: UTF8.self).split(separator: "\n").map(String.init) {
      let number = name.split(separator: "-").last ?? ""
      #expect(system.backing.bytes(at: name) == [UInt8](number.utf8), "\(name)")
    }
  }

  @Test func `a mount whose process was killed is healed`() async throws {
    let directory = try TemporaryDirectory()
    let path = directory("mnt")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let fileSystem = MountedSystem.fileSystem(MemoryBacking(), InvalidationRelay())
      let mount = try Mount(at: path, layout: .single(fileSystem), options: MountOptions())
      Thread.detachNewThread { try? mount.run() }
      try Program.check(["touch", path + "/f"])
      kill(getpid(), SIGKILL)
    }
    let entry = try #require(try MountTable.entry(at: path))
    #expect(entry.isStale)
    let system = try MountedSystem(at: directory.path)
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == [])
    let healed = try #require(try MountTable.entry(at: path))
    #expect(!healed.isStale)
    system.unmount()
    #expect(try MountTable.entry(at: path) == nil)
  }

  @Test func `a mount that is never served ends with its owner`() throws {
    let directory = try TemporaryDirectory()
    do {
      let fileSystem = MountedSystem.fileSystem(MemoryBacking(), InvalidationRelay())
      _ = try Mount(at: directory.path, layout: .single(fileSystem), options: MountOptions())
    }
    #expect(try MountTable.entry(at: directory.path) == nil)
  }

  @Test func `a read-only mount takes no changes`() throws {
    var options = MountOptions()
    try options.add("ro,noatime,x-systemd.automount,defaults")
    let system = try MountedSystem(options: options)
    let program = try Program.run(["touch", system.path + "/f"])
    #expect(program.errors.contains("Read-only file system"))
    #expect(try MountTable.entry(at: system.mountPoint)?.isReadOnly == true)
    #expect(try MountTable.entry(at: system.mountPoint)?.user == getuid())
  }

  @Test func `unknown options are refused before anything is mounted`() {
    var options = MountOptions()
    let error = #expect(throws: MountError.self) { try options.add("ro,secret=1") }
    #expect(error == .unknownOption("secret=1"))
  }

  @Test func `mounting again and again leaks no descriptor and no thread`() throws {
    let directory = try TemporaryDirectory()
    func count(_ what: String) throws -> Int { try FileManager.default.contentsOfDirectory(atPath: what).count }
    try MountedSystem(at: directory.path).unmount()
    for _ in 0..<20 {
      let system = try MountedSystem(at: directory.path)
      try Program.check(["touch", system.path + "/f"])
      system.unmount()
    }
    // Other tests run meanwhile, so the numbers are only bounded.
    #expect(try count("/proc/self/fd") < 200)
    #expect(try count("/proc/self/task") < 200)
  }
}
