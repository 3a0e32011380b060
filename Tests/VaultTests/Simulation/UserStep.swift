import TestSupport

/// One thing that a person does, or that happens to one, with numbers that say to what: what they mean depends on what is there then, so that a
/// schedule from which steps were dropped can still be played.
struct UserStep: CustomStringConvertible, Sendable {
  enum Kind: String, CaseIterable {
    // Files.
    case write, writeLarge, overwrite, append, save, remove, rename, exchange, link, symlink, makeDirectory
    case removeDirectory, setMode, restore
    // What lost.
    case take, move, drop, edit, linkOut, exchangeOut, moveIn
    // Exchange and machines.
    case send, bundle, restart, look, backUp, putBack, copyKeynode
    // Members.
    case removeMember, setRole, rotate, admit, admitWithoutHistory

    /// How often it comes, among all.
    var weight: Int {
      switch self {
      case .write, .send: 40
      case .rename: 22
      case .overwrite, .remove, .take, .move, .edit: 8
      case .save, .look, .makeDirectory, .link, .linkOut: 6
      case .append, .symlink, .removeDirectory, .setMode, .drop, .restore, .exchangeOut, .exchange: 4
      case .writeLarge, .bundle, .restart, .setRole, .rotate, .admit: 3
      case .backUp, .putBack, .copyKeynode, .removeMember, .admitWithoutHistory, .moveIn: 2
      }
    }
  }

  let kind: Kind
  /// Who, then what: taken modulo whatever there is.
  let actor: Int
  let a: Int
  let b: Int
  /// What is written: the same in no other step.
  let value: String

  var description: String { "\(kind.rawValue) by \(actor) (\(a), \(b)) \(value)" }

  init(_ number: Int, _ generator: inout SeededGenerator) {
    let total = Kind.allCases.reduce(0) { $0 + $1.weight }
    var left = Int.random(in: 0..<total, using: &generator)
    kind =
      Kind.allCases.first { kind in
        left -= kind.weight
        return left < 0
      } ?? .write
    actor = Int.random(in: 0..<60, using: &generator)
    a = Int.random(in: 0..<27_720, using: &generator)
    b = Int.random(in: 0..<27_720, using: &generator)
    value = "v\(number)"
  }
}

/// A seed's whole play: who there is, and what happens.
struct UserSchedule: Sendable {
  let seed: UInt64
  /// The roles of all but the founder.
  let roles: [String]
  var steps: [UserStep]

  init(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    self.seed = seed
    let count = min(Int.random(in: 1...4, using: &generator), Int.random(in: 1...4, using: &generator))
    roles = (0..<count).map { index in
      ["writer", "writer", "writer", "owner", "reader", "replica"][
        index == 0 ? 0 : Int.random(in: 0..<6, using: &generator)]
    }
    steps = (0..<Int.random(in: 10...60, using: &generator)).map { UserStep($0, &generator) }
  }
}
