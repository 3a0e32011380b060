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
    graph = CommitGraph(
      source: quarantine, vault: vault.id, cache: GraphCache(sharingChangesOf: vault.graph.cache))
  }

  private let graph: CommitGraph<Quarantine>

  /// Judges the branches that an update leads to.
  ///
  /// - Throws: what has nothing to do with the other's honesty: a full disk, a damaged repository.
  mutating func judge(_ tips: [String: ObjectName]) throws(VaultError) {
    try vault.refreshMembers()
    let before = vault.log.tip
    // What comes with news of the members is known before these are judged: an owner may stand behind one of two forks.
    let preview = preview(of: tips)
    let acknowledged = try judgeAcknowledgements(tips, by: preview)
    try judgeMembers(tips, acknowledged)
    try take(acknowledged)
    for (branch, tip) in tips.sorted(by: { $0.key < $1.key })
    where !BranchName.isOfMembers(branch) {
      guard let node = BranchName.node(branch) else {
        verdict.refused[branch] = "a vault has no such branch"
        continue
      }
      do throws(VaultError) {
        if try judge(tip, of: node) { verdict.moved[branch] = tip }
      } catch {
        try refuse(branch, error)
      }
    }
    guard !verdict.moved.isEmpty else { return }
    // What owners say now, by acknowledgements or in passing, can make another fork the log.
    if vault.log.hasForks, try vault.accepted(as: vault.log) != vault.log.accepted { try vault.settleMembers() }
    if vault.log.tip != before { try acknowledge() }
    do throws(VaultError) {
      try vault.showInMain()
    } catch {
      // The branches have moved, and a removal among them must take effect: whoever shows the vault meets the fault, and tells it.
      guard error.isFlaw || error.isUnreadable || error == .contended else { throw error }
    }
  }

  /// Notes a refusal, unless it is our own fault.
  private mutating func refuse(_ branch: String, _ error: VaultError) throws(VaultError) {
    switch error {
    case .commitInvalid(let commit, let flaw):
      if flaw == .fork { forks.insert(commit) }
      verdict.refused[branch] = flaw.reason
    case .repository(.outOfSpace): verdict.refused[branch] = Verdict.noRoom
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

  /// All membership commits that would be known with what was sent, where it holds; the log itself is as it was.
  private func preview(of tips: [String: ObjectName]) -> MembershipLog {
    var log = vault.log
    for (branch, tip) in tips where BranchName.isOfLog(branch) {
      // What does not hold is found out, and refused, when the branch is judged.
      try? log.learn(tip, in: quarantine)
    }
    return log
  }

  private mutating func judgeMembers(
    _ tips: [String: ObjectName], _ acknowledged: [NodeID: Acknowledgement]
  ) throws(VaultError) {
    guard tips.keys.contains(where: BranchName.isOfLog) else { return }
    let old = vault.log
    var log = old
    log.heed(try vault.accepted(as: log, with: acknowledged))
    var objects: [ObjectName] = []
    for (branch, tip) in tips.sorted(by: { $0.key < $1.key }) where BranchName.isOfLog(branch) {
      guard log.state(at: tip) == nil else { continue }
      do throws(VaultError) {
        var taken = log
        try taken.take(tip, in: quarantine)
        // What wins is always taken: it is what everybody goes on from.
        if taken.tip == log.tip, taken.lostCounts.values.contains(where: { $0 > MembershipLog.lostLimit }) {
          throw .commitInvalid(tip, .tooManyForks)
        }
        for commit in taken.commits where log.state(at: commit) == nil {
          objects += try quarantine.objects(broughtBy: commit)
        }
        log = taken
        verdict.moved[branch] = tip
      } catch {
        try refuse(branch, error)
      }
    }
    guard log.tip != old.tip || log.lost != old.lost else { return }
    try Admission.admit(objects, from: quarantine)
    // First what lost, so that it is never without a branch.
    try vault.keepLost(log.lost.subtracting(old.lost))
    if log.tip != old.tip {
      guard try vault.repository.move(Membership.branch, from: old.tip, to: log.tip, durable: true) else {
        throw .contended
      }
    }
    try vault.refreshMembers(force: true)
  }

  // MARK: acknowledgements

  /// The acknowledgements among the branches that hold, and are newer than those that are known.
  private mutating func judgeAcknowledgements(
    _ tips: [String: ObjectName], by log: MembershipLog
  ) throws(VaultError) -> [NodeID: Acknowledgement] {
    var newer: [NodeID: Acknowledgement] = [:]
    let sent = tips.filter { BranchName.acknowledging($0.key) != nil }
    if sent.isEmpty { return newer }
    let known = try vault.acknowledgements(as: log)
    for (branch, tip) in sent {
      guard let node = BranchName.acknowledging(branch), known[node]?.commit != tip else { continue }
      do throws(VaultError) {
        let acknowledgement = try Acknowledgement(try quarantine.loadCommit(tip), named: tip, of: vault.id)
        guard acknowledgement.node == node else { throw .commitInvalid(tip, .author) }
        guard acknowledgement.isByMember(of: log) else { throw .commitInvalid(tip, .notAMember) }
        if known[node].map(acknowledgement.replaces) ?? true { newer[node] = acknowledgement }
      } catch {
        try refuse(branch, error)
      }
    }
    return newer
  }

  /// Puts acknowledgements in the place of older ones.
  private mutating func take(_ newer: [NodeID: Acknowledgement]) throws(VaultError) {
    guard !newer.isEmpty else { return }
    let names = newer.values.map(\.commit).sorted()
    try Admission.admit([Acknowledgement.tree.name] + names, from: quarantine)
    if try !vault.repository.has(Acknowledgement.tree.name) {
      try vault.repository.add([Acknowledgement.tree], durable: false)
    }
    for (node, acknowledgement) in newer.sorted(by: { $0.key < $1.key }) {
      let branch = BranchName.acknowledgement(of: node)
      let reference = BranchName.reference(branch)
      let old = try vault.repository.tip(of: reference)
      if try vault.repository.move(reference, from: old, to: acknowledgement.commit, durable: false) {
        verdict.moved[branch] = acknowledgement.commit
      }
    }
  }

  /// Signs that this node has accepted the members; where it cannot be stored, for lack of room, it is made later.
  private func acknowledge() throws(VaultError) {
    do throws(VaultError) {
      try vault.acknowledge()
    } catch {
      guard case .repository(.outOfSpace) = error else { throw error }
    }
  }

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
    // Else whoever is in the vault could write on another's branch, and keep its own node from going on there.
    guard try graph.commit(tip).node == node else { throw .commitInvalid(tip, .author) }
    let known = Set(tips.values).union(try vault.countingTips())
    let commits = try Divergence.commits(reachedBy: [tip], butNotBy: known, in: graph)
    let rules = AncestryRules(graph: graph, log: vault.log)
    // First of all, as all else is told by walks in the order of clocks.
    for commit in commits { try rules.verifyClock(of: commit) }
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
    try Admission.admit(try verify(commits, by: rules), from: quarantine, sparingly: true)
    if isFork, node == vault.identity.node { return try vault.healOwnFork(with: tip) }
    return try vault.repository.move(Vault.branch(of: node), from: current, to: tip, durable: false)
  }

  /// Verifies commits, oldest first; returns the names of all that they bring.
  private func verify(
    _ commits: [GraphCommit], by rules: AncestryRules<Quarantine>
  ) throws(VaultError) -> [ObjectName] {
    var objects: [ObjectName] = []
    var trees: [ObjectName: DataTree] = [:]
    for commit in commits {
      try rules.verify(commit.name)
      try rules.verifySubtrees(of: commit)
      let before = commit.parents.first.flatMap { trees[$0] }
      let tree = try graph.tree(commit, sharing: before)
      if !commit.isMerge {
        let old = if let before { before } else { try graph.treeBefore(commit, sharing: tree) }
        try rules.verifyHeaders(of: commit, tree, since: old)
      }
      trees[commit.name] = tree
      objects += try quarantine.objects(broughtBy: commit.name)
      // Only parents of what comes next are looked at again, and these are mostly the last.
      if trees.count > 64 { trees = [commit.name: trees[commit.name] ?? DataTree()] }
    }
    return objects
  }

  /// Moves what verified commits bring, and nothing else that was received, into the repository.
  static func admit(
    _ objects: [ObjectName], from quarantine: Quarantine, sparingly: Bool = false
  ) throws(VaultError) {
    do {
      try quarantine.admit(objects.filter { quarantine.isReceived($0) }, sparingly: sparingly)
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

  /// The names of the objects that a commit brings, beside those of its parents, itself last.
  ///
  /// Throws ``VaultError/repository(_:)`` for one that is missing, ``VaultError/commitInvalid(_:_:)`` if something else than a blob is in a file's place.
  func objects(broughtBy name: ObjectName) throws(VaultError) -> [ObjectName] {
    let commit = try loadCommit(name)
    var parents: [ObjectName] = []
    for parent in commit.parents { parents.append(try loadCommit(parent).tree) }
    var names: [ObjectName] = []
    for item in try IntroducedObjects(in: commit.tree, since: parents, from: self).objects {
      if item.kind == .blob {
        let kind: ObjectKind?
        do { kind = try self.kind(item.name) } catch { throw .repository(error) }
        guard let kind else { throw .repository(.missing(item.name)) }
        guard kind == .blob else { throw .commitInvalid(name, .tree) }
      }
      names.append(item.name)
    }
    return names + [name]
  }
}
