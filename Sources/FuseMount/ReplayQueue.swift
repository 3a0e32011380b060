internal import VirtualFS

/// What is to be replayed: the sum of all changes since the last ``take()``, of each entry and inode once.
struct ReplayQueue {
  private enum Key: Hashable {
    case entry(Spot)
    case inode(UInt64)
  }

  private enum News {
    case entry(before: Subject?, after: Subject?)
    case inode(content: Bool, attributes: Bool)
  }

  /// Entries and inodes that wait at most; of more the oldest are dropped.
  private static let limit = 10_000

  private var news: [Key: News] = [:]
  /// In the order of their first change; from `first` on.
  private var order: [Key] = []
  private var first = 0

  /// Adds what watchers can hear of.
  mutating func add(_ invalidation: Invalidation, of volume: VolumeID) {
    func node(_ inode: InodeID) -> UInt64 { VolumeTable.node(inode, of: volume) }
    func subject(_ node: EntryChange.Node) -> Subject {
      Subject(node: VolumeTable.node(node.inode, of: volume), kind: node.kind)
    }
    switch invalidation {
    case .inode(_, .names, _), .waiting: return
    case .inode(let inode, let aspect, _):
      let key = Key.inode(node(inode))
      var (content, attributes) = (aspect == .content, aspect == .attributes)
      if case .inode(let hadContent, let hadAttributes) = news[key] {
        (content, attributes) = (content || hadContent, attributes || hadAttributes)
      }
      put(.inode(content: content, attributes: attributes), for: key)
    case .entry(let change):
      let key = Key.entry(Spot(directory: node(change.parent), name: change.name.bytes))
      var before = change.before.map(subject)
      if case .entry(let earlier, _) = news[key] { before = earlier }
      put(.entry(before: before, after: change.after.map(subject)), for: key)
    }
  }

  private mutating func put(_ value: News, for key: Key) {
    if news.updateValue(value, forKey: key) == nil { order.append(key) }
    if news.count > ReplayQueue.limit {
      news[order[first]] = nil
      first += 1
    }
    // Amortized O(1).
    if first > ReplayQueue.limit {
      order.removeFirst(first)
      first = 0
    }
  }

  /// Empties the queue.
  mutating func take() -> ReplayRound {
    defer { self = ReplayQueue() }
    var round = ReplayRound()
    for key in order[first...] {
      switch (key, news[key]) {
      case (.entry(let spot), .entry(let before, let after)?): round.add(spot, before: before, after: after)
      case (.inode(let node), .inode(let content, let attributes)?):
        round.add(node, content: content, attributes: attributes)
      default: break
      }
    }
    round.finish()
    return round
  }
}

/// Replays in an order in which they can be made, one after the other.
struct ReplayRound {
  private(set) var replays: [Replay] = []
  /// Where directories were that are no more: the way to what was in them.
  private(set) var graves: [UInt64: Spot] = [:]

  private var entries: [(spot: Spot, before: Subject?, after: Subject?)] = []
  private var inodes: [Replay] = []
  /// The names that an inode lost, and that nothing has been made of yet.
  private var losses: [UInt64: [Spot]] = [:]
  private var created: Set<UInt64> = []

  fileprivate mutating func add(_ spot: Spot, before: Subject?, after: Subject?) {
    guard before?.node != after?.node else { return }
    entries.append((spot, before, after))
    if let before {
      losses[before.node, default: []].append(spot)
      if before.kind == .directory { graves[before.node] = spot }
    }
  }

  fileprivate mutating func add(_ node: UInt64, content: Bool, attributes: Bool) {
    // The type counts for names only.
    let subject = Subject(node: node, kind: .regular)
    if content { inodes.append(.write(subject)) }
    if attributes { inodes.append(.setAttributes(subject)) }
  }

  fileprivate mutating func finish() {
    var (directories, others) = ([Replay](), [Replay]())
    var moves: [Spot: Replay] = [:]
    var targets: [Spot] = []
    for (spot, _, after) in entries {
      guard let after else { continue }
      if let from = losses[after.node]?.popLast() {
        moves[from] = .move(from: from, to: spot, after)
        targets.append(from)
      } else {
        created.insert(after.node)
        if after.kind == .directory {
          directories.append(.create(spot, after))
        } else {
          others.append(.create(spot, after))
        }
      }
    }
    let replaced = Set(moves.values.compactMap(\.spots.last))
    var (files, emptied) = ([Replay](), [Replay]())
    for (spot, before, after) in entries {
      guard let before, let index = losses[before.node]?.firstIndex(of: spot) else { continue }
      losses[before.node]?.remove(at: index)
      // A move over another file tells of the move only.
      if replaced.contains(spot) { continue }
      let removal = Replay.remove(spot, before, successor: after?.node)
      if before.kind == .directory { emptied.append(removal) } else { files.append(removal) }
    }
    replays = files + directories + ReplayRound.ordered(moves, targets) + emptied + others
    // Creating a file tells of its content and attributes, too.
    replays += inodes.filter { !created.contains($0.subject.node) }
    (entries, inodes, losses) = ([], [], [:])
  }

  /// Moves so that each finds its new name free, but in a circle.
  private static func ordered(_ moves: [Spot: Replay], _ sources: [Spot]) -> [Replay] {
    var left = moves
    var result: [Replay] = []
    for source in sources {
      var chain: [Replay] = []
      var next: Spot? = source
      while let spot = next, let move = left.removeValue(forKey: spot) {
        chain.append(move)
        next = move.spots.last
      }
      result += chain.reversed()
    }
    return result
  }
}
