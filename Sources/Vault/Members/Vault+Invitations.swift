package import GitStore

/// What an owner invited somebody to.
package struct InvitationTerms: Hashable, Sendable {
  package var role: Role
  /// Whether it gets the keys of older versions, too.
  package var history: Bool
  /// The members' commit at which the invitation was made.
  package var issued: ObjectName
  /// Whether a node was admitted with it before: only that node is asked about then.
  package var wasUsed = false

  package init(role: Role, history: Bool, issued: ObjectName, wasUsed: Bool = false) {
    (self.role, self.history, self.issued, self.wasUsed) = (role, history, issued, wasUsed)
  }
}

/// What an invitation means for a node.
package enum InvitationOutcome: Hashable, Sendable {
  /// It becomes a member, or has become one.
  case admitted
  /// It is a member already, in the role of the invitation: nothing changes.
  case isMember
  /// It is a member already, in this other role, which only an owner's own act changes.
  case hasOtherRole(Role)
  /// The invitation is over: its maker was no owner for a time, or the node was removed after it was made.
  case ended
}

extension Vault {
  /// Makes a node a member as an invitation of this node's says, if it still holds; asked anew of the state of the members that the act
  /// follows, so that no removal that comes between is undone.
  ///
  /// - Throws: ``VaultError/recipientMalformed``, ``VaultError/tooManyMembers``, ``VaultError/contended``, and what the repository does.
  package func admit(
    _ node: NodeID, under terms: InvitationTerms, recipient: String, person: People.Person = .init()
  ) throws(VaultError) -> InvitationOutcome {
    var outcome = try outcome(for: node, under: terms)
    guard outcome == .admitted else { return outcome }
    do throws(VaultError) {
      try change { draft throws(VaultError) in
        outcome = outcomeNow(for: node, under: terms)
        guard outcome == .admitted else { throw .roleForbids }
        try draft.admit(
          node, as: terms.role, recipient: recipient, history: terms.history, person: person)
      }
    } catch {
      if outcome == .admitted { throw error }
    }
    return outcome
  }

  /// What an invitation of this node's means for `node` now; changes nothing.
  package func outcome(for node: NodeID, under terms: InvitationTerms) throws(VaultError) -> InvitationOutcome {
    try refreshMembers()
    return outcomeNow(for: node, under: terms)
  }

  private func outcomeNow(for node: NodeID, under terms: InvitationTerms) -> InvitationOutcome {
    let log = log
    // A log that turned away from where it was made ends it, too.
    guard let states = log.states(since: terms.issued),
      states.allSatisfy({ $0.members[identity.node]?.role == .owner })
    else { return .ended }
    if let member = log.current.members[node] {
      return member.role == terms.role ? .isMember : .hasOtherRole(member.role)
    }
    // Who was a member at any time since, and is none, was removed.
    return terms.wasUsed || states.contains { $0.members[node] != nil } ? .ended : .admitted
  }
}
