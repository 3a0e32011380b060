package import Vault

/// Why a connection to a peer was not made, or ended.
///
/// Carries no secret: neither tokens nor names within a vault.
package enum PeerSyncError: Error, Hashable {
  /// An address is not `HOST:PORT`.
  case addressMalformed
  /// A pairing code is not `polykey:TOKEN.NODEID@HOST:PORT`; says which part.
  case pairingCodeMalformed(PairingCode.Part)
  /// Listening failed; the system's errno, or 0 if the host has no address.
  case cannotListen(PeerAddress, errno: Int32)
  /// No connection: refused, unreachable, unknown host or no answer; the system's errno, or 0.
  case unreachable(errno: Int32)
  /// The peer did not complete a TLS handshake with us.
  case handshakeFailed
  /// Another node answers at this address.
  case wrongNode(NodeID)
  /// The peer shares no vault with us.
  case stranger
  /// The peer is this very process.
  case ourselves
  /// Another connection to the same peer goes on instead.
  case duplicate
  /// The peer sent what the protocol does not allow.
  case violation(FrameFlaw)
  /// The peer speaks only this older version of the protocol.
  case versionUnsupported(UInt16)
  /// The peer needed too long to introduce itself.
  case handshakeTimedOut
  /// Nothing came from the peer for too long.
  case silent
  /// The peer does not read what it asks for.
  case notReading
  /// The connection ended, by the peer or on the way.
  case closed
  /// The peer refused to let us join.
  case joinRefused(JoinRefusal)
  /// This node was removed from the vault.
  case removed
  /// The peer does not share this vault with us.
  case vaultNotShared
  /// What was asked for was not done in the time given.
  case timedOut
  /// The service was stopped.
  case stopped
  /// There is no room for a thread, or TLS cannot be set up.
  case resources
  case vault(VaultError)
}

/// What is wrong with a frame: a rule of docs/sync.md, "Frames".
package enum FrameFlaw: Error, Hashable {
  /// Longer than its type allows.
  case tooLong
  case unknownType
  /// Its fields do not fill it, or overrun it.
  case length
  /// Text that is not UTF-8, or has control characters.
  case text
  /// A value out of its range, or fields out of order.
  case value
  /// Not allowed at this point of the exchange.
  case unexpected
  /// More vaults or branches than a connection may announce.
  case tooMany
}
