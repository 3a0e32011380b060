internal import GitStore

extension Vault {
  static let acknowledgements = "refs/heads/acks/"

  /// Seconds after which an acknowledgement is made again though the members have not changed: a sign of life.
  package static let acknowledgementAge: Int64 = 86_400
  /// Seconds without a sign of life after which a member counts as stale.
  package static let staleAge: Int64 = 3 * 86_400

  /// The newest acknowledgement of each node, verified; one that does not hold is left out.
  package func acknowledgements() throws(VaultError) -> [NodeID: Acknowledgement] {
    try acknowledgements(as: log)
  }

  func acknowledgements(as log: MembershipLog) throws(VaultError) -> [NodeID: Acknowledgement] {
    try Acknowledgement.newest(in: repository, as: log, known: graph.cache.acknowledgements)
  }

  /// The membership commits that nodes have accepted last, as far as this repository knows; `newer` acknowledgements are not in it yet.
  func accepted(
    as log: MembershipLog, with newer: [NodeID: Acknowledgement] = [:]
  ) throws(VaultError) -> [NodeID: ObjectName] {
    var accepted = try Acknowledgement.accepted(in: repository, as: log, known: graph.cache.acknowledgements)
    for (node, acknowledgement) in newer { accepted[node] = acknowledgement.members }
    return accepted
  }

  /// Signs that this node has accepted the members as they are; returns whether it was due: for a new state at once, for the same once a day.
  ///
  /// - Throws: What writing does. Nothing is made by a node that is no member.
  @discardableResult
  package func acknowledge() throws(VaultError) -> Bool {
    try refreshMembers()
    let log = log
    guard log.current.members[identity.node] != nil else { return false }
    let reference = "\(Vault.acknowledgements)\(identity.node)"
    for _ in 0..<4 {
      let old = try repository.tip(of: reference)
      let last = try acknowledgements(as: log)[identity.node]
      if let last, last.members == log.tip, 0..<Vault.acknowledgementAge ~= now() - last.time { return false }
      let message = AcknowledgementMessage(
        vault: id, node: identity.node, number: (last?.number ?? 0) + 1, members: log.tip)
      let commit = try SignedCommit(
        tree: Acknowledgement.tree.name, parents: [], message: message.encoded, time: now()
      ).object(signedBy: identity)
      try repository.add([Acknowledgement.tree, commit], durable: false)
      if try repository.move(reference, from: old, to: commit.name, durable: false) { return true }
    }
    throw .contended
  }

  /// When each node was last heard of, by what it signed: seconds since 1970 as it says itself; no entry for one that never was.
  package func lastHeard() throws(VaultError) -> [NodeID: Int64] {
    try Acknowledgement.lastHeard(in: repository, as: log, known: graph.cache.acknowledgements)
  }

  /// Makes the `members` branch lead to the log as it is judged now, and keeps what lost in branches of its own; returns whether it moved.
  ///
  /// - Throws: ``VaultError/contended`` if somebody else moved it.
  @discardableResult
  func settleMembers() throws(VaultError) -> Bool {
    try refreshMembers(force: true)
    let log = log
    guard let current = try repository.tip(of: Membership.branch), current != log.tip else { return false }
    try keepLost(log.lost)
    guard try repository.move(Membership.branch, from: current, to: log.tip, durable: true) else { throw .contended }
    try refreshMembers(force: true)
    return true
  }

  /// Keeps the ends of forks, each under its name.
  func keepLost(_ forks: Set<ObjectName>) throws(VaultError) {
    for fork in forks {
      let branch = "\(Vault.lost)\(fork.hex)"
      if try repository.tip(of: branch) == nil { _ = try repository.move(branch, from: nil, to: fork, durable: true) }
    }
  }
}
