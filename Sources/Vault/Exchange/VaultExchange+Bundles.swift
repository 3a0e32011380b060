package import GitStore

extension VaultExchange {
  /// Writes what the vault has as a git bundle, which stock git clones, too.
  ///
  /// - Parameters:
  ///   - version: Whoever applies the bundle has this version, with all before it; nil: nothing.
  ///   - sink: Gets the bytes.
  /// - Returns: The bundle's header; nil, and nothing written, if there is nothing newer.
  /// - Throws: What reading and the sink throw.
  package func writeBundle(
    since version: ObjectName?, to sink: @escaping PackStreamWriter.Sink
  ) throws(VaultError) -> GitBundle.Header? {
    let repository = vault.repository
    var references: [GitBundle.Reference] = []
    if let view = try vault.view() {
      // For stock git, which checks out what HEAD leads to.
      for name in ["HEAD", Vault.main] { references.append(GitBundle.Reference(name: name, object: view.commit)) }
    }
    for (branch, tip) in try tips().sorted(by: { $0.key < $1.key }) {
      references.append(GitBundle.Reference(name: BranchName.reference(branch), object: tip))
    }
    var known: [ObjectName] = []
    if let version {
      known = [version]
      // Who has the version has the members that its author saw.
      if let message = CommitMessage(try repository.loadCommit(version).message) { known.append(message.members) }
      // Signs of life alone are worth no bundle.
      let isSame = vault.log.lost.isEmpty && known.contains(vault.log.tip)
      let tips = try vault.countingTips()
      if isSame, try Divergence.commits(reachedBy: tips, butNotBy: [version], in: vault.graph).isEmpty { return nil }
    }
    return try repository.wrapped { () throws(GitError) in
      try GitBundle.write(references, known: known, from: repository, to: sink)
    }
  }

  /// Begins to take a bundle.
  package func receiveBundle() throws(VaultError) -> IncomingBundle { try IncomingBundle(for: self) }
}

/// A bundle that is being read; nothing in it is believed before it is verified, as if it came from a peer.
package final class IncomingBundle {
  private let exchange: VaultExchange
  private let quarantine: Quarantine
  private let reader: BundleReader

  fileprivate init(for exchange: VaultExchange) throws(VaultError) {
    self.exchange = exchange
    let quarantine = Quarantine(for: exchange.vault.repository)
    self.quarantine = quarantine
    reader = try exchange.vault.repository.wrapped { () throws(GitError) in
      try quarantine.bundleReader(limits: Admission.limits)
    }
  }

  /// Takes the next bytes of the bundle.
  ///
  /// - Throws: ``VaultError/repository(_:)`` with ``GitError/missing(_:)`` if it builds on versions that are not here.
  package func feed(_ bytes: [UInt8]) throws(VaultError) {
    try exchange.vault.repository.wrapped { () throws(GitError) in try reader.feed(bytes) }
  }

  /// Ends the bundle, and has it judged.
  package func finish() throws(VaultError) -> Verdict {
    try exchange.vault.repository.wrapped { () throws(GitError) in try reader.finish() }
    return try exchange.admit(BranchName.tips(of: reader.header), from: quarantine)
  }
}

/// A vault that is made from a bundle, of which this node is a member.
///
/// It has the members' log only; the bundle is then read again as by a vault that is there.
package final class BundleClone {
  private let keynode: Keynode
  private let name: VaultName
  private let draft: VaultDraft
  private var repository: Repository?
  private var quarantine: Quarantine?
  private var reader: BundleReader?

  /// - Throws: ``VaultError/vaultExists``.
  package init(as name: VaultName, at keynode: Keynode) throws(VaultError) {
    guard !Files.exists(keynode.paths.repository(of: name)) else { throw .vaultExists }
    (self.keynode, self.name) = (keynode, name)
    draft = try VaultDraft(at: keynode.paths)
    do {
      let repository = try Repository.create(at: draft.repository)
      let quarantine = Quarantine(for: repository)
      reader = try quarantine.bundleReader(limits: Admission.limits)
      (self.repository, self.quarantine) = (repository, quarantine)
    } catch {
      throw .repository(error)
    }
  }

  // Before the draft goes, in which they write.
  deinit { close() }

  private func close() { (repository, quarantine, reader) = (nil, nil, nil) }

  /// Takes the next bytes of the bundle.
  package func feed(_ bytes: [UInt8]) throws(VaultError) {
    do {
      try reader?.feed(bytes)
    } catch {
      throw .repository(error)
    }
  }

  /// Ends the bundle; the vault is there afterwards.
  ///
  /// - Throws: ``VaultError/notAMember``, ``VaultError/notAVault``, ``VaultError/commitInvalid(_:_:)``, ``VaultError/vaultNamed(_:)``.
  package func finish() throws(VaultError) -> Vault {
    try establish()
    // Before it gets its name: an open repository knows its path.
    close()
    try draft.publish(as: name)
    return try keynode.openVault(name)
  }

  private func establish() throws(VaultError) {
    guard let repository, let quarantine, let reader else { throw .notAVault }
    try repository.wrapped { () throws(GitError) in try reader.finish() }
    guard let tip = BranchName.tips(of: reader.header)[BranchName.members] else { throw .notAVault }
    let log = try MembershipLog(endingAt: tip, in: quarantine)
    if let other = try Keynode.name(of: log.vault, at: keynode.paths) { throw .vaultNamed(other) }
    guard log.current.members[keynode.identity.node] != nil else { throw .notAMember }
    var objects: [ObjectName] = []
    for commit in log.commits { objects += try quarantine.objects(broughtBy: commit) }
    try Admission.admit(objects, from: quarantine)
    guard try repository.move(Membership.branch, from: nil, to: log.tip, durable: true) else { throw .vaultExists }
  }
}

extension BranchName {
  /// A branch's full name.
  static func reference(_ branch: String) -> String { "refs/heads/\(branch)" }

  /// The branches among references that a vault's nodes exchange, by short names.
  static func tips(of references: [(name: String, object: ObjectName)]) -> [String: ObjectName] {
    var tips: [String: ObjectName] = [:]
    for (name, object) in references where name.hasPrefix("refs/heads/") {
      let branch = String(name.dropFirst("refs/heads/".count))
      if branch == members || branch.hasPrefix(lost) || node(branch) != nil || acknowledging(branch) != nil {
        tips[branch] = object
      }
    }
    return tips
  }

  static func tips(of header: GitBundle.Header) -> [String: ObjectName] {
    tips(of: header.references.map { ($0.name, $0.object) })
  }
}
