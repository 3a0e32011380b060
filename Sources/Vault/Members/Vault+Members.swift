internal import Age
package import GitStore

/// What owners do with members.
extension Vault {
  /// Makes a node a member of this vault; the same again changes its role only.
  ///
  /// Without `history` it gets no key of older versions: ``reencryptAll()`` then makes the present ones readable to it.
  /// Throws ``VaultError/roleForbids`` unless this node is an owner.
  package func admit(
    _ node: NodeID, as role: Role, recipient: String, history: Bool = true, person: People.Person = .init()
  ) throws(VaultError) {
    try change { draft throws(VaultError) in
      try draft.admit(node, as: role, recipient: recipient, history: history, person: person)
    }
  }

  /// Changes a member's role.
  package func setRole(of node: NodeID, to role: Role) throws(VaultError) {
    try change { draft throws(VaultError) in try draft.setRole(of: node, to: role) }
  }

  /// Removes a member: a new epoch begins, and only what was accepted from it so far counts, or only what is `before` a version.
  ///
  /// What others have built on counts all the same: see ``members(buildingOnCutVersionsOf:)``.
  package func remove(_ node: NodeID, before version: ObjectName? = nil) throws(VaultError) {
    try change { draft throws(VaultError) in try draft.remove(node, before: version) }
  }

  /// Begins a new epoch.
  package func rotate() throws(VaultError) {
    try change { draft throws(VaultError) in try draft.beginEpoch() }
  }

  /// Makes this a vault of the newest format; returns whether it was of an older one.
  @discardableResult
  package func upgrade() throws(VaultError) -> Bool {
    try refreshMembers()
    guard membership.format < Membership.newestFormat else { return false }
    try change { draft throws(VaultError) in _ = draft.upgrade() }
    return true
  }

  /// Tells the members a node's label and addresses.
  package func describe(_ node: NodeID, as person: People.Person) throws(VaultError) {
    try change { draft throws(VaultError) in draft.describe(node, as: person) }
  }

  /// Labels and addresses of members; nil if this node may not read them.
  package func people() throws(VaultError) -> People? {
    try People(of: membership, opening: KeyFiles(identity: identity), in: repository)
  }

  /// Makes one membership commit; again, if another act came first.
  func change(_ act: (inout MembershipDraft) throws(VaultError) -> Void) throws(VaultError) {
    try settleMembers()
    for _ in 0..<16 {
      try refreshMembers()
      var draft = try MembershipDraft(after: membership, of: self)
      try act(&draft)
      let parent = draft.state.commit
      let objects = try draft.commit(after: parent)
      guard let commit = objects.last else { preconditionFailure("a draft ends with its commit") }
      try repository.add(objects, durable: true)
      if try repository.move(Membership.branch, from: parent, to: commit.name, durable: true) {
        try acknowledge()
        return
      }
    }
    throw .contended
  }

  /// Does again what this node did in a fork of the log that lost, and saves the fork's keys; returns whether there was anything.
  ///
  /// An act that has become pointless is left out, but noted as done. Keys of those who cannot do it themselves any more are saved by the most
  /// senior owner: two who did the same at once would make the next fork.
  @discardableResult
  package func redoLostActs() throws(VaultError) -> Bool {
    try refreshMembers()
    guard role == .owner, !log.lost.isEmpty else { return false }
    let owners = membership.seniority.keys
    let isSenior = membership.seniority.min { ($0.value, $0.key) < ($1.value, $1.key) }?.key == identity.node
    var isNeeded = !log.lostSteps(of: identity.node).isEmpty
    if !isNeeded, isSenior, owners.allSatisfy({ log.lostSteps(of: $0).isEmpty }) {
      isNeeded = try !lostKeys(for: membership.members).isEmpty
    }
    guard isNeeded else { return false }
    try change { draft throws(VaultError) in
      let steps = log.lostSteps(of: identity.node)
      for step in steps { try redo(step, in: &draft) }
      let keys = try lostKeys(for: draft.state.members)
      if !keys.isEmpty { try draft.beginEpoch(with: keys) }
      draft.again = steps.map(\.name)
    }
    return true
  }

  /// Keys of forks that lost, which this node holds and the log's key files have not; none of a fork that took the right to read from somebody
  /// who has it now.
  private func lostKeys(for members: [NodeID: Member]) throws(VaultError) -> [X25519Identity] {
    let files = KeyFiles(identity: identity)
    var known: Set<X25519Recipient> = []
    for blob in membership.keys.values {
      for key in try files.identities(blob, in: repository) ?? [] { known.insert(key.recipient) }
    }
    var keys: [X25519Identity] = []
    for state in log.lostStates where !log.excludes(state, anyOf: members) {
      for (_, blob) in state.keys.sorted(by: { $0.key < $1.key }) {
        for key in try files.identities(blob, in: repository) ?? [] where known.insert(key.recipient).inserted {
          keys.append(key)
        }
      }
    }
    return keys
  }

  private func redo(
    _ step: MembershipLog.LostStep, in draft: inout MembershipDraft
  ) throws(VaultError) {
    let files = KeyFiles(identity: identity)
    let people = try People(of: step.after, opening: files, in: repository)
    for (node, member) in step.after.members.sorted(by: { $0.key < $1.key }) {
      let old = step.before.members[node]
      if old == nil {
        // Whoever was removed meanwhile stays so.
        guard draft.state.removed[node] == nil || step.before.removed[node] != nil else { continue }
        try draft.admit(
          node, as: member.role, recipient: member.recipient, history: member.since == 1,
          person: people?.persons[node])
      } else if old?.role != member.role, draft.state.members[node] != nil {
        try draft.setRole(of: node, to: member.role)
      }
    }
    for node in step.before.members.keys.sorted()
    where step.after.members[node] == nil && draft.state.members[node] != nil && node != identity.node {
      try draft.remove(node)
    }
  }
}
