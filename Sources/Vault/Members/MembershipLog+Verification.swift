internal import GitStore

// What a membership commit may say.
extension MembershipLog {
  /// Verifies one commit, whose parents are known.
  func entry(
    _ state: Membership, _ commit: CommitObject, in source: some ObjectSource
  ) throws(VaultError) -> Entry {
    let name = state.commit
    guard let message = MembersMessage(commit.message) else { throw .commitInvalid(name, .message) }
    guard message.vault == state.vault else { throw .commitInvalid(name, .otherVault) }
    guard let first = commit.parents.first else {
      try verifyGenesis(state, message, in: source)
      try CommitVerifier.verifySignature(of: commit, named: name, by: message.node)
      return Entry(state: state, parent: nil, message: message, depth: 0)
    }
    guard let parent = entries[first] else { throw .commitInvalid(name, .parents) }
    guard parent.state.members[message.node]?.role == .owner else { throw .commitInvalid(name, .notAMember) }
    try CommitVerifier.verifySignature(of: commit, named: name, by: message.node)
    try verifyStep(from: parent.state, to: state)
    var next = state
    next.seniority = parent.state.seniority
    let newest = (next.seniority.values.max() ?? 0) + 1
    for (offset, node) in state.members.keys.sorted().enumerated() where state.members[node]?.role == .owner {
      if next.seniority[node] == nil { next.seniority[node] = newest + offset }
    }
    next.seniority = next.seniority.filter { state.members[$0.key]?.role == .owner }
    return Entry(state: next, parent: first, message: message, depth: parent.depth + 1)
  }

  private func verifyGenesis(
    _ state: Membership, _ message: MembersMessage, in source: some ObjectSource
  ) throws(VaultError) {
    let text = String(decoding: try source.loadBlob(state.constants.genesis), as: UTF8.self)
    guard let genesis = Genesis(text), message.node == genesis.owner, state.removed.isEmpty, state.keys.count == 1,
      state.members == [genesis.owner: Member(role: .owner, recipient: genesis.recipient)]
    else { throw .commitInvalid(state.commit, .notAMember) }
  }

  /// What one step may change.
  private func verifyStep(from old: Membership, to new: Membership) throws(VaultError) {
    let flaw = VaultError.commitInvalid(new.commit, .members)
    guard new.constants.genesis == old.constants.genesis, new.members.count <= Membership.limit else { throw flaw }
    // A vault is upgraded by an owner's act, and never goes back.
    guard new.constants.description == old.constants.description || new.format > old.format else { throw flaw }
    // A vault without an owner could never change again.
    guard new.members.values.contains(where: { $0.role == .owner }) else { throw flaw }
    guard old.keys.keys.allSatisfy({ new.keys[$0] != nil }) else { throw flaw }
    for (node, member) in old.members {
      let changed = new.members[node]
      if changed == nil || member.role.mayWrite, changed?.role.mayWrite != true, new.removed[node] == nil { throw flaw }
      // Whoever may read no more must not hold the key of what is written afterwards.
      if member.role.mayRead, changed?.role.mayRead != true, new.epoch == old.epoch { throw flaw }
      guard let changed else { continue }
      // Nobody else can be put in a member's place, and what it was given it keeps.
      guard changed.recipient == member.recipient else { throw flaw }
      if member.role.mayRead, changed.role.mayRead, changed.since > member.since { throw flaw }
    }
    // What came too late stays so, whoever is asked next.
    for (node, frontier) in old.removed where new.members[node]?.role.mayWrite != true {
      guard let kept = new.removed[node], kept.tip == frontier.tip else { throw flaw }
    }
    for (node, member) in new.members where old.members[node] == nil {
      // With it no key could be made for anybody any more.
      guard KeyFiles.isRecipient(member.recipient) else { throw flaw }
    }
    for node in new.removed.keys where new.members[node]?.role.mayWrite == true { throw flaw }
    for (_, member) in new.members where member.since > new.epoch { throw flaw }
  }
}
