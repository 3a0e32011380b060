internal import NIOCore
internal import NIOSSL
internal import Vault

/// A node's key as TLS uses it: signatures are made in SecretMemory, and the secret never enters BoringSSL.
struct NodeKey: NIOSSLCustomPrivateKey, Hashable {
  let identity: Identity

  var signatureAlgorithms: [SignatureAlgorithm] { [.ed25519] }

  /// Signs on the event loop: it takes some 20 µs, and waits for nothing.
  func sign(channel: any Channel, algorithm: SignatureAlgorithm, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
    channel.eventLoop.makeCompletedFuture {
      guard algorithm == .ed25519 else { throw PeerSyncError.handshakeFailed }
      return ByteBuffer(bytes: try identity.signRaw([UInt8](data.readableBytesView)))
    }
  }

  func decrypt(channel: any Channel, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
    // RSA only.
    channel.eventLoop.makeFailedFuture(PeerSyncError.handshakeFailed)
  }

  static func == (a: NodeKey, b: NodeKey) -> Bool { a.identity.node == b.identity.node }
  func hash(into hasher: inout Hasher) { hasher.combine(identity.node) }
}
