package import GitStore
internal import Synchronization

/// One vault: a bare git repository, its members, and the keys that this node holds of it.
///
/// Locks, each held for itself: ``standing`` while the members are read anew, `viewCache` for microseconds.
package final class Vault: Sendable {
  /// The local name.
  package let name: VaultName
  package let id: VaultID
  package let repository: Repository
  package let identity: Identity
  /// The directory for what may be deleted at any time.
  let statePath: String
  /// The one above, of all vaults.
  let stateRoot: String
  /// Seconds since 1970, for the dates of commits.
  let now: @Sendable () -> Int64
  private let standing: Mutex<Standing>
  /// The view that was computed last, and of what.
  let viewCache = Mutex<CachedView?>(nil)
  /// Whether `main` is known to be a symbolic reference to this node's branch.
  let mainFollows = Atomic(false)

  /// Whether headers are prepared ahead.
  private let wantsSpeed = Atomic(false)

  /// Who this node is in the vault now.
  private struct Standing {
    var log: MembershipLog
    /// Nil if it holds no key: a replica.
    var keys: EpochKeys?
  }

  /// Opens the repository at `path`.
  ///
  /// - Throws: ``VaultError/notAVault``, ``VaultError/formatUnsupported(_:)``, ``VaultError/notAMember``,
  ///   ``VaultError/commitInvalid(_:_:)``.
  package init(
    at path: String, name: VaultName, identity: Identity, state: String, now: @escaping @Sendable () -> Int64
  ) throws(VaultError) {
    do {
      repository = try Repository(opening: path, belongs: Vault.canHold)
    } catch {
      if error == .notARepository { throw .notAVault }
      throw .repository(error)
    }
    self.name = name
    self.identity = identity
    self.now = now
    guard let tip = try repository.tip(of: Membership.branch) else { throw .notAVault }
    var log = try MembershipLog(endingAt: tip, in: repository)
    for lost in try Vault.lostTips(in: repository) { try log.take(lost, in: repository) }
    standing = Mutex(try Vault.standing(log, of: identity, in: repository))
    id = log.vault
    stateRoot = state
    statePath = "\(state)/\(log.vault.hex)"
    if log.hasForks { try refreshMembers(force: true) }
    // After a power loss main may be gone, or an older view. If the view cannot be made, whoever asks for it is told.
    if repository.wasRepaired { try? showInMain() }
  }

  /// Whether a branch may be at a commit, by what that says of itself: after a power loss no branch becomes another's.
  @Sendable private static func canHold(_ branch: String, _ name: ObjectName, _ commit: CommitObject) -> Bool {
    if branch.hasPrefix(nodes) { return CommitMessage(commit.message).map { self.branch(of: $0.node) } == branch }
    if branch.hasPrefix(acknowledgements) {
      return AcknowledgementMessage(commit.message).map { acknowledgements + $0.node.text } == branch
    }
    if branch == Membership.branch { return MembersMessage(commit.message) != nil }
    if branch.hasPrefix(lost) { return branch == lost + name.hex }
    return true
  }

  private static func standing(
    _ log: MembershipLog, of identity: Identity, in repository: Repository
  ) throws(VaultError) -> Standing {
    let membership = log.current
    // Who was removed keeps what it has, and can read it for ever.
    guard membership.members[identity.node] != nil || membership.removed[identity.node] != nil else {
      throw .notAMember
    }
    return Standing(log: log, keys: try EpochKeys(of: log, in: repository, identity: identity))
  }

  /// The members now, as far as they were read; ``refreshMembers()`` reads them anew.
  package var membership: Membership { standing.withLock { $0.log.current } }

  var log: MembershipLog { standing.withLock { $0.log } }

  /// This node's role; nil once it was removed.
  package var role: Role? { membership.members[identity.node]?.role }

  /// The keys that this node holds; nil if it holds none.
  var keys: EpochKeys? { standing.withLock { $0.keys } }

  /// Reads the members anew if their branch moved, or in any case; returns whether it did.
  @discardableResult
  package func refreshMembers(force: Bool = false) throws(VaultError) -> Bool {
    try standing.withLock { standing throws(VaultError) in
      guard let tip = try repository.tip(of: Membership.branch) else { throw .notAVault }
      guard force || tip != standing.log.tip else { return false }
      var log = standing.log
      try log.take(tip, in: repository)
      // A repository that was put back to an older state.
      if log.tip != tip { log = try MembershipLog(endingAt: tip, in: repository) }
      for lost in try Vault.lostTips(in: repository) { try log.take(lost, in: repository) }
      if log.hasForks { log.heed(try accepted(as: log)) }
      standing = try Vault.standing(log, of: identity, in: repository)
      if wantsSpeed.load(ordering: .relaxed) { standing.keys?.prepareAhead() }
      return true
    }
  }

  /// The ends of forks of the members' log that lost.
  static func lostTips(in repository: Repository) throws(VaultError) -> [ObjectName] {
    try repository.wrapped { () throws(GitError) in try repository.references(under: lost) }.map(\.object)
  }

  /// The branches that keep forks of the members' log that lost: each is named after its commit.
  static let lost = "refs/heads/lost/"

  /// The branch that only this node moves.
  var branch: String { Vault.branch(of: identity.node) }

  static let nodes = "refs/heads/nodes/"
  static func branch(of node: NodeID) -> String { "\(nodes)\(node)" }

  /// The branch that shows this repository's view.
  static let main = "refs/heads/main"

  /// The repository's commits as a graph.
  var graph: CommitGraph<Repository> { CommitGraph(source: repository, vault: id, cache: graphCache) }
  private let graphCache = GraphCache()

  /// Makes and signs the data commit that follows `head`.
  ///
  /// - Throws: ``VaultError/roleForbids`` if this node may not write.
  func dataCommit(tree: ObjectName, after head: Head?) throws(VaultError) -> (object: NewObject, clock: UInt64) {
    let membership = membership
    guard membership.members[identity.node]?.role.mayWrite == true else { throw .roleForbids }
    let clock = (head?.clock ?? 0) + 1
    let message = CommitMessage(
      vault: id, node: identity.node, clock: clock, members: membership.commit, epoch: membership.epoch)
    let commit = SignedCommit(
      tree: tree, parents: head.map { [$0.commit] } ?? [], message: message.encoded, time: now())
    return (try commit.object(signedBy: identity), clock)
  }

  /// Prepares for being mounted: what can be made ahead of writes is.
  package func prepareForWriting() {
    repository.expectManyWrites()
    wantsSpeed.store(true, ordering: .relaxed)
    keys?.prepareAhead()
  }

  /// Puts all on the disk, and packs loose objects if no mount did so in time.
  package func finish() throws(VaultError) {
    try flush()
    // Packing is housekeeping: all is stored, and the next mount tries again.
    if try repository.hasManyLooseObjects() { try? consolidate { false } }
  }

  /// Packs loose objects if there are many, and removes what was packed long enough ago; others may read and write meanwhile.
  ///
  /// `shouldStop` is asked often, and ends it at its next step.
  package func consolidate(shouldStop: @escaping @Sendable () -> Bool) throws(VaultError) {
    try flush()
    try repository.pack(shouldStop: shouldStop)
  }

  /// What this vault's data commits have at their trees' roots: how to restore without this program.
  var readme: NewObject { Restoring.text(format: membership.format) }

  /// The one of the newest format.
  static let readme = Restoring.text(format: Membership.newestFormat)
}
