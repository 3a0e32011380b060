import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Bundles") struct BundleTests {
  /// Our bundle of references.
  private static func bundle(
    _ sample: Sample, _ names: [String], known: [ObjectName] = []
  ) throws -> (bytes: [UInt8], header: GitBundle.Header?) {
    let references = try names.map { name in
      GitBundle.Reference(name: name, object: try #require(try sample.repository.resolve(name)))
    }
    let output = Collected()
    let header = try GitBundle.write(references, known: known, from: sample.repository) { (bytes) throws(GitError) in
      output.add(bytes)
    }
    return (output.bytes, header)
  }

  /// Reads a bundle into a quarantine and admits all.
  private static func unbundle(
    _ bytes: [UInt8], into repository: Repository, by size: Int = 4096, limits: PackLimits = PackLimits()
  ) throws -> GitBundle.Header {
    let quarantine = Quarantine(for: repository)
    let headers = Headers()
    let reader = try quarantine.bundleReader(limits: limits) { (header) throws(GitError) in headers.list.append(header)
    }
    for start in stride(from: 0, to: bytes.count, by: size) {
      try reader.feed(Array(bytes[start..<min(bytes.count, start + size)]))
    }
    try reader.finish()
    try quarantine.admit(quarantine.names)
    return try #require(headers.list.first)
  }

  private final class Headers {
    var list: [GitBundle.Header] = []
  }

  @Test func `git verifies, lists and fetches ours, whole and incremental`() throws {
    let (sample, head) = try PackReaderTests.historic(seed: 81)
    try sample.git("tag", "-a", "-m", "t", "v1", "main")
    try sample.git("branch", "old", "main~5")
    let old = try #require(try sample.repository.resolve("refs/heads/old"))
    let other = try Sample()
    let (whole, first) = try Self.bundle(sample, ["refs/heads/old"])
    #expect(first?.prerequisites == [])
    let path = try sample.directory.write(whole, to: "whole.bundle")
    try other.git("bundle", "verify", path)
    #expect(try other.git("bundle", "list-heads", path) == "\(old.hex) refs/heads/old")
    try other.git("fetch", "-q", path, "refs/heads/old:refs/heads/old")
    let (rest, header) = try Self.bundle(
      sample, ["refs/heads/main", "refs/tags/v1", "HEAD", "refs/heads/old"], known: [old])
    #expect(header?.prerequisites == [old])
    #expect(header?.references.map(\.name) == ["refs/heads/main", "refs/tags/v1", "HEAD"])
    let next = try sample.directory.write(rest, to: "next.bundle")
    #expect(try Program.run(["git", "-C", try Sample().path, "bundle", "verify", next]).status != 0)
    try other.git("bundle", "verify", next)
    try other.git("fetch", "-q", next, "refs/heads/main:refs/heads/main", "refs/tags/v1:refs/tags/v1")
    #expect(try other.repository.resolve("refs/heads/main") == head)
    #expect(try other.fsck().isEmpty)
    // All five commits' trees but the first are small.
    #expect(rest.count < whole.count)
    #expect(try Self.bundle(sample, ["refs/heads/old"], known: [head]).header == nil)
    try Program.check(["git", "clone", "-q", "--mirror", path, sample.directory("clone.git")])
  }

  @Test func `git's are read, whole and incremental, in pieces of any size`() throws {
    let (sample, head) = try PackReaderTests.historic(seed: 82)
    try sample.git("tag", "-a", "-m", "t", "v1", "main")
    let path = sample.directory("b")
    for (size, arguments) in [(1, ["--all"]), (7, ["main", "HEAD"]), (1 << 20, ["main", "--not", "--tags=x*"])] {
      let version = "--version=\(size == 7 ? 3 : 2)"
      try Program.check(["git", "-C", sample.path, "bundle", "create", "-q", version, path] + arguments)
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      let other = try Sample()
      let header = try Self.unbundle(bytes, into: other.repository, by: size)
      #expect(header.references.contains { $0.name == "refs/heads/main" && $0.object == head })
      try other.repository.updateReference("refs/heads/main", from: nil, to: head, durability: .processCrash)
      #expect(try other.fsck().isEmpty)
      let commits = try other.git("rev-list", "--objects", "--count", "main")
      #expect(commits == "48")
    }
    try sample.git("bundle", "create", "-q", path, "main~3..main")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let before = try #require(ObjectName(hex: try sample.git("rev-parse", "main~3")))
    let other = try Sample()
    #expect(throws: GitError.missing(before)) { try Self.unbundle(bytes, into: other.repository) }
    try sample.git("branch", "old", "main~3")
    _ = try Self.unbundle(try Self.bundle(sample, ["refs/heads/old"]).bytes, into: other.repository)
    let header = try Self.unbundle(bytes, into: other.repository)
    #expect(header.prerequisites == [before])
    try other.repository.updateReference("refs/heads/main", from: nil, to: head, durability: .processCrash)
    #expect(try other.fsck().isEmpty)
  }

  @Test func `what a receiver lacks is what git rev-list says, also with merges`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 83)
    var commits: [ObjectName] = []
    var tree = (0..<20).map { TreeEntry(mode: .file, name: "f\($0)", object: .of(.blob, [])) }
    try sample.repository.write([NewObject(kind: .blob, bytes: [])], durability: .processCrash)
    for index in 0..<60 {
      var parents = commits.isEmpty ? [] : [commits[max(0, commits.count - Int.random(in: 1...4, using: &generator))]]
      if index % 3 == 2, let other = commits.dropLast(3).randomElement(using: &generator), !parents.contains(other) {
        parents.append(other)
      }
      let blob = NewObject(kind: .blob, bytes: generator.bytes(20))
      tree[Int.random(in: tree.indices, using: &generator)].object = blob.name
      let inner = NewObject(kind: .tree, bytes: Tree.encode(tree))
      let root = NewObject(
        kind: .tree,
        bytes: Tree.encode([
          TreeEntry(mode: .directory, name: "d\(index % 3)", object: inner.name),
          TreeEntry(mode: .other(0o160000), name: "link", object: .of(.blob, [7])),
        ]))
      let commit = CommitObject(
        tree: root.name, parents: parents, author: Sample.person(Int64(index)),
        committer: Sample.person(Int64(index)), message: [])
      let object = NewObject(kind: .commit, bytes: commit.encode())
      try sample.repository.write([blob, inner, root, object], durability: .processCrash)
      commits.append(object.name)
    }
    for _ in 0..<25 {
      let tip = try #require(commits.randomElement(using: &generator))
      let known = (0..<Int.random(in: 0...2, using: &generator)).compactMap { _ in
        commits.randomElement(using: &generator)
      }
      let objects = try MissingObjects(for: [tip], known: known, in: sample.repository)
      #expect(Set(objects.names).count == objects.count)
      let git = try Program.check(
        ["git", "-C", sample.path, "rev-list", "--objects", tip.hex] + known.map { "^\($0.hex)" }
      ).text.split(separator: "\n").map { String($0.prefix(40)) }
      // We may list what came back from a version that is no parent's, never less.
      #expect(Set(git).isSubset(of: Set(objects.names.map(\.hex))))
      if known.isEmpty { #expect(objects.count == git.count) }
      let listed = try Program.check(
        ["git", "-C", sample.path, "rev-list", tip.hex] + known.map { "^\($0.hex)" }
      ).text.split(separator: "\n").map(String.init)
      let ours = try objects.names.filter { try sample.repository.kindAndSize($0)?.kind == .commit }.map(\.hex)
      #expect(Set(ours) == Set(listed))
    }
    #expect(throws: GitError.self) { try MissingObjects(for: [.of(.blob, [])], known: [], in: sample.repository) }
  }

  @Test func `other versions and formats are refused as such, damage as damage`() throws {
    let repository = try Sample().repository
    func error(_ text: String) -> GitError? {
      #expect(throws: GitError.self) { try Self.unbundle(Array(text.utf8), into: repository) }
    }
    let name = ObjectName.of(.blob, [1]).hex
    #expect(error("# v3 git bundle\n@object-format=sha256\n") == .bundleUnsupported)
    #expect(error("# v3 git bundle\n@object-format=sha1\n@filter=blob:none\n") == .bundleUnsupported)
    #expect(error("# v4 git bundle\n") == .bundleUnsupported)
    for text in [
      "", "\n", "PACK", "# v2 git bundle", "# v2 git bundle\n", "# v2 git bundle\n@object-format=sha1\n",
      "# v2 git bundle\n-abc c\n", "# v2 git bundle\n\(name) refs/heads/a\n-\(name) c\n",
      "# v2 git bundle\n\(name)\n", "# v2 git bundle\n\(name) refs/heads/../a\n", "# v2 git bundle\n\(name) config\n",
      "# v2 git bundle\n\(name) refs/heads/a\n\(name) refs/heads/a\n", "# v2 git bundle\n-\(name)x\n",
      "# v2 git bundle\n" + String(repeating: "x", count: 2 << 20),
    ] {
      #expect(error(text) == .bundleMalformed, "\(text.prefix(60))")
    }
    #expect(error("# v2 git bundle\n\(name) refs/heads/a\n\nPACK") == .packMalformed)
    #expect(error("# v2 git bundle\n-\(name) \n\(name) refs/heads/a\n\n") == .missing(.of(.blob, [1])))
  }

  @Test func `changed anywhere, a bundle is an error or another header`() throws {
    let (sample, _) = try PackReaderTests.historic(seed: 84, commits: 2)
    let (bytes, header) = try Self.bundle(sample, ["refs/heads/main"])
    for count in stride(from: 0, to: bytes.count, by: 3) {
      let error = #expect(throws: GitError.self) {
        try Self.unbundle(Array(bytes[..<count]), into: sample.repository)
      }
      #expect(error == .bundleMalformed || error == .packMalformed)
    }
    for index in stride(from: 0, to: bytes.count, by: 2) {
      var changed = bytes
      changed[index] ^= 1 << UInt8(index / 2 % 8)
      do {
        #expect(try Self.unbundle(changed, into: sample.repository) != header, "byte \(index)")
      } catch {
        #expect(error is GitError)
      }
    }
  }
}
