import Foundation
import GitStore
import PowerLoss
import TestSupport
import Testing

/// What is found if power is lost at any moment of a random schedule, with any part of what was not synced.
@Suite("Power loss") struct PowerLossTests {
  /// How many more schedules than a test run has time for; `POLYKEY_POWER_LOSSES` sets it.
  private static let rounds = ProcessInfo.processInfo.environment["POLYKEY_POWER_LOSSES"].flatMap { UInt64($0) } ?? 8

  @Test(arguments: 0..<rounds)
  func `what was synced is there, and everything behind every reference`(seed: UInt64) throws {
    let directory = try TemporaryDirectory(inMemory: true)
    let loss = try PowerLoss(recording: directory.path)
    var schedule = try Schedule(path: directory("r.git"), seed: seed, loss: loss)
    try schedule.run(steps: 120)
    loss.stop()
    try schedule.check(losses: 20, in: directory)
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func `a file system that syncfs does not reach is told of each file`(seed: UInt64) throws {
    let directory = try TemporaryDirectory(inMemory: true)
    let loss = try PowerLoss(recording: directory.path, syncsWhole: false)
    var schedule = try Schedule(path: directory("r.git"), seed: seed + 1000, loss: loss, syncsWhole: false)
    try schedule.run(steps: 60)
    loss.stop()
    try schedule.check(losses: 15, in: directory)
  }

  @Test func `what the journal has is synced without it a second later`() throws {
    let directory = try TemporaryDirectory(inMemory: true)
    let repository = try Repository.create(at: directory("r.git"))
    repository.expectManyWrites(readyFiles: 4)
    let objects = Sample.commit(contents: [1], parents: [])
    try repository.commit(
      objects, updating: "refs/heads/main", from: nil, to: objects[3].name, durability: .processCrash)
    try repository.makeDurableQuickly()
    #expect(repository.hasPendingWrites)
    let end = Date() + 10
    while repository.hasPendingWrites, Date() < end { usleep(20_000) }
    #expect(!repository.hasPendingWrites)
  }

  @Test func `an object that is there is not replaced, unless it is damaged`() throws {
    let sample = try Sample()
    let object = NewObject(kind: .blob, bytes: [1, 2, 3])
    let path = "\(sample.path)/objects/\(object.name.hex.prefix(2))/\(object.name.hex.dropFirst(2))"
    func number() throws -> UInt64 {
      try #require(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64)
    }
    try sample.repository.write([object], durability: .powerLoss)
    let first = try number()
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1000)], ofItemAtPath: path)
    for durability in [Durability.processCrash, .powerLoss] {
      try sample.repository.write([object], durability: durability)
      #expect(try number() == first)
    }
    // Young again, for a concurrent `git prune`.
    let modified = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
    #expect(try #require(modified) > Date() - 3600)
    let quarantine = Quarantine(for: sample.repository, memoryLimit: 0)
    try quarantine.add(object)
    try quarantine.admit([object.name])
    #expect(try number() == first)
    try FileManager.default.removeItem(atPath: path)
    try Data().write(to: URL(fileURLWithPath: path))
    try sample.repository.write([object], durability: .processCrash)
    #expect(try sample.repository.read(object.name, expecting: .blob) == [1, 2, 3])
    #expect(try Program.check(["find", sample.path, "-name", "tmp_*"]).text.isEmpty)
  }

  @Test func `a loose object is dropped, for who looks later`() throws {
    let sample = try Sample()
    let other = try Repository(opening: sample.path)
    let object = NewObject(kind: .blob, bytes: [7])
    try sample.repository.write([object], durability: .processCrash)
    #expect(try other.contains(object.name))
    try sample.repository.discardLoose(object.name)
    try sample.repository.discardLoose(object.name)
    #expect(try !sample.repository.contains(object.name))
    #expect(throws: GitError.missing(object.name)) { try other.read(object.name) }
    try sample.repository.makeDurable()
    try sample.repository.write([object], durability: .powerLoss)
    #expect(try other.contains(object.name))
  }
}

/// Two processes that write one repository.
private struct Schedule {
  /// A commit that a reference surely has behind it from some moment on.
  private struct Promise {
    let moment: Int
    let reference: String
    let commit: ObjectName
  }

  private let path: String
  private let syncsWhole: Bool
  private let loss: PowerLoss
  private let seed: UInt64
  private var generator: SeededGenerator
  private var repositories: [Repository?]
  /// What each has written of its own reference and not yet been promised.
  private var tips: [ObjectName?] = [nil, nil]
  private var promises: [Promise] = []
  private let created: Int

  init(path: String, seed: UInt64, loss: PowerLoss, syncsWhole: Bool = true) throws {
    (self.path, self.seed, self.loss, self.syncsWhole) = (path, seed, loss, syncsWhole)
    generator = SeededGenerator(seed: seed)
    _ = try Repository.create(at: path)
    created = loss.now
    repositories = [nil, nil]
  }

  /// A node's branch may be at commits that say its name; at the one that both move any may be.
  private static func belongs(_ reference: String, _: ObjectName, _ commit: CommitObject) -> Bool {
    reference == "refs/heads/main" || commit.message == Array("\(reference)\n".utf8)
  }

  private static func reference(_ index: Int) -> String { "refs/heads/nodes/\(index)" }

  private mutating func repository(_ index: Int) throws -> Repository {
    if let repository = repositories[index] { return repository }
    let repository = try Repository(opening: path, syncReachesDisk: syncsWhole, belongs: Self.belongs)
    if index == 0 { repository.expectManyWrites(readyFiles: 4) }
    repositories[index] = repository
    return repository
  }

  mutating func run(steps: Int) throws {
    for _ in 0..<steps {
      let index = Int.random(in: 0..<2, using: &generator)
      switch Int.random(in: 0..<20, using: &generator) {
      case 0..<11: try commit(index, durably: Int.random(in: 0..<6, using: &generator) == 0)
      case 11..<14: try promise(index) { try $0.makeDurableQuickly() }
      case 14..<16: try promise(index) { try $0.makeDurable() }
      case 16: try repository(index).consolidate(looseLimit: 20, grace: 0)
      case 17:
        _ = try repository(index)
        try promise(index, nil)
      default: try merge(index)
      }
    }
  }

  /// What this instance has written is durable afterwards; without a call it is closed.
  private mutating func promise(_ index: Int, _ call: ((Repository) throws -> Void)?) throws {
    if let call { try call(try repository(index)) } else { repositories[index] = nil }
    guard let tip = tips[index] else { return }
    promises.append(Promise(moment: loss.now, reference: Self.reference(index), commit: tip))
  }

  private mutating func commit(_ index: Int, durably: Bool) throws {
    let repository = try repository(index)
    let reference = Self.reference(index)
    var parents = tips[index].map { [$0] } ?? []
    // On top of what both show, as a node does that has looked.
    if Bool.random(using: &generator), let main = try repository.resolve("refs/heads/main"), !parents.contains(main) {
      parents.append(main)
    }
    // Few contents, so that trees return to what they were.
    let contents = [UInt8(Int.random(in: 0..<3, using: &generator))]
    let objects = Self.commit(contents, parents, message: reference)
    try repository.commit(
      objects, updating: reference, from: tips[index], to: objects[3].name,
      durability: durably ? .powerLoss : .processCrash)
    tips[index] = objects[3].name
    if durably { promises.append(Promise(moment: loss.now, reference: reference, commit: objects[3].name)) }
  }

  /// Moves the reference that both move, to what no one's branch may be at.
  private mutating func merge(_ index: Int) throws {
    let repository = try repository(index)
    let parents = try repository.references(under: "refs/heads/nodes/").map(\.object)
    guard !parents.isEmpty else { return }
    let objects = Self.commit([9], parents, message: "merge")
    let main = try repository.reference("refs/heads/main")
    try repository.write(objects, durability: .processCrash)
    try repository.replaceReference(
      "refs/heads/main", from: main, to: .direct(objects[3].name), durability: .processCrash)
  }

  private static func commit(_ contents: [UInt8], _ parents: [ObjectName], message: String) -> [NewObject] {
    var objects = Sample.commit(contents: contents, parents: parents)
    let person = Sample.person(1_700_000_000)
    let commit = CommitObject(
      tree: objects[2].name, parents: parents, author: person, committer: person, message: Array("\(message)\n".utf8))
    objects[3] = NewObject(kind: .commit, bytes: commit.encode())
    return objects
  }

  mutating func check(losses: Int, in directory: TemporaryDirectory) throws {
    let end = loss.now
    // In the middle of all that is open.
    for number in 0..<losses {
      let moment = Int.random(in: created...end, using: &generator)
      let copy = directory("loss-\(number)")
      try loss.leave(at: moment, in: copy, using: &generator)
      let comment: Comment = "seed \(seed), loss \(number) at \(moment) of \(end)"
      let repository = try Repository(opening: "\(copy)/r.git", belongs: Self.belongs)
      for promise in promises where promise.moment <= moment {
        let found = try #require(try repository.resolve(promise.reference), comment)
        #expect(try repository.isAncestor(promise.commit, of: found), comment)
      }
      for (name, value) in try repository.references() where name != "HEAD" {
        #expect(Self.belongs(name, value, try repository.commit(value)), comment)
      }
      let fsck = try Program.run(["git", "-C", "\(copy)/r.git", "fsck", "--strict", "--full", "--no-dangling"])
      #expect(fsck.status == 0, "seed \(seed), loss \(number) at \(moment): \(fsck.errors)\(fsck.text)")
      try FileManager.default.removeItem(atPath: copy)
    }
  }
}
