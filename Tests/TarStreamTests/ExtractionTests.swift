import Foundation
import Glibc
import TarStream
import TestSupport
import Testing

/// Programs that extract an archive on their standard input into the current directory.
let extractors: [[String]] = [
  ["tar", "-xp", "--xattrs", "--xattrs-include=*", "--delay-directory-restore", "-f", "-"],
  ["bsdtar", "-xp", "--xattrs", "-f", "-"],
]

@Suite("Extraction by tar") struct ExtractionTests {
  private static func path(_ text: String) -> [UInt8] { Array(text.utf8) }

  private static func extract(_ archive: [UInt8], by program: [String]) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    try Program.check(program, in: directory.path, input: archive)
    return directory
  }

  @Test(arguments: extractors)
  func `modes, times and owners arrive`(program: [String]) throws {
    let isRoot = geteuid() == 0
    var archive: [UInt8] = []
    var expected: [TarMember] = []
    let owners: [(UInt32, UInt32)] = [(1000, 1001), (2_097_152, 2_097_151), (4_294_967_294, 3_000_000_000)]
    let times: [TarMember.Time] = [
      .init(seconds: 1_700_000_000, nanoseconds: 123_456_789), .init(seconds: 0, nanoseconds: 1), .init(seconds: -5),
      .init(seconds: 8_589_934_592, nanoseconds: 500_000_000), .init(seconds: 1_700_000_000),
    ]
    let modes: [UInt16] = [0o644, 0o600, 0o4711, 0o2755, 0o000, 0o777]
    for index in 0..<12 {
      let owner = owners[index % owners.count]
      let isDirectory = index % 4 == 3
      let mode = isDirectory ? 0o1750 : modes[index % modes.count]
      let member = TarMember(
        path: Self.path("n\(index)"), kind: isDirectory ? .directory : index % 4 == 2 ? .fifo : .regular, mode: mode,
        userID: isRoot ? owner.0 : getuid(), groupID: isRoot ? owner.1 : getgid(), modified: times[index % times.count],
        changed: index % 2 == 0 ? nil : times[(index + 1) % times.count])
      expected.append(member)
      archive += try archived(member, member.kind == .regular ? [UInt8](repeating: 7, count: 300 * index) : [])
    }
    let directory = try Self.extract(archive, by: program)
    for (index, member) in expected.enumerated() {
      let status = try FileStatus(of: Self.path(directory("n\(index)")))
      #expect(status.permissions == member.mode, "n\(index)")
      #expect(status.seconds == member.modified.seconds, "n\(index)")
      #expect(status.nanoseconds == member.modified.nanoseconds, "n\(index)")
      #expect(status.userID == member.userID && status.groupID == member.groupID, "n\(index)")
      if member.kind == .regular { #expect(status.size == 300 * index) }
    }
  }

  /// A POSIX time is a decimal: bsdtar 3.6 reads "-1.5" as -0.5, so only GNU tar is asked.
  @Test func `times before 1970 with nanoseconds arrive`() throws {
    let member = TarMember(
      path: Self.path("old"), kind: .regular, mode: 0o644, modified: .init(seconds: -2, nanoseconds: 500_000_000))
    let directory = try Self.extract(try archived(member), by: extractors[0])
    let status = try FileStatus(of: Self.path(directory("old")))
    #expect(status.seconds == -2 && status.nanoseconds == 500_000_000)
  }

  @Test(arguments: extractors)
  func `names of any bytes and lengths arrive`(program: [String]) throws {
    let component = [UInt8](repeating: UInt8(ascii: "c"), count: 254) + [UInt8(ascii: "/")]
    let deep = Array(repeating: component, count: 11).joined() + [UInt8](repeating: UInt8(ascii: "d"), count: 195)
    let names: [[UInt8]] = [
      Self.path("short"), [UInt8](repeating: UInt8(ascii: "a"), count: 100),
      [UInt8](repeating: UInt8(ascii: "b"), count: 101), [UInt8](repeating: UInt8(ascii: "e"), count: 255),
      Self.path("Größe/日本語/🔑"), Self.path("new\nline"), Self.path("a=b %25 c"), Self.path("back\\slash"),
      [0xFF, 0xFE, 0x41], [0xC3, 0x28], [UInt8](repeating: 0x80, count: 255), Array(deep),
    ]
    var archive: [UInt8] = []
    for (index, name) in names.enumerated() {
      archive += try archived(TarMember(path: name, kind: .regular, mode: 0o644), [UInt8(index)])
      archive += try archived(
        TarMember(path: Self.path("link\(index)"), kind: .symbolicLink(target: name), mode: 0o777))
      archive += try archived(TarMember(path: Self.path("hard\(index)"), kind: .hardLink(target: name), mode: 0o644))
      if name.count < 250 {
        archive += try archived(TarMember(path: name + Self.path(".d"), kind: .directory, mode: 0o751))
      }
    }
    let directory = try Self.extract(archive + TarMember.endOfArchive, by: program)
    // Foundation's FileManager damages the heap on paths beyond 1,025 bytes, so it must not remove them.
    defer { _ = try? Program.run(["rm", "-rf", directory.path]) }
    let root = Self.path(directory.path) + [UInt8(ascii: "/")]
    for (index, name) in names.enumerated() {
      let file = try FileStatus(of: root + name)
      #expect(file.size == 1)
      #expect(linkTarget(of: root + Self.path("link\(index)")) == name)
      #expect(try FileStatus(of: root + Self.path("hard\(index)")) == file)
      if name.count < 250 { #expect(try FileStatus(of: root + name + Self.path(".d")).permissions == 0o751) }
    }
  }

  @Test(arguments: extractors)
  func `empty directories, links and read-only directories arrive`(program: [String]) throws {
    let time = TarMember.Time(seconds: 1_600_000_000, nanoseconds: 7)
    let list = [
      TarMember(path: [], kind: .directory, mode: 0o750, modified: time),
      TarMember(path: Self.path("locked"), kind: .directory, mode: 0o555, modified: time),
      TarMember(path: Self.path("locked/empty"), kind: .directory, mode: 0o711, modified: time),
      TarMember(
        path: Self.path("locked/link"), kind: .symbolicLink(target: Self.path("no where")), mode: 0o777, modified: time),
      TarMember(path: Self.path("locked/pipe"), kind: .fifo, mode: 0o640, modified: time),
    ]
    let directory = try Self.extract(try list.flatMap { try archived($0) }, by: program)
    for member in list {
      let status = try FileStatus(of: Self.path(directory.path + "/") + member.path)
      #expect(status.permissions == member.mode)
      // bsdtar sets no times of ".", not even from its own archives.
      if member.path.isEmpty, program[0] == "bsdtar" { continue }
      #expect(status.seconds == time.seconds && status.nanoseconds == 7)
    }
    #expect(linkTarget(of: Self.path(directory("locked/link"))) == Self.path("no where"))
    unsafe chmod(directory("locked"), 0o755)
  }

  @Test(arguments: extractors)
  func `extended attributes arrive`(program: [String]) throws {
    // "=" in a name is GNU tar's escape, which bsdtar does not know.
    let all: [String: [UInt8]] = [
      "user.plain": Array("value".utf8), "user.binary": [0, 10, 61, 255, 0], "user.empty": [],
      "user.long": (0..<3000).map { UInt8(truncatingIfNeeded: $0) }, "user.a=b": [1], "user.ä": [10, 10],
    ]
    let attributes = program[0] == "tar" ? all : all.filter { $0.key != "user.a=b" }
    let bytes = Dictionary(uniqueKeysWithValues: attributes.map { (Array($0.key.utf8), $0.value) })
    var archive: [UInt8] = []
    for (name, kind) in [("file", TarMember.Kind.regular), ("directory", .directory)] {
      archive += try archived(TarMember(path: Self.path(name), kind: kind, mode: 0o755, extendedAttributes: bytes))
    }
    let directory = try Self.extract(archive, by: program)
    for name in ["file", "directory"] {
      let read = try extendedAttributes(of: directory(name))
      // getfattr escapes "=" in names.
      let expected = Dictionary(
        uniqueKeysWithValues: attributes.map { ($0.key.replacingOccurrences(of: "=", with: "\\075"), $0.value) })
      #expect(read.keys.sorted() == expected.keys.sorted())
      for (name, value) in expected { #expect(read[name]?.elementsEqual(value) == true, "\(name)") }
    }
  }
}
