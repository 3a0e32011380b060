package import GitStore
package import Vault

/// A vault of this keynode as peers exchange it: one that is there, or one that is being fetched for the first time.
package final class ReplicatedVault: ExchangedVault {
  private enum Source {
    case exchange(VaultExchange)
    /// Fetched from whom the inviter is.
    case clone(VaultClone, inviter: NodeID)
  }

  private let source: Source
  package let vault: VaultID

  package init(_ exchange: VaultExchange) {
    source = .exchange(exchange)
    vault = exchange.vault.id
  }

  /// A vault that `inviter` admitted this node to.
  package init(_ clone: VaultClone, from inviter: NodeID) {
    source = .clone(clone, inviter: inviter)
    vault = clone.id
  }

  /// Nil as long as nothing of the vault is here.
  package var exchange: VaultExchange? {
    switch source {
    case .exchange(let exchange): exchange
    case .clone(let clone, _): clone.vault
    }
  }

  package func admits(_ node: NodeID) -> Bool {
    if exchange?.admits(node) == true { return true }
    guard case .clone(_, let inviter) = source, inviter == node else { return false }
    // If this node was removed once, what it has says so still: then it takes from the inviter, and gives it nothing. As a member it believes
    // its members' log: an inviter may name any vault that it knows of.
    return exchange?.isMember != true
  }

  package func isWriter(_ node: NodeID) -> Bool {
    // The vault that is to come has no members yet: the inviter is an owner.
    guard let exchange else { return admits(node) }
    return exchange.vault.membership.members[node]?.role.mayWrite ?? false
  }

  package var isMember: Bool {
    if case .clone = source { return true }
    return exchange?.isMember ?? false
  }

  package func hasRemoved(_ node: NodeID) -> Bool { exchange?.hasRemoved(node) ?? false }

  package func farewell(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws {
    try exchange?.farewell(to: node, having: have) { tips, pack in try Self.pass(tips, pack, to: sink) }
  }

  package func tips() throws(VaultError) -> [String: ObjectName] { try exchange?.tips() ?? [:] }

  package func outgoing(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws {
    guard let exchange, exchange.admits(node) else { return }
    try exchange.outgoing(to: have) { tips, pack in try Self.pass(tips, pack, to: sink) }
  }

  package func outgoingMembers(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws {
    guard let exchange, exchange.admits(node) else { return }
    try exchange.outgoingMembers(to: have) { tips, pack in try Self.pass(tips, pack, to: sink) }
  }

  private static func pass(
    _ tips: [String: ObjectName], _ pack: (@escaping PackStreamWriter.Sink) throws(VaultError) -> Void,
    to sink: any UpdateSink
  ) throws {
    try sink.begin(tips)
    var failure: (any Error)?
    do {
      try pack { bytes throws(GitError) in
        do {
          try sink.chunk(bytes)
        } catch {
          failure = error
          throw .cancelled
        }
      }
    } catch {
      throw failure ?? error
    }
    try sink.end()
  }

  package func receive(from node: NodeID) throws(VaultError) -> any UpdateReceiver {
    if let exchange { return Receiver(try exchange.receive()) }
    guard case .clone(let clone, _) = source else { throw .notAVault }
    return FirstReceiver(try clone.receive())
  }

  private final class Receiver: UpdateReceiver {
    private let update: IncomingUpdate
    init(_ update: IncomingUpdate) { self.update = update }
    var inflated: Int { update.inflated }
    func feed(_ bytes: [UInt8]) throws(VaultError) { try update.feed(bytes) }
    func finish(_ tips: [String: ObjectName]) throws(VaultError) -> Admission { Admission(try update.finish(tips)) }
  }

  private final class FirstReceiver: UpdateReceiver {
    private let update: FirstUpdate
    init(_ update: FirstUpdate) { self.update = update }
    var inflated: Int { update.inflated }
    func feed(_ bytes: [UInt8]) throws(VaultError) { try update.feed(bytes) }
    func finish(_ tips: [String: ObjectName]) throws(VaultError) -> Admission { Admission(try update.finish(tips)) }
  }
}

extension Admission {
  init(_ verdict: Verdict) {
    self.init(moved: verdict.moved, refused: verdict.refused)
    callsForAnswer = verdict.callsForAnswer
  }
}
