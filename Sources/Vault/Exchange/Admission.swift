internal import GitStore

/// Judges what others sent: every rule of docs/format.md is checked before a branch moves.
struct Admission {
  private let vault: Vault
  private let quarantine: Quarantine
  private(set) var verdict = Verdict()
  /// Ends of branches that were refused because they fork.
  private(set) var forks: Set<ObjectName> = []

  /// What one update may be: a commit of a file of 64 GiB, at most.
  static let limits: PackLimits = {
    var limits = PackLimits()
    limits.blobSize = 3 << 20
    limits.treeSize = 32 << 20
    limits.commitSize = 64 << 10
    limits.inflatedSize = 80 << 30
    limits.packSize = 80 << 30
    return limits
  }()

  init(to vault: Vault, from quarantine: Quarantine) {
    self.vault = vault
    self.quarantine = quarantine
  }

  private var graph: CommitGraph<Quarantine> { CommitGraph(source: quarantine, vault: vault.id) }

  /// Judges the branches that an update leads to.
  ///
  /// - Throws: what has nothing to do with the other's honesty: a full disk, a damaged repository.
  mutating func judge(_ tips: [String: ObjectName]) throws(VaultError) {
    try vault.refreshMembers()
    try judgeMembers(tips)
    for (branch, tip) in tips.sorted(by: { $0.key < $1.key }) {
      guard let node = BranchName.node(branch) else { continue }
      do throws(VaultError) {
        if try judge(tip, of: node) { verdict.moved[branch] = tip }
      } catch {
        try refuse(branch, error)
      }
    }
    guard !verdict.moved.isEmpty else { return }
    if let view = try vault.view() { try vault.showInMain(view.commit) }
  }

  /// Notes a refusal, unless it is our own fault.
  private mutating func refuse(_ branch: String, _ error: VaultError) throws(VaultError) {
    switch error {
    case .commitInvalid(let commit, let flaw):
      if flaw == .fork { forks.insert(commit) }
      verdict.refused[branch] = flaw.reason
    case .repository(.missing): verdict.refused[branch] = "something that it needs is missing"
    case .repository(.corrupt), .repository(.wrongKind), .repository(.malformed):
      verdict.refused[branch] = "it is malformed"
    case .formatUnsupported(let format): verdict.refused[branch] = "it has format \(format), which is newer than ours"
    case .notAVault: verdict.refused[branch] = "it is no vault"
    case .notAMember: verdict.refused[branch] = "this node is no member there"
    default: throw error
    }
  }

  // MARK: members

  private mutating func judgeMembers(_ tips: [String: ObjectName]) throws(VaultError) {
    let old = vault.log
    var log = old
    for (branch, tip) in tips.sorted(by: { $0.key < $1.key })
    where branch == BranchName.members || branch.hasPrefix(BranchName.lost) {
      guard log.state(at: tip) == nil else { continue }
      do throws(VaultError) {
        guard log.lost.count < Admission.forkLimit else { throw .commitInvalid(tip, .parents) }
        try log.take(tip, in: quarantine)
        verdict.moved[branch] = tip
      } catch {
        try refuse(branch, error)
      }
    }
    guard log.tip != old.tip || log.lost != old.lost else { return }
    try Admission.admit(log.commits.filter { old.state(at: $0) == nil }, from: quarantine)
    // First what lost, so that it is never without a branch.
    for fork in log.lost.subtracting(old.lost) {
      let branch = "\(Vault.lost)\(fork.hex)"
      if try vault.repository.tip(of: branch) == nil {
        _ = try vault.repository.move(branch, from: nil, to: fork, durable: true)
      }
    }
    if log.tip != old.tip {
      guard try vault.repository.move(Membership.branch, from: old.tip, to: log.tip, durable: true) else {
        throw .contended
      }
    }
    try vault.refreshMembers(force: true)
  }

  /// Forks of a members' log that are kept, at most.
  private static let forkLimit = 1000

  // MARK: data

  /// Judges a node's branch; returns whether it moved.
  private mutating func judge(_ tip: ObjectName, of node: NodeID) throws(VaultError) -> Bool {
    let tips = try vault.nodeTips()
    let current = tips[node]
    guard tip != current else { return false }
    switch vault.membership.standing(of: node) {
    case .writes: break
    case .upTo(let frontier):
      guard let frontier, frontier == tip else { throw .commitInvalid(tip, .notAMember) }
    }
    let graph = graph
    var isFork = false
    if let current, try vault.repository.has(current) {
      let walk = try Divergence(of: [tip, current], in: graph)
      // We have it already, or our own later one: only who was removed may be set back, to what counts.
      if walk.tips(reaching: tip) & 2 != 0, vault.membership.standing(of: node) == .writes { return false }
      isFork = walk.tips(reaching: current) & 1 == 0
    }
    if isFork, node != vault.identity.node, vault.membership.standing(of: node) == .writes {
      throw .commitInvalid(tip, .fork)
    }
    let known = Set(tips.values).union(try vault.countingTips())
    let commits = try Divergence.commits(reachedBy: [tip], butNotBy: known, in: graph)
    try verify(commits)
    try Admission.admit(commits.map(\.name), from: quarantine)
    if isFork, node == vault.identity.node { return try vault.healOwnFork(with: tip) }
    return try vault.repository.move(Vault.branch(of: node), from: current, to: tip, durable: false)
  }

  /// Verifies commits, oldest first, with all that they bring.
  private func verify(_ commits: [GraphCommit]) throws(VaultError) {
    let rules = AncestryRules(graph: graph, log: vault.log)
    var trees: [ObjectName: DataTree] = [:]
    for commit in commits {
      try rules.verify(commit.name)
      var parents: [ObjectName] = []
      for parent in commit.parents { parents.append(try graph.commit(parent).tree) }
      trees[commit.name] = try graph.tree(commit, sharing: commit.parents.first.flatMap { trees[$0] })
      for item in try IntroducedObjects(in: commit.tree, since: parents, from: quarantine).objects
      where item.kind == .blob {
        guard try quarantine.has(item.name) else { throw .repository(.missing(item.name)) }
      }
      // Only parents of what comes next are looked at again, and these are mostly the last.
      if trees.count > 64 { trees = [commit.name: trees[commit.name] ?? DataTree()] }
    }
  }

  /// Moves commits, and what they bring, into the repository.
  static func admit(_ commits: [ObjectName], from quarantine: Quarantine) throws(VaultError) {
    var names: [ObjectName] = []
    for name in commits {
      let commit = try quarantine.loadCommit(name)
      var parents: [ObjectName] = []
      for parent in commit.parents { parents.append(try quarantine.loadCommit(parent).tree) }
      names += try IntroducedObjects(in: commit.tree, since: parents, from: quarantine).objects.map(\.name)
      names.append(name)
    }
    do {
      try quarantine.admit(names.filter { quarantine.isReceived($0) })
    } catch {
      throw .repository(error)
    }
  }
}

extension Quarantine: ObjectSource {
  func load(_ name: ObjectName, _ kind: ObjectKind) throws(VaultError) -> [UInt8] {
    do {
      return try read(name, expecting: kind)
    } catch {
      throw .repository(error)
    }
  }

  func has(_ name: ObjectName) throws(VaultError) -> Bool {
    do {
      return try contains(name)
    } catch {
      throw .repository(error)
    }
  }
}
