internal import GitStore

/// What another repository of the vault lacks, as a sequence of updates, each a git pack and the branches that it leads to.
///
/// Only commits that the other has not are looked at, newest first until all that is left is known to it; and of each only what it changed.
struct Outgoing {
  private let vault: Vault
  /// Our branches, by short names.
  private let tips: [String: ObjectName]
  /// Data and merge commits that the other has and we have too.
  private let known: Set<ObjectName>
  /// The ends of its members' log and of forks that lost.
  private let knownMembers: Set<ObjectName>

  /// One object of a pack.
  private typealias Item = IntroducedObjects.Change

  /// Deltas in a row: a tree that is a delta of a delta takes long to read, and receivers allow 128.
  private static let deltaDepth = 40
  /// Objects of one pack, at which the next one is begun.
  private static let packSize = 2000

  /// What a repository with the branches `have` lacks, of commits that we may not have too: it is ahead then.
  init(of vault: Vault, tips: [String: ObjectName], to have: [String: ObjectName]) throws(VaultError) {
    self.vault = vault
    self.tips = tips
    var known: Set<ObjectName> = []
    for (branch, tip) in have where branch.hasPrefix(BranchName.nodes) {
      if try Outgoing.isCommit(tip, of: vault) {
        known.insert(tip)
      } else if branch != BranchName.of(vault.identity.node), let mine = tips[branch] {
        // A node's branch only goes forward: who has a later commit has ours. Of our own we should know all: perhaps a backup was put back.
        known.insert(mine)
      }
    }
    self.known = known
    knownMembers = Set(have.filter { !$0.key.hasPrefix(BranchName.nodes) }.values)
  }

  /// Whether there is such a commit here; the other may say what it likes.
  private static func isCommit(_ name: ObjectName, of vault: Vault) throws(VaultError) -> Bool {
    guard try vault.repository.has(name) else { return false }
    do throws(VaultError) {
      _ = try vault.graph.commit(name)
      return true
    } catch {
      guard error.isFlaw || error.isUnreadable else { throw error }
      return false
    }
  }

  /// Calls `send` with each update: the branches that it leads to, and a closure that writes its pack to where it is told.
  func updates(
    _ send: (_ tips: [String: ObjectName], _ pack: ((@escaping PackStreamWriter.Sink) throws(VaultError) -> Void))
      throws
      -> Void
  ) throws {
    try members(send)
    let graph = vault.graph
    let branches = tips.filter { $0.key.hasPrefix(BranchName.nodes) }
    let commits = try Divergence.commits(
      reachedBy: branches.values, butNotBy: known, in: graph)
    var pending: [Item] = []
    var taken: Set<ObjectName> = []
    var reached: [String: ObjectName] = [:]
    for (index, commit) in commits.enumerated() {
      var parents: [ObjectName] = []
      for parent in commit.parents { parents.append(try graph.commit(parent).tree) }
      for item in try IntroducedObjects(in: commit.tree, since: parents, from: vault.repository).objects
      where taken.insert(item.name).inserted { pending.append(item) }
      pending.append(Item(name: commit.name, kind: .commit, base: nil))
      if let node = commit.node, vault.membership.standing(of: node) == .writes {
        let branch = BranchName.of(node)
        if branches[branch] != nil { reached[branch] = commit.name }
      }
      let isLast = index == commits.count - 1
      guard isLast || pending.count >= Outgoing.packSize else { continue }
      try self.send(pending, leadingTo: isLast ? branches : reached, send)
      pending = []
      taken = []
    }
    // What the other has already, but under no branch of that name.
    if commits.isEmpty, !branches.isEmpty, branches.contains(where: { !known.contains($0.value) }) {
      try self.send([], leadingTo: branches, send)
    }
  }

  /// Only the update of the members' log and its forks.
  func members(
    _ send: (_ tips: [String: ObjectName], _ pack: ((@escaping PackStreamWriter.Sink) throws(VaultError) -> Void))
      throws
      -> Void
  ) throws {
    let log = vault.log
    let branches = tips.filter { !$0.key.hasPrefix(BranchName.nodes) && !knownMembers.contains($0.value) }
    guard !branches.isEmpty else { return }
    var items: [Item] = []
    var taken: Set<ObjectName> = []
    for tip in branches.values.sorted() {
      var chain: [(commit: ObjectName, tree: ObjectName, before: ObjectName?)] = []
      var next: ObjectName? = tip
      while let name = next, !knownMembers.contains(where: { log.isAncestor(name, of: $0) }) {
        let commit = try vault.repository.loadCommit(name)
        next = commit.parents.first
        let before: ObjectName? = if let next { try vault.repository.loadCommit(next).tree } else { nil }
        chain.append((name, commit.tree, before))
      }
      for (commit, tree, before) in chain.reversed() where taken.insert(commit).inserted {
        let parents = [before].compactMap { $0 }
        for item in try IntroducedObjects(in: tree, since: parents, from: vault.repository).objects
        where taken.insert(item.name).inserted { items.append(item) }
        items.append(Item(name: commit, kind: .commit, base: nil))
      }
    }
    try self.send(items, leadingTo: branches, send)
  }

  private func send(
    _ items: [Item], leadingTo tips: [String: ObjectName],
    _ send: (_ tips: [String: ObjectName], _ pack: ((@escaping PackStreamWriter.Sink) throws(VaultError) -> Void))
      throws
      -> Void
  ) throws {
    let repository = vault.repository
    try send(tips) { sink throws(VaultError) in
      try repository.wrapped { () throws(GitError) in
        let writer = try PackStreamWriter(objectCount: items.count, sink: sink)
        // Deltas between each object of this pack and one that is whole, or that the other has.
        var depths: [ObjectName: Int] = [:]
        for item in items {
          var base: DeltaBase?
          let depth = item.base.map { (depths[$0] ?? 0) + 1 } ?? 0
          if let name = item.base, depth <= Outgoing.deltaDepth {
            depths[item.name] = depth
            base = DeltaBase(name: name, bytes: try repository.read(name, expecting: .tree))
          }
          try writer.add(item.kind, try repository.read(item.name, expecting: item.kind), base: base)
        }
        _ = try writer.finish()
      }
    }
  }
}

/// The short names by which peers call a vault's branches.
package enum BranchName {
  static let members = "members"
  static let nodes = "nodes/"
  static let lost = "lost/"
  static let acknowledgements = "acks/"

  static func of(_ node: NodeID) -> String { "\(nodes)\(node)" }

  static func acknowledgement(of node: NodeID) -> String { "\(acknowledgements)\(node)" }

  /// The node whose acknowledgement the branch is; nil of another branch.
  package static func acknowledging(_ branch: String) -> NodeID? {
    branch.hasPrefix(acknowledgements) ? NodeID(branch.dropFirst(acknowledgements.count)) : nil
  }

  /// Whether it is the members' log, or a fork of it that lost.
  static func isOfLog(_ branch: String) -> Bool { branch == members || branch.hasPrefix(lost) }

  /// Whether it says something of the members: the log, its forks, and which of them nodes have accepted.
  package static func isOfMembers(_ branch: String) -> Bool { isOfLog(branch) || acknowledging(branch) != nil }

  /// The node whose branch it is; nil of another branch.
  package static func node(_ branch: String) -> NodeID? {
    branch.hasPrefix(nodes) ? NodeID(branch.dropFirst(nodes.count)) : nil
  }
}
