import Foundation
import GitStore
import TestSupport
import Testing

@Suite("References") struct ReferenceTests {
  private static func commit(_ sample: Sample, _ number: Int, parents: [ObjectName] = []) throws -> ObjectName {
    let objects = Sample.commit(contents: Array("\(number)".utf8), parents: parents)
    try sample.repository.write(objects, durability: .processCrash)
    return objects[3].name
  }

  @Test func `moves only from the expected value`() throws {
    let sample = try Sample()
    let repository = sample.repository
    let one = try Self.commit(sample, 1)
    let two = try Self.commit(sample, 2)
    let name = "refs/heads/nodes/abc"
    #expect(throws: GitError.referenceMoved(actual: nil)) {
      try repository.updateReference(name, from: one, to: two, durability: .processCrash)
    }
    try repository.updateReference(name, from: nil, to: one, durability: .processCrash)
    #expect(throws: GitError.referenceMoved(actual: .direct(one))) {
      try repository.updateReference(name, from: nil, to: two, durability: .powerLoss)
    }
    try repository.updateReference(name, from: one, to: two, durability: .powerLoss)
    #expect(try repository.reference(name) == .direct(two))
    #expect(try sample.git("rev-parse", name) == two.hex)
    try repository.setSymbolicReference("refs/heads/main", to: name)
    #expect(try repository.resolve("HEAD") == two)
    #expect(try repository.reference("refs/heads/main") == .symbolic(name))
    #expect(throws: GitError.referenceMoved(actual: .symbolic(name))) {
      try repository.updateReference("refs/heads/main", from: two, to: one, durability: .processCrash)
    }
    try repository.replaceReference(
      "refs/heads/main", from: .symbolic(name), to: .direct(one), durability: .processCrash)
    #expect(try sample.git("rev-parse", "HEAD") == one.hex)
    #expect(try repository.references(under: "refs/heads/").map(\.name) == ["refs/heads/main", name])
    #expect(throws: GitError.invalidReferenceName) {
      try repository.updateReference(name + "/below", from: nil, to: one, durability: .processCrash)
    }
    #expect(throws: GitError.invalidReferenceName) {
      try repository.updateReference("refs/heads/nodes", from: nil, to: one, durability: .processCrash)
    }
    #expect(try sample.fsck().isEmpty)
    #expect(try Set(FileManager.default.contentsOfDirectory(atPath: sample.path + "/refs/heads")) == ["main", "nodes"])
  }

  @Test func `packed references are read, moved and deleted`() throws {
    let sample = try Sample()
    let repository = sample.repository
    let one = try Self.commit(sample, 1)
    let two = try Self.commit(sample, 2, parents: [one])
    for name in ["refs/heads/main", "refs/heads/x/y", "refs/heads/z"] {
      try repository.updateReference(name, from: nil, to: one, durability: .processCrash)
    }
    try sample.git("tag", "-a", "-m", "t", "tag", one.hex)
    try sample.git("pack-refs", "--all")
    #expect(try repository.references(under: "refs/heads/").count == 3)
    try repository.updateReference("refs/heads/main", from: one, to: two, durability: .processCrash)
    #expect(try repository.resolve("refs/heads/main") == two)
    #expect(throws: GitError.invalidReferenceName) {
      try repository.updateReference("refs/heads/x", from: nil, to: one, durability: .processCrash)
    }
    try repository.deleteReference("refs/heads/x/y", from: .direct(one))
    try repository.deleteReference("refs/heads/main", from: .direct(two))
    #expect(try repository.references().map(\.name) == ["refs/heads/z", "refs/tags/tag"])
    #expect(try sample.git("for-each-ref", "--format=%(refname)") == "refs/heads/z\nrefs/tags/tag")
    #expect(try sample.fsck().isEmpty)
    #expect(throws: GitError.referenceMoved(actual: .direct(one))) {
      try repository.deleteReference("refs/heads/z", from: .direct(two))
    }
  }

  @Test(arguments: [
    "refs/heads/../x", "/etc/passwd", "refs/heads/x.lock", "refs/heads/.x", "refs/heads//x", "refs/heads/x y", "refs/",
    "refs/heads/x:y", "refs/heads/x\n", "config", "refs/heads/x.", "refs/heads/@{x", "",
  ])
  func `names that git forbids are refused`(name: String) throws {
    let sample = try Sample()
    #expect(throws: GitError.invalidReferenceName) { try sample.repository.reference(name) }
    #expect(throws: GitError.invalidReferenceName) {
      try sample.repository.updateReference(name, from: nil, to: .of(.blob, []), durability: .processCrash)
    }
  }

  @Test func `a dead process's lock is removed and another program's is respected`() throws {
    let sample = try Sample()
    let one = try Self.commit(sample, 1)
    let lock = sample.path + "/refs/heads/main.lock"
    #expect(FileManager.default.createFile(atPath: lock, contents: Data(), attributes: [.posixPermissions: 0o1644]))
    try sample.repository.updateReference("refs/heads/main", from: nil, to: one, durability: .processCrash)
    #expect(FileManager.default.createFile(atPath: lock, contents: Data(), attributes: [.posixPermissions: 0o644]))
    let two = try Self.commit(sample, 2)
    #expect(throws: GitError.referenceLocked) {
      try sample.repository.updateReference("refs/heads/main", from: one, to: two, durability: .processCrash)
    }
    #expect(FileManager.default.fileExists(atPath: lock))
    #expect(try sample.repository.resolve("HEAD") == one)
  }

  @Test func `a reference file that somebody linked is not written again`() throws {
    let sample = try Sample()
    var head = try Self.commit(sample, 0)
    try sample.repository.updateReference("refs/heads/main", from: nil, to: head, durability: .processCrash)
    let copy = sample.directory("copy")
    try FileManager.default.linkItem(atPath: sample.path + "/refs/heads/main", toPath: copy)
    let before = try String(contentsOfFile: copy, encoding: .utf8)
    for number in 1...80 {
      let next = try Self.commit(sample, number, parents: [head])
      try sample.repository.updateReference("refs/heads/main", from: head, to: next, durability: .processCrash)
      head = next
    }
    #expect(try String(contentsOfFile: copy, encoding: .utf8) == before)
  }

  /// Two instances (as two processes are), several threads each, and git: every increment of the chain must be in the end's history.
  @Test func `no update is lost between instances, threads and git`() async throws {
    let sample = try Sample()
    let first = try Self.commit(sample, 0)
    try sample.repository.updateReference("refs/heads/main", from: nil, to: first, durability: .processCrash)
    let other = try Repository(opening: sample.path)
    let done = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0..<6 {
        let repository = thread % 2 == 0 ? sample.repository : other
        group.addTask {
          var succeeded = 0
          while succeeded < 25 {
            guard let head = try repository.resolve("refs/heads/main") else { throw GitError.malformedReference }
            let objects = Sample.commit(contents: Array("\(thread) \(succeeded)".utf8), parents: [head])
            do {
              try repository.commit(
                objects, updating: "refs/heads/main", from: head, to: objects[3].name,
                durability: succeeded % 10 == 0 ? .powerLoss : .processCrash)
              succeeded += 1
              done.increment()
            } catch GitError.referenceMoved, GitError.referenceLocked {
              continue
            }
          }
        }
      }
      let path = sample.path
      group.addTask {
        var succeeded = 0
        while succeeded < 5 {
          let script = """
            h=$(git rev-parse refs/heads/main) && t=$(git rev-parse $h^{tree}) &&
            c=$(git -c user.name=g -c user.email=g commit-tree -p $h -m git$$ $t) && git update-ref refs/heads/main $c $h
            """
          if try Program.run(["sh", "-c", script], in: path).status == 0 {
            succeeded += 1
            done.increment()
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try sample.git("rev-list", "--count", "main") == "\(done.count + 1)")
    #expect(done.count == 155)
    #expect(try sample.fsck().isEmpty)
  }
}
