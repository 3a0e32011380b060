import Testing
import VirtualFS

@testable import FuseMount

/// What many changes sum up to.
@Suite("Replay queue") struct ReplayQueueTests {
  private static let (x, y) = (file(10), file(11))

  private static func file(_ number: UInt64) -> EntryChange.Node {
    EntryChange.Node(inode: InodeID(rawValue: number), kind: .regular)
  }

  private static func directory(_ number: UInt64) -> EntryChange.Node {
    EntryChange.Node(inode: InodeID(rawValue: number), kind: .directory)
  }

  private func entry(
    _ name: String, in parent: UInt64 = 1, _ before: EntryChange.Node?, _ after: EntryChange.Node?
  ) throws -> Invalidation {
    .entry(
      EntryChange(
        parent: InodeID(rawValue: parent), name: try Name(name.utf8), before: before, after: after, isGone: false))
  }

  private func spot(_ name: String, in parent: UInt64 = 1) -> Spot {
    Spot(directory: parent, name: [UInt8](name.utf8))
  }

  private func subject(_ node: EntryChange.Node) -> Subject { Subject(node: node.inode.rawValue, kind: node.kind) }

  private func sum(_ changes: [Invalidation]) -> [Replay] {
    var queue = ReplayQueue()
    for change in changes { queue.add(change, of: .single) }
    return queue.take().replays
  }

  @Test func `what came and went is not told`() throws {
    #expect(sum([try entry("a", nil, ReplayQueueTests.x), try entry("a", ReplayQueueTests.x, nil)]) == [])
  }

  @Test func `one move is made of several`() throws {
    let (x, y) = (ReplayQueueTests.x, ReplayQueueTests.y)
    let chain = [
      try entry("a", x, nil), try entry("b", nil, x), try entry("b", x, nil), try entry("c", nil, x),
    ]
    #expect(sum(chain) == [.move(from: spot("a"), to: spot("c"), subject(x))])
    #expect(sum(chain + [try entry("c", x, nil)]) == [.remove(spot("a"), subject(x), successor: nil)])
    // Each finds its new name free.
    let row = [try entry("a", x, nil), try entry("b", y, x), try entry("c", nil, y)]
    #expect(
      sum(row) == [
        .move(from: spot("b"), to: spot("c"), subject(y)), .move(from: spot("a"), to: spot("b"), subject(x)),
      ])
    let circle = [try entry("a", x, y), try entry("b", y, x)]
    #expect(sum(circle).count == 2)
    // Over another file.
    #expect(
      sum([try entry("a", x, nil), try entry("b", y, x)]) == [.move(from: spot("a"), to: spot("b"), subject(x))])
  }

  @Test func `directories come before what goes into them, and go after what was in them`() throws {
    let (x, y) = (ReplayQueueTests.x, ReplayQueueTests.y)
    let (old, new) = (ReplayQueueTests.directory(20), ReplayQueueTests.directory(21))
    let changes = [
      try entry("old", old, nil), try entry("f", in: 20, x, nil), try entry("g", in: 20, y, nil),
      try entry("g", nil, y), try entry("new", nil, new),
    ]
    #expect(
      sum(changes) == [
        .remove(spot("f", in: 20), subject(x), successor: nil), .create(spot("new"), subject(new)),
        .move(from: spot("g", in: 20), to: spot("g"), subject(y)),
        .remove(spot("old"), subject(old), successor: nil),
      ])
  }

  @Test func `an inode is told once, and one that is made with its making`() throws {
    let x = ReplayQueueTests.x
    let regular = subject(x)
    let content = Invalidation.inode(x.inode, .content, isOpen: false)
    let attributes = Invalidation.inode(x.inode, .attributes, isOpen: true)
    #expect(sum([attributes, content, content, attributes]) == [.write(regular), .setAttributes(regular)])
    #expect(sum([try entry("a", nil, x), content]) == [.create(spot("a"), regular)])
    #expect(sum([.inode(x.inode, .names, isOpen: false)]) == [])
  }

  @Test func `of too many the oldest are dropped`() throws {
    var queue = ReplayQueue()
    for number in 1...35_000 {
      queue.add(.inode(InodeID(rawValue: UInt64(number)), .content, isOpen: false), of: .single)
    }
    #expect(queue.take().replays.map(\.subject.node) == Array(25_001...35_000))
    #expect(queue.take().replays == [])
  }
}
