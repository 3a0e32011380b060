internal import NIOCore
internal import NIOSSL
internal import Synchronization
internal import Vault

/// TLS 1.3 both ways between nodes that know each other by their keys.
///
/// Source: docs/sync.md, "TLS".
struct TLS: Sendable {
  /// The application protocol (ALPN), without which a handshake does not count: no other protocol's server or client can
  /// be made to talk to us.
  static let applicationProtocol = "polykey/1"

  private let context: NIOSSLContext

  /// - Throws: ``PeerSyncError/resources``, ``PeerSyncError/vault(_:)``.
  init(identity: Identity) throws(PeerSyncError) {
    let certificate: [UInt8]
    do throws(VaultError) { certificate = try NodeCertificate.make(for: identity) } catch { throw .vault(error) }
    do {
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: [.certificate(try NIOSSLCertificate(bytes: certificate, format: .der))],
        privateKey: .privateKey(NIOSSLPrivateKey(customPrivateKey: NodeKey(identity: identity))))
      configuration.minimumTLSVersion = .tlsv13
      configuration.maximumTLSVersion = .tlsv13
      // Ours replaces this verification, but without it none is asked for. No authorities: the system's are not read.
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates([])
      configuration.verifySignatureAlgorithms = [.ed25519]
      configuration.signingSignatureAlgorithms = [.ed25519]
      configuration.renegotiationSupport = .none
      configuration.applicationProtocols = [TLS.applicationProtocol]
      configuration.shutdownTimeout = .seconds(1)
      context = try NIOSSLContext(configuration: configuration)
    } catch { throw .resources }
  }

  /// Who the other end of one connection proved to be.
  ///
  /// Filled in by the verification of a certificate, and by nothing else: a resumed session, which has none, leaves it
  /// empty and is cut off.
  final class Peer: Sendable {
    private let result = Mutex<Result<NodeID, PeerSyncError>?>(nil)

    /// The node; nil if none was proved.
    var node: NodeID? { result.withLock { try? $0?.get() } }
    /// Why the certificate was not accepted; nil if it was or none came.
    var refusal: PeerSyncError? {
      result.withLock {
        guard case .failure(let error) = $0 else { return nil }
        return error
      }
    }

    fileprivate func verify(_ chain: [NIOSSLCertificate], expected: NodeID?) -> NIOSSLVerificationResult {
      let verdict: Result<NodeID, PeerSyncError> =
        if chain.count == 1, let node = NodeCertificate.node(of: chain[0]) {
          expected == nil || node == expected ? .success(node) : .failure(.wrongNode(node))
        } else {
          .failure(.handshakeFailed)
        }
      result.withLock { $0 = verdict }
      if case .success = verdict { return .certificateVerified }
      return .failed
    }
  }

  /// Decrypts what a dialler sends; who it is ends up in `peer`.
  func acceptor(_ peer: Peer) -> NIOSSLServerHandler {
    NIOSSLServerHandler(context: context) { chain, promise in promise.succeed(peer.verify(chain, expected: nil)) }
  }

  /// Encrypts to whom we dialled, who must be `expected` (nil: anybody, to be judged by `peer`).
  func dialler(_ peer: Peer, expected: NodeID?) throws -> NIOSSLClientHandler {
    try NIOSSLClientHandler(context: context, serverHostname: nil) { chain, promise in
      promise.succeed(peer.verify(chain, expected: expected))
    }
  }
}
