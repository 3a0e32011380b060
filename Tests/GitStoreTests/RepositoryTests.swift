import GitStore
import TestSupport
import Testing

@Suite("Repository") struct RepositoryTests {
  @Test func `a new repository is one that stock git accepts`() throws {
    let sample = try Sample()
    #expect(try sample.fsck().isEmpty)
    #expect(try sample.git("rev-parse", "--is-bare-repository") == "true")
    #expect(try sample.git("symbolic-ref", "HEAD") == "refs/heads/main")
    #expect(throws: GitError.alreadyExists) { try Repository.create(at: sample.path) }
  }

  @Test func `commits are read back by us and by git`() throws {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 1)
    var head: ObjectName?
    for (index, size) in [0, 1, 1000, 65_500, 65_535, 200_000].enumerated() {
      let contents = generator.bytes(size)
      let objects = Sample.commit(contents: contents, parents: head.map { [$0] } ?? [])
      let commit = objects[3].name
      let durability: Durability = index % 2 == 0 ? .processCrash : .powerLoss
      try sample.repository.commit(objects, updating: "refs/heads/main", from: head, to: commit, durability: durability)
      head = commit
      for object in objects {
        #expect(try sample.repository.read(object.name, expecting: object.kind) == object.bytes)
        #expect(try sample.repository.kindAndSize(object.name)?.size == object.bytes.count)
      }
      let git = try Program.check(["git", "-C", sample.path, "cat-file", "blob", "main:ab/f.age"])
      #expect(git.output == contents)
      #expect(try sample.fsck().isEmpty)
    }
    try sample.repository.makeDurable()
    #expect(!sample.repository.hasPendingWrites)
    #expect(try sample.git("rev-list", "--count", "main") == "6")
    var history = sample.repository.history(from: try #require(head), following: .allParents)
    var count = 0
    while try history.next() != nil { count += 1 }
    #expect(count == 6)
    // The same through git's packs.
    try sample.git("gc", "-q")
    #expect(try sample.repository.resolve("HEAD") == head)
    let commit = try sample.repository.commit(try #require(head))
    #expect(try sample.repository.tree(commit.tree).entries.count == 1)
  }
}
