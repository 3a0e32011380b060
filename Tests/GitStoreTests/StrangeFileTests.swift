import Foundation
import GitStore
import TestSupport
import Testing

/// A repository that somebody else has made or put back: nothing in it leads outside, and nothing makes its user wait.
@Suite("Strange files in a repository") struct StrangeFileTests {
  private let sample: Sample
  private let outside: String
  private let head: ObjectName

  init() throws {
    sample = try Sample()
    let objects = Sample.commit(contents: [1], parents: [])
    try sample.repository.commit(
      objects, updating: "refs/heads/main", from: nil, to: objects[3].name, durability: .powerLoss)
    head = objects[3].name
    outside = sample.directory("outside")
    try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
  }

  /// Puts something in the place of what is at `path` in the repository.
  private func replace(_ path: String, _ command: [String]) throws {
    let target = "\(sample.path)/\(path)"
    try Program.check(["rm", "-rf", target])
    try Program.check(command + [target])
  }

  @Test(arguments: [
    "objects", "refs", "refs/heads", "polykey", "polykey/durable", "polykey/spare", "polykey/ready", "polykey/incoming",
    "polykey/staging", "objects/pack",
  ])
  func `a link in a directory's place leads nothing outside`(path: String) throws {
    // What is there is taken for the repository's own, and would be changed or removed.
    try Program.check(["cp", "-a", "\(sample.path)/.", outside])
    let inside = "\(outside)/\(path)"
    try Program.check(["mkdir", "-p", "\(inside)/0", "\(outside)/polykey/incoming/1_x"])
    try Data([1]).write(to: URL(fileURLWithPath: "\(inside)/0/kept"))
    try "\(UUID()) open\n".write(toFile: "\(sample.path)/polykey/session", atomically: true, encoding: .utf8)
    try replace(path, ["ln", "-s", inside])
    let before = try Program.check(["find", outside, "-printf", "%p %s %T@\n"]).text
    _ = try? use()
    #expect(try Program.check(["find", outside, "-printf", "%p %s %T@\n"]).text == before)
  }

  /// Writes, reads, packs and removes.
  private func use() throws {
    let repository = try Repository(opening: sample.path)
    repository.expectManyWrites(readyFiles: 2)
    var head = head
    for index in 0..<4 {
      let objects = Sample.commit(contents: [UInt8(index)], parents: [head])
      try repository.commit(
        objects, updating: "refs/heads/main", from: head, to: objects[3].name, durability: .processCrash)
      head = objects[3].name
      try repository.makeDurableQuickly()
    }
    try repository.consolidate(looseLimit: 0, grace: -10)
    try repository.consolidate(looseLimit: 0, grace: -10)
  }

  @Test(arguments: ["HEAD", "config", "packed-refs", "refs/heads/main", "polykey/session", "polykey/journal"])
  func `a FIFO, a link and a huge file in a file's place are refused, and nobody waits`(path: String) throws {
    try Data("ref: refs/heads/main\n".utf8).write(to: URL(fileURLWithPath: "\(outside)/file"))
    for command in [["mkfifo"], ["ln", "-s", "\(outside)/file"], ["truncate", "-s", "64G"]] {
      let copy = try TemporaryDirectory()
      try Program.check(["cp", "-a", "\(sample.path)/.", copy.path])
      try Program.check(["rm", "-f", copy(path)])
      try Program.check(command + [copy(path)])
      #expect(throws: GitError.self) {
        let repository = try Repository(opening: copy.path)
        repository.expectManyWrites(readyFiles: 2)
        _ = try repository.resolve("HEAD")
        // What cannot be a journal is not used as one.
        if path == "polykey/journal" { throw GitError.notPlain }
      }
    }
    #expect(try String(contentsOfFile: "\(outside)/file", encoding: .utf8) == "ref: refs/heads/main\n")
  }

  @Test func `a loose object that is a link, a FIFO or huge is damaged, and is healed`() throws {
    let object = NewObject(kind: .blob, bytes: [1, 2, 3])
    let path = "objects/\(object.name.hex.prefix(2))/\(object.name.hex.dropFirst(2))"
    for command in [["mkfifo"], ["ln", "-s", "/dev/zero"], ["truncate", "-s", "64G"]] {
      try sample.repository.write([object], durability: .processCrash)
      try Program.check(["rm", "\(sample.path)/\(path)"])
      try Program.check(command + ["\(sample.path)/\(path)"])
      #expect(throws: GitError.corrupt(object.name)) { try sample.repository.read(object.name) }
      try sample.repository.write([object], durability: .processCrash)
      #expect(try sample.repository.read(object.name, expecting: .blob) == [1, 2, 3])
    }
  }

  @Test(arguments: ["idx", "pack"])
  func `libgit2 is given no pack that is a FIFO or a link`(suffix: String) throws {
    try sample.git("repack", "-adq")
    let directory = "\(sample.path)/objects/pack"
    let name = try #require(FileManager.default.contentsOfDirectory(atPath: directory).first { $0.hasSuffix(suffix) })
    for command in [["mkfifo"], ["ln", "-s", "/dev/zero"]] {
      try replace("objects/pack/\(name)", command)
      #expect(throws: GitError.notPlain) { try Repository(inspecting: sample.path).read(head) }
    }
  }
}
