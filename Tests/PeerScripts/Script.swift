/// A play of a few persons who share a vault, to be played on any ``Stage``.
package struct Script: Sendable, CustomStringConvertible {
  /// What it shows.
  package let title: String
  /// How many persons it needs.
  package let cast: Int
  private let act: @Sendable (Play) throws -> Void

  package var description: String { title }

  static let names = ["alice", "bob", "carol"]

  init(_ title: String, cast: Int = 2, _ act: @escaping @Sendable (Play) throws -> Void) {
    (self.title, self.cast, self.act) = (title, cast, act)
  }

  /// Why a play went wrong.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
  }

  /// Plays it, and at its end looks whether all who are members and connected see the same, and whether all is sound.
  package func play(on stage: any Stage) throws {
    let play = Play(stage)
    try act(play)
    try stage.settle()
    let alice = play.alice
    for number in play.present.sorted() where number != 0 {
      let other = Person(number: number, stage: stage)
      let isSame = try stage.poll {
        do { return try other.tree() == alice.tree() } catch is CallError { return false }
      }
      guard isSame else {
        throw Failure("\(Script.names[number]) sees \(try other.tree()), but alice sees \(try alice.tree())")
      }
    }
    try stage.verify()
  }
}

/// The persons of a script, and what owners do.
final class Play {
  private let stage: any Stage
  /// Who should see the same as alice in the end: its readers that were not removed.
  private(set) var present: Set<Int> = [0]

  init(_ stage: any Stage) { self.stage = stage }

  var alice: Person { Person(number: 0, stage: stage) }
  var bob: Person { Person(number: 1, stage: stage) }
  var carol: Person { Person(number: 2, stage: stage) }

  func admit(_ person: Person, as role: String = "writer", withHistory: Bool = true) throws {
    try stage.admit(person.number, as: role, withHistory: withHistory)
    if role != "replica" { present.insert(person.number) }
  }

  func setRole(of person: Person, to role: String) throws { try stage.setRole(of: person.number, to: role) }

  func remove(_ person: Person) throws {
    try stage.remove(person.number)
    present.remove(person.number)
  }

  /// `other` runs a copy of `person`'s keynode from now on: the same node, on another machine.
  func copyKeynode(of person: Person, to other: Person) throws {
    try stage.copyKeynode(of: person.number, to: other.number)
    present.insert(other.number)
  }

  func rotate() throws { try stage.rotate() }
  func settle() throws { try stage.settle() }

  /// Does `acts` where none of the two, or three, hears of the others, then brings them together.
  func apart(_ persons: [Person], _ acts: () throws -> Void) throws {
    for person in persons { try person.disconnects() }
    try acts()
    for person in persons { try person.reconnects() }
    try settle()
  }
}
