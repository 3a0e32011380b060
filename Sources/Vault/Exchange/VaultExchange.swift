internal import Dispatch
package import GitStore
internal import Synchronization

/// A vault as others exchange it: what we have, what they lack, and what of theirs is taken in.
///
/// Nothing of another's is believed before it is verified, and no branch moves before that: docs/sync.md, "Verification".
package final class VaultExchange: Sendable {
  package let vault: Vault
  /// One update at a time is judged; of the members' branches, too, but that never waits for one of data.
  private let judging = Mutex(())
  private let judgingMembers = Mutex(())
  /// The ends of nodes' branches that were refused because we know another continuation: who is there is not ahead of us.
  private let forks = Mutex<Set<ObjectName>>([])
  private let isFlushing = Atomic(false)
  private static let flushing = DispatchQueue(label: "polykey.exchange.flush", qos: .utility)

  package init(_ vault: Vault) { self.vault = vault }

  /// Whether this node is a member; who was removed neither gives nor takes.
  package var isMember: Bool { vault.role != nil }

  /// Whether `node` is a member, as this node is, so that it may know of the vault at all.
  package func admits(_ node: NodeID) -> Bool { isMember && vault.membership.members[node] != nil }

  /// Whether `node` was a member and is none any more, and is told so by this node, which is one.
  package func hasRemoved(_ node: NodeID) -> Bool {
    let membership = vault.membership
    return isMember && membership.members[node] == nil && membership.removed[node] != nil
  }

  /// The ends of our branches by short names: `members`, `nodes/NODE-ID` of who writes or wrote in time, `lost/COMMIT`, `acks/NODE-ID`.
  package func tips() throws(VaultError) -> [String: ObjectName] {
    try vault.refreshMembers()
    let log = vault.log
    let membership = log.current
    var tips = [BranchName.members: log.tip]
    for fork in log.lost { tips["\(BranchName.lost)\(fork.hex)"] = fork }
    for (node, acknowledgement) in try vault.acknowledgements(as: log) {
      tips[BranchName.acknowledgement(of: node)] = acknowledgement.commit
    }
    for (node, tip) in try vault.nodeTips() where membership.standing(of: node) == .writes {
      tips[BranchName.of(node)] = tip
    }
    for node in membership.removed.keys {
      if let tip = try vault.frontier(of: node, in: membership) { tips[BranchName.of(node)] = tip }
    }
    return tips
  }

  /// Calls `send` with each update that a repository with the branches `have` lacks, oldest first: the branches that it leads to, and a closure
  /// that writes its pack to where it is told.
  package func outgoing(
    to have: [String: ObjectName],
    _ send: (_ tips: [String: ObjectName], _ pack: ((@escaping PackStreamWriter.Sink) throws(VaultError) -> Void))
      throws
      -> Void
  ) throws {
    let forks = forks.withLock { $0 }
    try Outgoing(of: vault, tips: try tips(), to: have.filter { !forks.contains($0.value) }).updates(send)
  }

  /// Calls `send` with the one update of the members' branches, if a repository with the branches `have` lacks any of them.
  package func outgoingMembers(
    to have: [String: ObjectName],
    _ send: (_ tips: [String: ObjectName], _ pack: ((@escaping PackStreamWriter.Sink) throws(VaultError) -> Void))
      throws
      -> Void
  ) throws {
    let known = have.filter { BranchName.isOfMembers($0.key) }
    try Outgoing(of: vault, tips: try tips().filter { BranchName.isOfMembers($0.key) }, to: known).members(send)
  }

  /// Calls `send` with the one update that a node which was removed gets: the members' branch up to the commit that removed it, and nothing
  /// later.
  ///
  /// Not if that is what `have` says it has.
  package func farewell(
    to node: NodeID, having have: [String: ObjectName],
    _ send: (_ tips: [String: ObjectName], _ pack: ((@escaping PackStreamWriter.Sink) throws(VaultError) -> Void))
      throws
      -> Void
  ) throws {
    try vault.refreshMembers()
    guard hasRemoved(node), let removal = vault.log.removal(of: node) else { return }
    let known = have.filter { $0.key == BranchName.members }
    try Outgoing(of: vault, tips: [BranchName.members: removal], to: known).members(send)
  }

  /// Begins to take an update.
  package func receive() throws(VaultError) -> IncomingUpdate { try IncomingUpdate(for: self) }

  /// Verifies what is in quarantine, and moves our branches to those of `tips` that hold.
  package func admit(_ tips: [String: ObjectName], from quarantine: Quarantine) throws(VaultError) -> Verdict {
    let ofMembers = tips.filter { BranchName.isOfMembers($0.key) }
    let members = try judgingMembers.withLock { _ throws(VaultError) in
      var admission = Admission(to: vault, from: quarantine)
      if !ofMembers.isEmpty { try admission.judge(ofMembers) }
      return admission.verdict
    }
    var verdict = try judging.withLock { _ throws(VaultError) in
      var admission = Admission(to: vault, from: quarantine)
      let others = tips.filter { ofMembers[$0.key] == nil }
      if !others.isEmpty { try admission.judge(others) }
      return forks.withLock { forks in
        // Only a hint, so it need not last.
        if forks.count > 1000 { forks = [] }
        let news = admission.forks.subtracting(forks)
        forks.formUnion(news)
        var verdict = admission.verdict
        verdict.callsForAnswer = !news.isEmpty
        return verdict
      }
    }
    verdict.moved.merge(members.moved) { $1 }
    verdict.refused.merge(members.refused) { $1 }
    if !verdict.moved.isEmpty { flushSoon() }
    return verdict
  }

  /// Makes what was admitted survive a power loss, within a second or so, without anybody waiting.
  private func flushSoon() {
    guard !isFlushing.exchange(true, ordering: .relaxed) else { return }
    VaultExchange.flushing.asyncAfter(deadline: .now() + .milliseconds(500)) { [self] in
      isFlushing.store(false, ordering: .relaxed)
      // If it fails, unmounting or the next update tries again.
      try? vault.flush()
    }
  }
}

/// What an update may cost.
package enum UpdateLimits {
  /// What an update that a peer sends may become: what the trees of a few hundred versions of a vault of a million secrets need, and beyond
  /// that so many bytes for each that comes.
  ///
  /// A bundle or a git repository, which no stranger sends, may be packed more tightly.
  package static let (leastInflated, inflatedPerByte) = (256 << 20, 64)

  static let pack: PackLimits = {
    var limits = Admission.limits
    (limits.inflatedLeast, limits.inflatedPerByte) = (leastInflated, inflatedPerByte)
    return limits
  }()
}

/// What became of an update.
package struct Verdict: Sendable {
  /// Branches that moved, by short names.
  package var moved: [String: ObjectName] = [:]
  /// Branches that did not, each with one plain sentence why.
  package var refused: [String: String] = [:]
  /// Whether the sender lacks what made us refuse, and ``VaultExchange/outgoing(to:_:)`` has it now.
  package var callsForAnswer = false

  /// Why nothing more is taken when the disk is nearly full; what is of the members is, as it may end that.
  package static let noRoom = "the receiver's disk has too little room left for it"
}

/// An update that is being received.
package final class IncomingUpdate {
  private let exchange: VaultExchange
  private let quarantine: Quarantine
  private let reader: PackStreamReader

  init(for exchange: VaultExchange) throws(VaultError) {
    self.exchange = exchange
    let quarantine = Quarantine(for: exchange.vault.repository)
    self.quarantine = quarantine
    do {
      reader = try quarantine.packReader(limits: UpdateLimits.pack)
    } catch {
      throw .repository(error)
    }
  }

  /// Takes the next bytes of the pack.
  package func feed(_ bytes: [UInt8]) throws(VaultError) {
    do {
      try reader.feed(bytes)
    } catch {
      throw .repository(error)
    }
  }

  /// Bytes of objects that the pack has become so far.
  package var inflated: Int { reader.inflated }

  /// Ends the pack, and has it judged.
  package func finish(_ tips: [String: ObjectName]) throws(VaultError) -> Verdict {
    do {
      try reader.finish()
    } catch {
      throw .repository(error)
    }
    return try exchange.admit(tips, from: quarantine)
  }
}
