import TestSupport
import Testing

@testable import Vault

/// What a pairing code still means after the members have changed.
@Suite("Invitations") struct InvitationTests {
  /// A founder, a second owner, and a vault of theirs.
  private let nodes: [SimulatedNode]
  private let guest: Identity

  init() throws {
    nodes = try ExchangeTests.network([.owner])
    guest = try Identity()
  }

  private var vault: Vault { get throws { try #require(nodes[0].vault) } }

  private func terms(_ role: Role, history: Bool = true, wasUsed: Bool = false) throws -> InvitationTerms {
    InvitationTerms(role: role, history: history, issued: try vault.membership.commit, wasUsed: wasUsed)
  }

  private func come(_ terms: InvitationTerms) throws -> InvitationOutcome {
    try vault.admit(guest.node, under: terms, recipient: guest.recipient)
  }

  @Test(arguments: [Role.owner, .writer, .reader, .replica], [true, false])
  func `who was removed is let in by no invitation from before`(role: Role, history: Bool) throws {
    let (used, other) = (try terms(role, history: history), try terms(.writer))
    #expect(try come(used) == .admitted)
    let admitted = try vault.membership.commit
    var again = used
    again.wasUsed = true
    for terms in [used, again] { #expect(try come(terms) == .isMember) }
    #expect(try vault.membership.commit == admitted)
    let meanwhile = try terms(.reader)
    try vault.remove(guest.node)
    for terms in [used, again, other, meanwhile] { #expect(try come(terms) == .ended) }
    #expect(try vault.membership.members[guest.node] == nil)
    // An owner that wants it back says so.
    #expect(try come(try terms(.reader)) == .admitted)
    #expect(try vault.membership.members[guest.node]?.role == .reader)
    // And even then the first ones do not make it what it was.
    for terms in [used, again, other] where terms.role != .reader { #expect(try come(terms) == .hasOtherRole(.reader)) }
  }

  @Test(arguments: [Role.owner, .writer])
  func `no invitation changes a member's role`(role: Role) throws {
    let used = try terms(role)
    #expect(try come(used) == .admitted)
    try vault.setRole(of: guest.node, to: .reader)
    let state = try vault.membership.commit
    #expect(try come(used) == .hasOtherRole(.reader))
    #expect(try come(try terms(.replica)) == .hasOtherRole(.reader))
    #expect(try come(try terms(role)) == .hasOtherRole(.reader))
    // The founder is not made a replica by its own code either.
    let own = try vault.admit(nodes[0].id, under: try terms(.replica), recipient: guest.recipient)
    #expect(own == .hasOtherRole(.owner))
    #expect(try vault.membership.commit == state)
  }

  @Test func `an owner that was none for a time, or is none, has no invitations from before`() throws {
    let (before, used) = (try terms(.writer), try terms(.owner))
    try nodes[1].vault?.setRole(of: nodes[0].id, to: .writer)
    try ExchangeTests.settle(nodes)
    #expect(try vault.role == .writer)
    for terms in [before, used] { #expect(try come(terms) == .ended) }
    try nodes[1].vault?.setRole(of: nodes[0].id, to: .owner)
    try ExchangeTests.settle(nodes)
    for terms in [before, used] { #expect(try come(terms) == .ended) }
    #expect(try come(try terms(.writer)) == .admitted)
  }

  @Test func `a removal that comes between the question and the act is not undone`() throws {
    let used = try terms(.writer)
    #expect(try come(used) == .admitted)
    // Another process of the same keynode, which has not looked since.
    let other = try nodes[0].keynode.openVault(nodes[0].name)
    #expect(try other.outcome(for: guest.node, under: used) == .isMember)
    try vault.remove(guest.node)
    #expect(try other.admit(guest.node, under: used, recipient: guest.recipient) == .ended)
    #expect(other.membership.members[guest.node] == nil)
  }

  @Test func `a log that turned away from where it was made ends an invitation`() throws {
    // Both act at a time; the founder's side wins, and the other's invitation was made on the side that lost.
    let other = try #require(nodes[1].vault)
    try other.rotate()
    let lost = InvitationTerms(role: .owner, history: true, issued: other.membership.commit)
    try vault.rotate()
    try ExchangeTests.settle(nodes)
    #expect(try other.admit(guest.node, under: lost, recipient: guest.recipient) == .ended)
  }
}
