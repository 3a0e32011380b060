import Foundation
import Glibc
import TarStream
import TestSupport
import Testing

/// A program that writes an archive, and what its format can hold.
struct Archiver: Sendable, CustomTestStringConvertible {
  var command: [String]
  /// Whether times have nanoseconds, and extended attributes are kept.
  var isPax = false
  var longestName: Int
  var hasFIFOs = true

  var testDescription: String { command.joined(separator: " ") }

  static let all = [
    Archiver(command: ["tar", "--xattrs", "--format=pax"], isPax: true, longestName: 3000),
    Archiver(
      command: ["tar", "--xattrs", "--format=pax", "--pax-option=hdrcharset=BINARY"], isPax: true, longestName: 3000),
    Archiver(command: ["tar", "--format=gnu"], longestName: 3000),
    Archiver(command: ["tar", "--format=oldgnu"], longestName: 3000),
    Archiver(command: ["tar", "--format=ustar"], longestName: 90),
    Archiver(command: ["tar", "--format=v7"], longestName: 90, hasFIFOs: false),
    Archiver(command: ["bsdtar", "--xattrs", "--format=pax"], isPax: true, longestName: 3000),
    Archiver(command: ["bsdtar", "--no-xattrs", "--format=ustar"], longestName: 90),
    Archiver(command: ["bsdtar", "--no-xattrs", "--format=gnutar"], longestName: 3000),
    Archiver(command: ["bsdtar", "--no-xattrs", "--format=v7"], longestName: 90, hasFIFOs: false),
  ]
}

@Suite("Reading tar's archives") struct ReadingTests {
  private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// A name of `count` bytes, in components of at most 100.
  private static func name(_ count: Int, _ letter: Character) -> String {
    let text = stride(from: 0, to: count, by: 100).map { start in
      String(repeating: letter, count: min(100, count - start) - (start + 100 < count ? 1 : 0))
    }
    return text.joined(separator: "/")
  }

  @Test(arguments: Archiver.all)
  func `every format of GNU tar and bsdtar is read`(archiver: Archiver) throws {
    let directory = try TemporaryDirectory()
    let tree = directory("tree")
    let root = Self.bytes(tree + "/")
    let long = Self.name(archiver.longestName, "n")
    // Not with Foundation: its FileManager damages the heap on paths beyond 1,025 bytes (Swift 6.3.1, Linux).
    defer { _ = try? Program.run(["rm", "-rf", tree]) }
    try Program.check(["mkdir", "-p", "\(tree)/\(long)"])
    writeFile(root + Self.bytes("file ü"), Self.bytes("content"))
    writeFile(root + Self.bytes(long + "/x"), [UInt8](repeating: 0x41, count: 1024))
    writeFile(root + Self.bytes("big"), [UInt8](repeating: 0x42, count: 70_000))
    writeFile(root + [0xFF, 0xC3], [])
    try Program.check(["ln", "-s", long, "\(tree)/symbolic"])
    try Program.check(["ln", "\(tree)/\(long)/x", "\(tree)/\(long)/y"])
    if archiver.hasFIFOs { unsafe withCPath(root + Self.bytes("pipe")) { _ = unsafe mkfifo($0, 0o644) } }
    if geteuid() == 0 { unsafe withCPath(root + Self.bytes("big")) { _ = unsafe chown($0, 2_097_151, 12345) } }
    try Program.check(["touch", "-h", "-d", "2001-02-03 04:05:06.789012345", "\(tree)/symbolic", "\(tree)/file ü"])
    let value = "0x" + (0...255).map { String(format: "%02x", $0) }.joined()
    try Program.check(["setfattr", "-n", "user.all", "-v", value, "\(tree)/big"])

    let archive = try Program.check(archiver.command + ["-cf", "-", "-C", tree, "."])
    let members = try readAll(archive.output, chunkSize: 4001)
    var linkTargets: [[UInt8]] = []
    for (member, content) in members {
      let path = root + member.path.trimmingDotSlash
      let status = try FileStatus(of: path)
      #expect(member.mode == status.permissions || member.kind == .symbolicLink(target: Self.bytes(long)))
      #expect(member.userID == status.userID && member.groupID == status.groupID)
      #expect(member.modified.seconds == status.seconds)
      if archiver.isPax { #expect(Int(member.modified.nanoseconds) == status.nanoseconds) }
      switch member.kind {
      case .regular:
        #expect(status.mode & S_IFMT == S_IFREG && status.size == content.count && member.size == content.count)
        #expect(content == readFile(path))
      case .directory: #expect(status.mode & S_IFMT == S_IFDIR)
      case .symbolicLink(let target): #expect(linkTarget(of: path) == target)
      case .hardLink(let target):
        linkTargets.append(target)
        #expect(try FileStatus(of: root + target.trimmingDotSlash) == status)
      case .fifo: #expect(status.mode & S_IFMT == S_IFIFO)
      case .characterDevice, .blockDevice: Issue.record("there is no device")
      }
      let isBig = member.path.trimmingDotSlash == Self.bytes("big")
      #expect(member.extendedAttributes == (isBig && archiver.isPax ? [Self.bytes("user.all"): Array(0...255)] : [:]))
    }
    #expect(linkTargets.count == 1)
    // The names, less "." and the components of the long one.
    #expect(members.contains { $0.member.path.trimmingDotSlash == Self.bytes(long + "/x") })
    #expect(members.contains { $0.member.path.trimmingDotSlash == [0xFF, 0xC3] })
    #expect(members.contains { $0.member.kind == .fifo } == archiver.hasFIFOs)
  }

  @Test(arguments: ["tar", "bsdtar"])
  func `ustar's prefix is read`(program: String) throws {
    let directory = try TemporaryDirectory()
    let name = Self.name(150, "p") + "/" + Self.name(70, "q")
    try FileManager.default.createDirectory(atPath: directory(name), withIntermediateDirectories: true)
    let archive = try Program.check([program, "--format=ustar", "-cf", "-", "-C", directory.path, name])
    #expect(try readAll(archive.output).map(\.member.path) == [Self.bytes(name)])
  }

  @Test func `devices are read`() throws {
    for (command, path) in [("tar", "/dev/null"), ("bsdtar", "/dev/null")] {
      let archive = try Program.check([command, "-cf", "-", path])
      let kinds = try readAll(archive.output).map(\.member.kind)
      #expect(kinds == [.characterDevice(major: 1, minor: 3)])
    }
  }

  @Test(arguments: [["tar", "--format=gnu"], ["tar", "--format=pax"], ["bsdtar", "--format=pax"]])
  func `sparse files are refused`(command: [String]) throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write([1], to: "sparse")
    try Program.check(["truncate", "-s", "10M", path])
    let flags = command[0] == "tar" ? ["-S"] : []
    let archive = try Program.check(command + flags + ["-cf", "-", "-C", directory.path, "sparse"])
    #expect(throws: TarError.unsupportedSparseFile) { try readAll(archive.output) }
  }

  @Test func `global records hold for the members after them`() throws {
    let directory = try TemporaryDirectory()
    _ = try directory.write([1], to: "a")
    _ = try directory.write([2], to: "b")
    let archive = try Program.check([
      "tar", "--format=pax", "--pax-option=gname=everyone,uid=77", "-cf", "-", "-C", directory.path, "a", "b",
    ])
    let members = try readAll(archive.output).map(\.member)
    #expect(members.map(\.groupName) == [Self.bytes("everyone"), Self.bytes("everyone")])
    #expect(members.map(\.userID) == [77, 77])
  }
}

extension [UInt8] {
  /// The path without "./" before it.
  fileprivate var trimmingDotSlash: [UInt8] {
    starts(with: "./".utf8) ? Array(dropFirst(2)) : self
  }
}
