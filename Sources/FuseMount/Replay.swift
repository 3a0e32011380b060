internal import VirtualFS

/// An entry of a directory, in the kernel's inode numbers.
struct Spot: Hashable, Sendable {
  let directory: UInt64
  let name: [UInt8]
}

/// An inode, by the kernel's number, and its type.
struct Subject: Hashable, Sendable {
  let node: UInt64
  let kind: FileKind
}

/// A change from outside that is applied already, to be repeated as a program on the mount would have made it.
enum Replay: Hashable, Sendable {
  case create(Spot, Subject)
  /// `successor` has the name now, and its creation follows.
  case remove(Spot, Subject, successor: UInt64?)
  case move(from: Spot, to: Spot, Subject)
  /// New content.
  case write(Subject)
  case setAttributes(Subject)

  /// The entries that it makes or takes away.
  var spots: [Spot] {
    switch self {
    case .create(let spot, _), .remove(let spot, _, _): [spot]
    case .move(let from, let to, _): [from, to]
    case .write, .setAttributes: []
    }
  }

  var subject: Subject {
    switch self {
    case .create(_, let subject), .remove(_, let subject, _), .move(_, _, let subject), .write(let subject),
      .setAttributes(let subject):
      subject
    }
  }
}

extension VolumeTable {
  /// Whether the tree is still as it was when the change was applied: if not, a later change tells, or who made it did.
  func isDue(_ replay: Replay) -> Bool {
    let subject = replay.subject
    switch replay {
    case .create(let spot, _): return occupant(of: spot) == subject.node
    case .remove(let spot, _, let successor):
      // The kernel closes a removed directory for good.
      return occupant(of: spot) == successor && !(subject.kind == .directory && isAlive(subject.node))
    case .move(let from, let to, _): return occupant(of: to) == subject.node && occupant(of: from) != subject.node
    case .write, .setAttributes: return (try? place(of: subject.node)) != nil
    }
  }

  private func occupant(of spot: Spot) -> UInt64? {
    guard let place = try? place(of: spot.directory), let name = try? Name(spot.name) else { return nil }
    return place.fileSystem.inode(named: name, in: place.inode).map(place.node)
  }

  private func isAlive(_ directory: UInt64) -> Bool {
    guard let place = try? place(of: directory) else { return false }
    return place.fileSystem.path(to: place.inode) != nil
  }
}
