package import GitStore
internal import Synchronization

/// A vault that this node was admitted to and has nothing of yet: it becomes one with the first update.
///
/// It appears under its name whole, with a members' log that says so, or not at all.
package final class VaultClone: Sendable {
  package let id: VaultID
  package let name: VaultName
  private let keynode: Keynode
  private let exchange = Mutex<VaultExchange?>(nil)

  /// - Throws: ``VaultError/vaultExists`` if there is another vault of that name, ``VaultError/vaultNamed(_:)`` if this one has another.
  package init(of id: VaultID, as name: VaultName, at keynode: Keynode) throws(VaultError) {
    self.id = id
    self.name = name
    self.keynode = keynode
    guard Files.exists(keynode.paths.repository(of: name)) else {
      if let other = try Keynode.name(of: id, at: keynode.paths) { throw .vaultNamed(other) }
      return
    }
    let vault = try keynode.openVault(name)
    guard vault.id == id else { throw .vaultExists }
    exchange.withLock { $0 = VaultExchange(vault) }
  }

  /// The vault, once it is there.
  package var vault: VaultExchange? { exchange.withLock { $0 } }

  /// Takes the first update, of which only the members' branch is looked at; the other branches come again.
  ///
  /// - Throws: ``VaultError/notAMember``, ``VaultError/notAVault``, ``VaultError/commitInvalid(_:_:)``.
  package func receive() throws(VaultError) -> FirstUpdate { try FirstUpdate(for: self) }

  fileprivate func begin() throws(VaultError) -> (draft: VaultDraft, repository: Repository) {
    let draft = try VaultDraft(at: keynode.paths)
    do {
      return (draft, try Repository.create(at: draft.repository))
    } catch {
      throw .repository(error)
    }
  }

  fileprivate func finish(_ log: MembershipLog, in repository: Repository) throws(VaultError) {
    guard log.vault == id else { throw .commitInvalid(log.tip, .otherVault) }
    guard log.current.members[keynode.identity.node] != nil else { throw .notAMember }
    guard try repository.move(Membership.branch, from: nil, to: log.tip, durable: true) else { throw .vaultExists }
  }

  fileprivate func open(_ draft: VaultDraft) throws(VaultError) {
    try draft.publish(as: name)
    let vault = try keynode.openNewVault(name)
    try vault.acknowledge()
    exchange.withLock { $0 = VaultExchange(vault) }
  }
}

/// The first update of a vault to come.
package final class FirstUpdate {
  private let clone: VaultClone
  private let draft: VaultDraft
  private var repository: Repository?
  private var quarantine: Quarantine?
  private var reader: PackStreamReader?

  fileprivate init(for clone: VaultClone) throws(VaultError) {
    self.clone = clone
    let repository: Repository
    (draft, repository) = try clone.begin()
    let quarantine = Quarantine(for: repository)
    (self.repository, self.quarantine) = (repository, quarantine)
    do {
      reader = try quarantine.packReader(limits: UpdateLimits.pack)
    } catch {
      throw .repository(error)
    }
  }

  // Before the draft goes, in which they write.
  deinit { close() }

  private func close() { (repository, quarantine, reader) = (nil, nil, nil) }

  /// Takes the next bytes of the pack.
  package func feed(_ bytes: [UInt8]) throws(VaultError) {
    do {
      try reader?.feed(bytes)
    } catch {
      throw .repository(error)
    }
  }

  /// Bytes of objects that the pack has become so far.
  package var inflated: Int { reader?.inflated ?? 0 }

  /// Ends the pack; the vault is there afterwards.
  package func finish(_ tips: [String: ObjectName]) throws(VaultError) -> Verdict {
    try take(tips)
    // Before it gets its name: an open repository knows its path.
    close()
    try clone.open(draft)
    return Verdict(moved: tips.filter { $0.key == BranchName.members })
  }

  private func take(_ tips: [String: ObjectName]) throws(VaultError) {
    guard let repository, let quarantine, let reader, let tip = tips[BranchName.members] else { throw .notAVault }
    do {
      try reader.finish()
    } catch {
      throw .repository(error)
    }
    let log = try MembershipLog(endingAt: tip, in: quarantine)
    var objects: [ObjectName] = []
    for commit in log.commits { objects += try quarantine.objects(broughtBy: commit) }
    do {
      try quarantine.admit(objects)
    } catch {
      throw .repository(error)
    }
    try clone.finish(log, in: repository)
  }
}
