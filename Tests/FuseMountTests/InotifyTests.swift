import Foundation
import FuseMount
import TestSupport
import Testing
import VirtualFS

/// Programs that watch with inotify hear of what another writer changed.
@Suite("inotify") struct InotifyTests {
  /// How the kernel's caches are used, and how many volumes there are.
  enum Setting: String, CaseIterable, CustomStringConvertible {
    case cached
    case uncached
    case volumes

    var description: String { rawValue }

    func mount(patience: UInt64 = 10_000_000) throws -> MountedSystem {
      var options = MountOptions()
      options.kernelCache = self != .uncached
      return try MountedSystem(self == .volumes ? .directory : .single, options: options, patience: patience)
    }
  }

  static let later = Timestamp(seconds: 2_000_000_000)

  /// Writes a file from a process of its own: programs that other tests start hold this one's descriptors until they are executed, and would
  /// close them, which is an event, under the watch.
  private func put(_ text: String, at path: String) throws {
    try Program.check(["sh", "-c", "printf %s \"$0\" > \"$1\"", text, path])
  }

  private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
  }

  @Test(arguments: Setting.allCases)
  func `new content is opened, modified and closed`(setting: Setting) throws {
    let system = try setting.mount()
    try put("old", at: system.path + "/f")
    #expect(try text(system.path + "/f") == "old")
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d")
    try watcher.watch(system.path + "/f", as: "f")
    let versions = system.backing.versions
    system.backing.writeExternally([UInt8]("new".utf8), to: "f", at: InotifyTests.later)
    system.refresh()
    let events = try watcher.events(until: "f CLOSE_WRITE")
    #expect(events == ["d OPEN f", "f OPEN", "d MODIFY f", "f MODIFY", "d CLOSE_WRITE f", "f CLOSE_WRITE"])
    #expect(try text(system.path + "/f") == "new")
    #expect(try Program.check(["stat", "-c", "%Y.%y", system.path + "/f"]).text.hasPrefix("2000000000.2033"))
    #expect(try Program.check(["stat", "-c", "%y", system.path + "/f"]).text.contains(".000000000"))
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test(arguments: Setting.allCases)
  func `new names are created`(setting: Setting) throws {
    let system = try setting.mount()
    // Names that are known to be absent, and a listing that is known.
    for name in ["file", "empty", "sub", "link", "pipe"] {
      #expect(!FileManager.default.fileExists(atPath: system.path + "/" + name))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == [])
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d")
    let versions = system.backing.versions
    system.backing.writeExternally([1], to: "file", at: InotifyTests.later)
    system.backing.writeExternally([], to: "empty", at: InotifyTests.later)
    system.backing.addExternally("sub", .directory)
    system.backing.writeExternally([2], to: "sub/below", at: InotifyTests.later)
    system.backing.addExternally("link", .symbolicLink(target: [UInt8]("file".utf8)))
    system.backing.addExternally("pipe", .fifo)
    system.refresh()
    // In the order of the objects' numbers, directories first.
    var events: [String] = []
    for last in ["d CREATE sub/", "d CLOSE_WRITE file", "d CLOSE_WRITE empty", "d CREATE link", "d CREATE pipe"] {
      events += try watcher.events(until: last)
    }
    #expect(
      events == [
        "d CREATE sub/", "d CREATE file", "d OPEN file", "d MODIFY file", "d CLOSE_WRITE file", "d CREATE empty",
        "d OPEN empty", "d CLOSE_WRITE empty", "d CREATE link", "d CREATE pipe",
      ])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: system.path).sorted() == [
        "empty", "file", "link", "pipe", "sub",
      ])
    #expect(
      try Program.check(["stat", "-c", "%F %s", "sub", "link", "pipe", "file"], in: system.path).text
        == "directory 4096\nsymbolic link 4\nfifo 0\nregular file 1")
    #expect(try Data(contentsOf: URL(fileURLWithPath: system.path + "/sub/below")) == Data([2]))
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test(arguments: Setting.allCases)
  func `removed names are deleted, in directories that are removed too`(setting: Setting) throws {
    let system = try setting.mount()
    try Program.check(["sh", "-c", "mkdir -p sub/deep; echo x > sub/deep/g; echo x > f; ls -lR"], in: system.path)
    let watcher = Watcher()
    for (path, label) in [("", "d"), ("/f", "f"), ("/sub", "s"), ("/sub/deep", "p"), ("/sub/deep/g", "g")] {
      try watcher.watch(system.path + path, as: label, Watcher.changes)
    }
    let versions = system.backing.versions
    for path in ["f", "sub/deep/g", "sub/deep", "sub"] { system.backing.removeExternally(path) }
    system.refresh()
    let events = try watcher.events(until: "d DELETE sub/")
    #expect(Set(events.prefix { $0 != "s DELETE deep/" }).isSuperset(of: ["d DELETE f", "p DELETE g"]))
    #expect(Set(events).isSuperset(of: ["f DELETE_SELF", "g DELETE_SELF", "p DELETE_SELF", "s DELETE deep/"]))
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.path) == [])
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test(arguments: Setting.allCases)
  func `renames keep their cookies and the kernel's names`(setting: Setting) throws {
    let system = try setting.mount()
    try Program.check(
      ["sh", "-c", "mkdir a b sub; echo x > a/f; echo y > a/g; echo z > sub/h; ls -lR"], in: system.path)
    let watcher = Watcher()
    for label in ["a", "b"] { try watcher.watch(system.path + "/" + label, as: label, Watcher.changes) }
    try watcher.watch(system.path, as: "d", Watcher.changes)
    try watcher.watch(system.path + "/a/f", as: "f", Watcher.changes)
    let inode = try Program.check(["stat", "-c", "%i", "a/f", "sub"], in: system.path).text
    let versions = system.backing.versions
    system.backing.moveExternally("a/f", to: "b/f2")
    system.refresh()
    #expect(
      try watcher.events(until: "f MOVE_SELF") == ["a MOVED_FROM f #1", "b MOVED_TO f2 #1", "f MOVE_SELF"])
    // A directory, over directories, and what is in it.
    system.backing.moveExternally("sub", to: "b/sub2")
    system.backing.moveExternally("sub/h", to: "b/sub2/h")
    system.refresh()
    #expect(
      try watcher.events(until: "b MOVED_TO sub2/ #2") == ["d MOVED_FROM sub/ #2", "b MOVED_TO sub2/ #2"])
    #expect(try Program.check(["stat", "-c", "%i", "b/f2", "b/sub2"], in: system.path).text == inode)
    let look = "cat b/f2 a/g b/sub2/h; ls a b b/sub2; test ! -e sub -a ! -e a/f"
    #expect(
      try Program.check(["sh", "-c", look], in: system.path).text
        == "x\ny\nz\na:\ng\n\nb:\nf2\nsub2\n\nb/sub2:\nh")
    // Over another file, which is gone.
    system.backing.removeExternally("a/g")
    system.backing.moveExternally("b/f2", to: "a/g")
    system.refresh()
    #expect(
      try watcher.events(until: "f MOVE_SELF") == ["b MOVED_FROM f2 #3", "a MOVED_TO g #3", "f MOVE_SELF"])
    #expect(try text(system.path + "/a/g") == "x\n")
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test func `attributes alone are told as such`() throws {
    let system = try MountedSystem()
    try Program.check(["sh", "-c", "mkdir sub; echo x > f; ln -s f l"], in: system.path)
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d")
    try watcher.watch(system.path + "/f", as: "f")
    let versions = system.backing.versions
    system.backing.changeExternally("f") { $0.mode = 0o600 }
    system.refresh()
    #expect(try watcher.events(until: "f ATTRIB") == ["d ATTRIB f", "f ATTRIB"])
    system.backing.changeExternally("f") { $0.modified = InotifyTests.later }
    system.refresh()
    #expect(try watcher.events(until: "f ATTRIB") == ["d ATTRIB f", "f ATTRIB"])
    #expect(try Program.check(["stat", "-c", "%a %Y", "f"], in: system.path).text == "600 2000000000")
    system.backing.changeExternally("sub") { $0.mode = 0o711 }
    system.refresh()
    #expect(try watcher.events(until: "d ATTRIB sub/") == ["d ATTRIB sub/"])
    system.backing.changeExternally("l") { $0.body = .symbolicLink(target: [0x78]) }
    system.refresh()
    #expect(try watcher.events(until: "d MODIFY l") == ["d MODIFY l"])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: system.path + "/l") == "x")
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test(arguments: Setting.allCases)
  func `whoever reads at the event reads the new content, each of 200 times`(setting: Setting) throws {
    let system = try setting.mount()
    try Program.check(["sh", "-c", "echo 100 > f"], in: system.path)
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", UInt32(IN_CLOSE_WRITE | IN_MODIFY))
    let open = try #require(FileHandle(forReadingAtPath: system.path + "/f"))
    let versions = system.backing.versions
    for number in 101...300 {
      // The same size and time: nothing but the invalidation can tell.
      system.backing.writeExternally([UInt8]("\(number)".utf8), to: "f", at: InotifyTests.later)
      system.refresh()
      _ = try watcher.events(until: "d MODIFY f")
      #expect(try text(system.path + "/f") == "\(number)")
      _ = try watcher.events(until: "d CLOSE_WRITE f")
      try open.seek(toOffset: 0)
      #expect(try open.readToEnd() == Data("\(number)".utf8))
    }
    system.fileSystem.tick()
    #expect(system.backing.versions == versions)
  }

  @Test(arguments: Setting.allCases)
  func `a file is deleted and made again in one batch`(setting: Setting) throws {
    let system = try setting.mount()
    try put("old", at: system.path + "/f")
    let watcher = Watcher()
    try watcher.watch(system.path, as: "d", Watcher.changes)
    system.backing.removeExternally("f")
    system.backing.writeExternally(
      [UInt8]("new".utf8), to: "f", at: InotifyTests.later, object: ObjectID(high: 9, low: 9))
    system.refresh()
    #expect(
      try watcher.events(until: "d CLOSE_WRITE f") == [
        "d DELETE f", "d CREATE f", "d MODIFY f", "d CLOSE_WRITE f",
      ])
    #expect(try text(system.path + "/f") == "new")
    #expect(try Program.check(["stat", "-c", "%h", "f"], in: system.path).text == "1")
  }
}
