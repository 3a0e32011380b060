import Foundation
import FuseMount
import Synchronization
import TestSupport
import Testing
import VirtualFS

/// What is told to watchers while others are at work.
@Suite("Replays") struct ReplayTests {
  private static let later = Timestamp(seconds: 2_000_000_000)

  /// A program that goes on until its input is closed.
  private func start(_ script: String, _ arguments: [String]) throws -> (process: Process, input: Pipe, output: Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script] + arguments
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    #expect(output.fileHandleForReading.availableData == Data("ready\n".utf8))
    return (process, input, output)
  }

  private final class Flag: Sendable {
    let value = Atomic(false)
  }

  /// Asks for all of its arguments again and again.
  private static let asker = """
    import os, select, sys
    os.write(1, b"ready\\n")
    while not select.select([0], [], [], 0)[0]:
        for path in sys.argv[1:]:
            try:
                os.stat(path)
                with open(path) as f: f.read()
            except OSError: pass
    """

  @Test(arguments: InotifyTests.Setting.allCases)
  func `names that others ask for all the time are told, each once`(setting: InotifyTests.Setting) throws {
    let system = try setting.mount()
    try Program.check(["sh", "-c", "mkdir a b a/sub; echo x > a/sub/g"], in: system.path)
    let names = ["f", "a/f", "a/sub", "b/sub", "a/sub/g", "b/sub/g"].map { system.path + "/" + $0 }
    let others = try start(ReplayTests.asker, names)
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", UInt32(IN_CREATE | IN_DELETE))
    try watcher.watch(system.path + "/a", as: "a", UInt32(IN_MOVED_FROM | IN_MOVED_TO))
    try watcher.watch(system.path + "/b", as: "b", UInt32(IN_MOVED_FROM | IN_MOVED_TO))
    let versions = system.backing.versions
    for number in 1...100 {
      system.backing.writeExternally([1], to: "f", at: ReplayTests.later)
      system.refresh()
      #expect(try watcher.events(until: "d CREATE f") == ["d CREATE f"])
      system.backing.removeExternally("f")
      system.refresh()
      #expect(try watcher.events(until: "d DELETE f") == ["d DELETE f"])
      let (from, to) = number % 2 == 1 ? ("a", "b") : ("b", "a")
      system.backing.moveExternally("\(from)/sub", to: "\(to)/sub")
      system.backing.moveExternally("\(from)/sub/g", to: "\(to)/sub/g")
      system.refresh()
      #expect(
        try watcher.events(until: "\(to) MOVED_TO sub/ #\(number)") == [
          "\(from) MOVED_FROM sub/ #\(number)", "\(to) MOVED_TO sub/ #\(number)",
        ])
      #expect(try Program.check(["cat", "\(to)/sub/g"], in: system.path).text == "x")
    }
    try others.input.fileHandleForWriting.close()
    others.process.waitUntilExit()
    #expect(try Program.check(["ls", "-m", ".", "a", "a/sub", "b"], in: system.path).text.contains("a/sub:\ng"))
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test func `after a stream of changes who has the file open reads the last`() throws {
    let system = try MountedSystem()
    try "0000".write(toFile: system.path + "/f", atomically: false, encoding: .utf8)
    let file = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    func read() throws -> Data? {
      try file.seek(toOffset: 0)
      return try file.readToEnd()
    }
    for round in 1...30 {
      for number in 0..<50 {
        let value = 1000 + (round * 50 + number) % 9000
        system.backing.writeExternally([UInt8]("\(value)".utf8), to: "f", at: Timestamp(seconds: Int64(value)))
        system.refresh()
        _ = try read()
      }
      let last = Data("\(1000 + (round * 50 + 49) % 9000)".utf8)
      let deadline = ContinuousClock.now + .seconds(20)
      while try read() != last, ContinuousClock.now < deadline { sched_yield() }
      #expect(try read() == last)
    }
  }

  @Test func `a file removed while it is open is told of, and stays readable`() throws {
    let system = try MountedSystem()
    try "kept".write(toFile: system.path + "/f", atomically: false, encoding: .utf8)
    let file = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", Watcher.changes)
    try watcher.watch(system.path + "/f", as: "f", Watcher.changes)
    system.backing.removeExternally("f")
    system.refresh()
    let events = try watcher.events(until: "d DELETE f")
    #expect(events.contains("f DELETE_SELF"))
    #expect(try file.readToEnd() == Data("kept".utf8))
    try file.close()
    #expect(!FileManager.default.fileExists(atPath: system.path + "/f"))
  }

  @Test func `a directory that comes from outside can be watched at once, and tells`() throws {
    let system = try MountedSystem()
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", Watcher.changes)
    system.backing.addExternally("a", .directory)
    system.backing.addExternally("a/b", .directory)
    system.refresh()
    #expect(try watcher.events(until: "d CREATE a/") == ["d CREATE a/"])
    try watcher.watch(system.path + "/a/b", as: "b", Watcher.changes)
    system.backing.writeExternally([1], to: "a/b/f", at: ReplayTests.later)
    system.refresh()
    #expect(try watcher.events(until: "b CLOSE_WRITE f") == ["b CREATE f", "b MODIFY f", "b CLOSE_WRITE f"])
  }

  @Test func `names that swap, and names of one file`() throws {
    let system = try MountedSystem()
    try Program.check(["sh", "-c", "echo 1 > a; echo 2 > b; echo 3 > c; ls -l"], in: system.path)
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", Watcher.changes)
    let b = system.backing.node(at: "b")?.object
    system.backing.moveExternally("a", to: "b")
    system.backing.changeExternally(object: b) { $0.paths = [[UInt8]("a".utf8)] }
    system.refresh()
    system.backing.writeExternally([4], to: "end", at: ReplayTests.later)
    system.refresh()
    let events = try watcher.events(until: "d CLOSE_WRITE end").filter { $0.contains("MOVED") }
    #expect(Set(events.map { $0.dropLast(3) }) == ["d MOVED_FROM a", "d MOVED_TO b", "d MOVED_FROM b", "d MOVED_TO a"])
    #expect(try Program.check(["cat", "a", "b"], in: system.path).text == "2\n1")
    system.backing.changeExternally("c") { $0.paths = [[UInt8]("c".utf8), [UInt8]("e".utf8)] }
    system.refresh()
    #expect(try watcher.events(until: "d CREATE e") == ["d CREATE e"])
    #expect(try Program.check(["stat", "-c", "%h", "c", "e"], in: system.path).text == "2\n2")
    system.backing.changeExternally("c") { $0.paths = [[UInt8]("e".utf8)] }
    system.refresh()
    #expect(try watcher.events(until: "d DELETE c") == ["d DELETE c"])
    #expect(try Program.check(["stat", "-c", "%h", "e"], in: system.path).text == "1")
    #expect(try Program.check(["cat", "e"], in: system.path).text == "3")
  }

  @Test(arguments: MountedSystem.Shape.allCases)
  func `unmounting in a stream of changes ends`(shape: MountedSystem.Shape) throws {
    for _ in 0..<5 {
      let system = try MountedSystem(shape)
      try Program.check(["sh", "-c", "mkdir s; touch s/x; ls -l s"], in: system.path)
      let watcher = Watcher()
      try watcher.watch(system.path, as: "d", Watcher.changes)
      let others = try start(ReplayTests.asker, [system.path + "/f", system.path + "/s/x"])
      let (isOver, ended) = (Flag(), DispatchSemaphore(value: 0))
      Thread.detachNewThread {
        for number in 0... {
          if isOver.value.load(ordering: .relaxed) { break }
          system.backing.writeExternally([UInt8](repeating: 1, count: number), to: "f", at: Timestamp(seconds: 1))
          system.backing.writeExternally([1], to: "new\(number)", at: Timestamp(seconds: 1))
          if number % 3 == 2 { system.backing.removeExternally("f") }
          system.refresh()
        }
        ended.signal()
      }
      _ = try watcher.events(until: "d CREATE new50")
      system.unmount()
      isOver.value.store(true, ordering: .relaxed)
      ended.wait()
      try others.input.fileHandleForWriting.close()
      others.process.waitUntilExit()
    }
  }

  @Test(.enabled(if: geteuid() == 0))
  func `nothing is done to a file system that is mounted below or above`() throws {
    let system = try MountedSystem()
    try Program.check(["sh", "-c", "mkdir sub; echo 1 > sub/f; echo 1 > f; ls -lR"], in: system.path)
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", Watcher.changes)
    func withForeign(_ path: String, _ body: () throws -> Void) throws {
      try Program.check(["mount", "-t", "tmpfs", "none", path])
      defer { _ = try? Program.check(["umount", path]) }
      try Program.check(["sh", "-c", "echo foreign > f; echo foreign > g"], in: path)
      try body()
      #expect(try Program.check(["sh", "-c", "cat f g; ls"], in: path).text == "foreign\nforeign\nf\ng")
    }
    // What comes after it tells when it is over.
    func change(_ path: String) throws {
      system.backing.removeExternally(path)
      system.refresh()
    }
    try withForeign(system.path + "/sub") {
      try change("sub/f")
      try change("f")
      #expect(try watcher.events(until: "d DELETE f") == ["d DELETE f"])
    }
    system.backing.writeExternally([1], to: "f", at: ReplayTests.later)
    system.refresh()
    _ = try watcher.events(until: "d CLOSE_WRITE f")
    try withForeign(system.path) {
      try change("f")
      system.backing.writeExternally([1], to: "g", at: ReplayTests.later)
      system.refresh()
      // Over the watched directory: its events still come, but there can be none; the next one ends it.
    }
  }

  @Test func `of a running program the change is told, of a read-only mount the removal`() throws {
    let system = try MountedSystem()
    try Program.check(["cp", "/bin/sleep", system.path + "/f"])
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["--default-signal", system.path + "/f", "100"]
    try process.run()
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    // env gives way to it.
    let program = "/proc/\(process.processIdentifier)/exe"
    while try FileManager.default.destinationOfSymbolicLink(atPath: program) != system.path + "/f" { sched_yield() }
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "/bin/sleep")))
    system.backing.writeExternally(bytes, to: "f", at: ReplayTests.later)
    system.refresh()
    #expect(try watcher.events(until: "d MODIFY f") == ["d MODIFY f"])

    var options = MountOptions()
    options.readOnly = true
    let other = try MountedSystem(options: options)
    // The kernel remembers that it is absent until it is told.
    #expect(!FileManager.default.fileExists(atPath: other.path + "/g"))
    other.backing.writeExternally([1], to: "g", at: ReplayTests.later)
    other.refresh()
    let deadline = ContinuousClock.now + .seconds(60)
    while !FileManager.default.fileExists(atPath: other.path + "/g"), ContinuousClock.now < deadline { sched_yield() }
    try watcher.watch(other.path + "/g", as: "g")
    other.backing.removeExternally("g")
    other.refresh()
    #expect(try watcher.events(until: "g DELETE_SELF") == ["g DELETE_SELF"])
  }

  @Test func `inotifywait tells of each kind of change`() throws {
    let system = try MountedSystem()
    try Program.check(["sh", "-c", "mkdir -p a/b; echo 1 > a/b/f"], in: system.path)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["--default-signal", "inotifywait", "-m", "-r", "--format", "%e %w%f", system.path]
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    var said = ""
    while !said.contains("Watches established") {
      said += String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
    }
    var told = ""
    // One after the other: together they would be summed up.
    func tells(_ last: String) {
      system.refresh()
      while !told.hasSuffix("\(last)\n") {
        let more = output.fileHandleForReading.availableData
        if more.isEmpty { break }
        told += String(decoding: more, as: UTF8.self)
      }
    }
    system.backing.writeExternally([UInt8]("two".utf8), to: "a/b/f", at: ReplayTests.later)
    tells("CLOSE_WRITE,CLOSE \(system.path)/a/b/f")
    system.backing.moveExternally("a/b/f", to: "a/g")
    tells("MOVED_TO \(system.path)/a/g")
    system.backing.writeExternally([1], to: "a/b/new", at: ReplayTests.later)
    tells("CLOSE_WRITE,CLOSE \(system.path)/a/b/new")
    system.backing.removeExternally("a/g")
    tells("DELETE \(system.path)/a/g")
    let lines = told.replacingOccurrences(of: system.path, with: "").split(separator: "\n").map(String.init)
    #expect(
      lines.filter { !$0.contains("ISDIR") } == [
        "OPEN /a/b/f", "MODIFY /a/b/f", "CLOSE_WRITE,CLOSE /a/b/f", "MOVED_FROM /a/b/f", "MOVED_TO /a/g",
        "CREATE /a/b/new", "OPEN /a/b/new", "MODIFY /a/b/new", "CLOSE_WRITE,CLOSE /a/b/new", "DELETE /a/g",
      ])
  }
}
