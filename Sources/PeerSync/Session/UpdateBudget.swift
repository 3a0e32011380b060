internal import Synchronization
internal import Vault

/// What the updates that come from one node may become together, however many connections it has.
final class UpdateBudget: Sendable {
  private struct Use: Sendable {
    var received: UInt64
    var inflated: Int
  }

  private let uses = Mutex<[NodeID: [ObjectIdentifier: Use]]>([:])

  /// Whether the update that a session gets may be what it has become, after so many bytes of it.
  func allows(_ session: Session, received: UInt64, inflated: Int) -> Bool {
    uses.withLock { uses in
      uses[session.node, default: [:]][ObjectIdentifier(session)] = Use(received: received, inflated: inflated)
      let all = uses[session.node]?.values.reduce(Use(received: 0, inflated: 0)) { sum, use in
        Use(received: sum.received + use.received, inflated: sum.inflated + use.inflated)
      }
      guard let all else { return true }
      return all.inflated <= UpdateLimits.leastInflated + UpdateLimits.inflatedPerByte * Int(clamping: all.received)
    }
  }

  /// The session's update is over.
  func release(_ session: Session) {
    uses.withLock { uses in
      uses[session.node]?[ObjectIdentifier(session)] = nil
      if uses[session.node]?.isEmpty == true { uses[session.node] = nil }
    }
  }
}
