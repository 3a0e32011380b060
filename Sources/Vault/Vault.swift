internal import Age
package import GitStore
internal import SecretMemory
internal import Synchronization

/// One vault: a bare git repository, its members, and the keys that this node holds of it.
package final class Vault: Sendable {
  /// The local name.
  package let name: VaultName
  package let membership: Membership
  package let repository: Repository
  let identity: Identity
  let epochs: EpochKeys
  /// The directory for what may be deleted at any time.
  let statePath: String
  /// Whether `main` is known to be a symbolic reference to this node's branch.
  private let mainFollows = Atomic(false)

  /// Opens the repository at `path`.
  ///
  /// - Throws: ``VaultError/notAVault``, ``VaultError/formatUnsupported(_:)``, ``VaultError/notAMember``,
  ///   ``VaultError/commitInvalid(_:_:)``.
  package init(at path: String, name: VaultName, identity: Identity, state: String) throws(VaultError) {
    do {
      repository = try Repository(opening: path)
    } catch {
      if error == .notARepository { throw .notAVault }
      throw .repository(error)
    }
    self.name = name
    self.identity = identity
    membership = try Membership(of: repository)
    guard membership.members[identity.node] != nil else { throw .notAMember }
    epochs = try EpochKeys(of: membership, in: repository, identity: identity)
    statePath = "\(state)/\(membership.vault.hex)"
  }

  /// The branch that only this node moves.
  var branch: String { Vault.branch(of: identity.node) }

  static func branch(of node: NodeID) -> String { "refs/heads/nodes/\(node)" }

  /// The branch that shows this repository's view.
  static let main = "refs/heads/main"

  /// The commit that is this repository's view; nil if nothing was ever written.
  func headCommit() throws(VaultError) -> ObjectName? { try repository.tip(of: branch) }

  /// The newest data commit, verified.
  func head() throws(VaultError) -> Head? {
    guard let commit = try headCommit() else { return nil }
    return try head(at: commit)
  }

  /// A data commit, verified alone (not its ancestors).
  func head(at commit: ObjectName) throws(VaultError) -> Head {
    let object = try repository.loadCommit(commit)
    let message = try CommitVerifier(self).verify(object, named: commit)
    return Head(commit: commit, tree: object.tree, clock: message.clock)
  }

  /// Makes and signs the data commit that follows `head`.
  func dataCommit(tree: ObjectName, after head: Head?) throws(VaultError) -> (object: NewObject, clock: UInt64) {
    let clock = (head?.clock ?? 0) + 1
    let message = CommitMessage(
      vault: membership.vault, node: identity.node, clock: clock, members: membership.commit, epoch: membership.epoch)
    let commit = SignedCommit(
      tree: tree, parents: head.map { [$0.commit] } ?? [], message: message.encoded, time: SignedCommit.now)
    return (try commit.object(signedBy: identity), clock)
  }

  /// Moves this node's branch by compare-and-swap; false if it was not at `old`.
  func advance(from old: ObjectName?, to new: ObjectName) throws(VaultError) -> Bool {
    guard try repository.move(branch, from: old, to: new, durable: false) else { return false }
    // A mirror clone has a plain `main`; the first write here makes it follow this node's branch again.
    if !mainFollows.load(ordering: .relaxed) {
      if try repository.symbolicTarget(Vault.main) != branch {
        try repository.pointSymbolically(Vault.main, to: branch)
      }
      mainFollows.store(true, ordering: .relaxed)
    }
    return true
  }

  /// Prepares for being mounted: what can be made ahead of writes is.
  package func prepareForWriting() {
    repository.expectManyWrites()
    epochs.prepareAhead()
  }

  /// Puts all on the disk, and packs loose objects if no mount did so in time.
  package func finish() throws(VaultError) {
    try repository.flush()
    if try repository.hasManyLooseObjects() { try consolidate { false } }
  }

  /// Packs loose objects if there are many, and removes what was packed long enough ago; others may read and write meanwhile.
  ///
  /// `shouldStop` is asked often, and ends it at its next step.
  package func consolidate(shouldStop: @escaping @Sendable () -> Bool) throws(VaultError) {
    try repository.pack(shouldStop: shouldStop)
  }

  /// What every data commit's tree has at its root: how to restore without this program.
  static let readme = NewObject(kind: .blob, bytes: [UInt8](Restoring.text.utf8))
}
