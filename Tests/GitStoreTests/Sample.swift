import GitStore
import Synchronization
import TestSupport

/// Repositories and commits for the tests.
struct Sample {
  let directory: TemporaryDirectory
  let repository: Repository
  var path: String { repository.path }

  init() throws {
    directory = try TemporaryDirectory()
    repository = try Repository.create(at: directory("r.git"))
  }

  /// Runs stock git in the repository and returns what it printed.
  @discardableResult
  func git(_ arguments: String...) throws -> String {
    try Program.check(["git", "-C", path, "-c", "safe.directory=*"] + arguments).text
  }

  /// What `git fsck --strict` has to say, empty when all is well.
  func fsck() throws -> String {
    let program = try Program.run(["git", "-C", path, "fsck", "--strict", "--full"])
    let lines = (program.text + program.errors).split(separator: "\n").filter {
      !$0.hasPrefix("dangling") && !$0.hasPrefix("Checking") && !$0.hasPrefix("notice: ")
        && !$0.hasPrefix("unreachable")
    }
    return program.status == 0 && lines.isEmpty ? "" : "exit \(program.status): \(lines.joined(separator: "\n"))"
  }

  static func person(_ seconds: Int64) -> Person { Person(name: "n", address: "a@b", seconds: seconds) }

  /// The objects of a commit of one file below a directory, the commit last.
  static func commit(
    contents: [UInt8], parents: [ObjectName], seconds: Int64 = 1_700_000_000, file: String = "f.age"
  ) -> [NewObject] {
    let blob = NewObject(kind: .blob, bytes: contents)
    let inner = NewObject(
      kind: .tree, bytes: Tree.encode([TreeEntry(mode: .file, name: file, object: blob.name)]))
    let root = NewObject(
      kind: .tree, bytes: Tree.encode([TreeEntry(mode: .directory, name: "ab", object: inner.name)]))
    let commit = CommitObject(
      tree: root.name, parents: parents, author: person(seconds), committer: person(seconds),
      message: Array("polykey\n".utf8))
    return [blob, inner, root, NewObject(kind: .commit, bytes: commit.encode())]
  }
}

/// A number that several threads count up.
final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  var count: Int { value.load(ordering: .sequentiallyConsistent) }

  func increment() { value.add(1, ordering: .sequentiallyConsistent) }
}
