internal import Age
internal import GitStore
internal import SecretMemory

/// The next state of a vault's members, under construction by an owner.
struct MembershipDraft {
  private let vault: Vault
  private let files: KeyFiles
  private(set) var state: Membership
  private(set) var people: People
  /// The blobs that the repository does not have yet.
  private(set) var objects: [NewObject] = []
  /// Commits of ours in a fork that lost, which this does again.
  var again: [ObjectName] = []

  /// Throws ``VaultError/roleForbids`` unless this node is an owner.
  init(after state: Membership, of vault: Vault) throws(VaultError) {
    guard state.members[vault.identity.node]?.role == .owner else { throw .roleForbids }
    self.vault = vault
    self.state = state
    files = KeyFiles(identity: vault.identity)
    people = try People(of: state, opening: files, in: vault.repository) ?? People()
  }

  // MARK: acts

  /// Makes a node a member, or changes its role.
  ///
  /// Without `history` a new epoch begins, and it gets no key from before; its own `since` then is that epoch.
  mutating func admit(
    _ node: NodeID, as role: Role, recipient: String, history: Bool = true, person: People.Person? = nil
  ) throws(VaultError) {
    guard state.members[node] == nil else { return try setRole(of: node, to: role) }
    guard state.members.count < Membership.limit else { throw .tooManyMembers }
    guard KeyFiles.isRecipient(recipient) else { throw .recipientMalformed }
    state.members[node] = Member(role: role, recipient: recipient, since: history ? 1 : state.epoch + 1)
    state.removed[node] = role.mayWrite ? nil : state.removed[node]
    if let person { people.persons[node] = person }
    if history { try giveKeys(to: node) } else { try beginEpoch() }
    try keepAnOwner()
  }

  /// Throws ``VaultError/lastOwner`` if nobody would be left to change members.
  mutating func setRole(of node: NodeID, to role: Role) throws(VaultError) {
    guard var member = state.members[node] else { throw .memberMissing }
    let old = member.role
    member.role = role
    state.members[node] = member
    if old.mayWrite, !role.mayWrite { try setFrontier(of: node, wrote: true) }
    if role.mayWrite { state.removed[node] = nil }
    if old.mayRead, !role.mayRead { try beginEpoch() }
    if !old.mayRead, role.mayRead { try giveKeys(to: node) }
    try keepAnOwner()
  }

  /// Removes a member; of what it wrote all counts that was accepted, or only what is `before` a version.
  ///
  /// Throws ``VaultError/lastOwner``, and ``VaultError/roleForbids`` for oneself: whoever makes the next key keeps it.
  mutating func remove(_ node: NodeID, before version: ObjectName? = nil) throws(VaultError) {
    guard let member = state.members[node] else { throw .memberMissing }
    guard node != vault.identity.node else { throw .roleForbids }
    state.members[node] = nil
    people.persons[node]?.addresses = []
    try setFrontier(of: node, wrote: member.role.mayWrite, before: version)
    if member.role.mayRead { try beginEpoch() }
    try keepAnOwner()
  }

  /// Begins a new generation of the vault's key, for those who may read now; `others` are keys of forks that lost.
  mutating func beginEpoch(with others: [X25519Identity] = []) throws(VaultError) {
    let key = try KeyFiles.newKey(with: others)
    let epoch = state.epoch + 1
    let members = state.members.values
    let file = try key.withBytes { text throws(VaultError) in try KeyFiles.seal(text, to: members, entitledTo: epoch) }
    objects.append(file)
    state.keys[epoch] = file.name
  }

  /// Makes the vault one of the newest format, which older programs refuse; returns whether it was of an older one.
  mutating func upgrade() -> Bool {
    guard state.format < Membership.newestFormat else { return false }
    let description = Membership.description(of: state.vault, format: Membership.newestFormat)
    objects.append(description)
    (state.format, state.constants.description) = (Membership.newestFormat, description.name)
    return true
  }

  mutating func describe(_ node: NodeID, as person: People.Person) { people.persons[node] = person }

  // MARK: what acts have in common

  private func keepAnOwner() throws(VaultError) {
    guard state.members.values.contains(where: { $0.role == .owner }) else { throw .lastOwner }
  }

  /// Notes what counts of a node from now on: what was accepted from it so far, or only what is before a version; of one that could not write,
  /// what counted before.
  ///
  /// The view is not computed for it: a member must be removable from a vault whose data cannot be merged or read.
  private mutating func setFrontier(
    of node: NodeID, wrote: Bool, before version: ObjectName? = nil
  ) throws(VaultError) {
    var tip = state.removed[node]?.tip
    if wrote {
      tip = if let version { try vault.lastVersion(of: node, before: version) } else { try vault.nodeTips()[node] }
    }
    state.removed[node] = Frontier(tip: tip, view: try vault.shownCommit())
  }

  /// Encrypts the keys of all epochs that a member is entitled to, and this owner holds, to it too.
  private mutating func giveKeys(to node: NodeID) throws(VaultError) {
    guard let member = state.members[node], member.role.mayRead else { return }
    var since = member.since
    for (epoch, blob) in state.keys.sorted(by: { $0.key > $1.key }) where epoch >= member.since {
      guard let text = try files.open(blob, in: self) else {
        // What this owner was not given it cannot pass on.
        since = epoch + 1
        break
      }
      let members = state.members.values
      let file = try text.withBytes { text throws(VaultError) in
        try KeyFiles.seal(text, to: members, entitledTo: epoch)
      }
      objects.append(file)
      state.keys[epoch] = file.name
    }
    state.members[node]?.since = since
  }

  // MARK: the commit

  /// The signed commit that follows `parent`, last, and all that it needs.
  mutating func commit(after parent: ObjectName) throws(VaultError) -> [NewObject] {
    let text = people.encoded
    let list = try unsafe KeyFiles.seal(text.span.bytes, to: state.members.values, entitledTo: .max)
    objects.append(list)
    state.people = list.name
    let tree = state.encodeTree()
    guard let root = tree.last else { preconditionFailure("a tree has a root") }
    let message = MembersMessage(vault: vault.id, node: vault.identity.node, again: again)
    let commit = SignedCommit(
      tree: root.name, parents: [parent], message: message.encoded, time: vault.now())
    return objects + tree + [try commit.object(signedBy: vault.identity)]
  }
}

// Reads its own new blobs too: several acts may be one commit.
extension MembershipDraft: ObjectSource {
  func load(_ name: ObjectName, _ kind: ObjectKind) throws(VaultError) -> [UInt8] {
    if let own = objects.last(where: { $0.name == name }) { return own.bytes }
    return try vault.repository.load(name, kind)
  }

  func has(_ name: ObjectName) throws(VaultError) -> Bool {
    if objects.contains(where: { $0.name == name }) { return true }
    return try vault.repository.has(name)
  }
}
