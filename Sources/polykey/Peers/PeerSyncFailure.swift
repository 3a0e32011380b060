import PeerSync
import Vault

/// What a user is told when peers cannot be reached.
enum PeerSyncFailure {
  static func explained<R>(_ body: () throws(PeerSyncError) -> R) throws -> R {
    do throws(PeerSyncError) {
      return try body()
    } catch {
      throw failure(error)
    }
  }

  /// What went wrong, at `address` if that is to be told.
  static func failure(_ error: PeerSyncError, at address: PeerAddress? = nil) -> Failure {
    switch error {
    case .addressMalformed, .pairingCodeMalformed: Failure(.usage, sentence(error))
    case .vault(let error): Failure(error)
    default: Failure(.peer, "\(address.map { "\($0): " } ?? "")\(sentence(error))")
    }
  }

  static func sentence(_ error: PeerSyncError) -> String {
    switch error {
    case .addressMalformed: "an address is HOST:PORT, or [IPV6]:PORT"
    case .pairingCodeMalformed: "that is no pairing code: copy it whole, from polykey: to the port"
    case .cannotListen(let address, let code):
      "cannot listen at \(address): \(code == 0 ? "no such address" : ErrorNumber.text(code))"
    case .unreachable(let code):
      "the peer cannot be reached: \(code == 0 ? "there is no such host, or no answer" : ErrorNumber.text(code))"
    case .handshakeFailed: "what answers there is no polykey, or an old one"
    case .wrongNode(let node): "another node answers there, \(node.short): check the address and the code"
    case .stranger: "the peer shares no vault with this node"
    case .ourselves: "that is this very process"
    case .duplicate: "another connection to the same peer goes on"
    case .violation: "the peer does not keep to the protocol: one of the two programs needs an update"
    case .versionUnsupported: "the peer's program is older than the protocol: it needs an update"
    case .handshakeTimedOut: "the peer did not introduce itself in time"
    case .silent: "the peer has fallen silent"
    case .notReading: "the peer does not take what it asked for"
    case .closed: "the connection ended: the peer is going down, or does not admit this node any more"
    case .joinRefused(let refusal): refusal.sentence
    case .removed: "this node was removed from the vault: ask an owner to invite it again"
    case .vaultNotShared: "the peer does not share this vault with this node"
    case .timedOut: "it took too long: try again"
    case .stopped: "stopped"
    case .resources: "there is no room for another connection"
    case .vault(let error): Failure(error).sentence
    }
  }
}
