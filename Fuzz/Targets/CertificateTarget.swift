import NIOCore
import NIOEmbedded
import NIOSSL
import NIOTLS
import SecretMemory
import Vault

@testable import PeerSync

extension FuzzTarget {
  /// A certificate that a dialler shows, in a whole TLS handshake in memory.
  static let certificate = FuzzTarget(
    "certificate", seeds: { [try NodeCertificate.make(for: Handshake.identity)] },
    read: {
      try Handshake.run(showing: $0)
    })
}

private enum Handshake {
  /// Always the same, so that an input means the same in each run.
  static let identity: Identity = {
    do {
      return try unsafe Identity(secret: SecretBytes(copying: [UInt8](repeating: 7, count: 32).span.bytes))
    } catch {
      preconditionFailure("no identity can be made: \(error)")
    }
  }()
  static let tls: TLS = {
    do { return try TLS(identity: identity) } catch { preconditionFailure("TLS cannot be set up: \(error)") }
  }()

  static func run(showing certificate: [UInt8]) throws {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(try NIOSSLCertificate(bytes: certificate, format: .der))],
      privateKey: .privateKey(NIOSSLPrivateKey(customPrivateKey: NodeKey(identity: identity))))
    configuration.minimumTLSVersion = .tlsv13
    configuration.certificateVerification = .none
    configuration.trustRoots = .certificates([])
    configuration.signingSignatureAlgorithms = [.ed25519]
    configuration.applicationProtocols = [TLS.applicationProtocol]
    let peer = TLS.Peer()
    let loop = EmbeddedEventLoop()
    let (server, client) = (EmbeddedChannel(loop: loop), EmbeddedChannel(loop: loop))
    // Channels that are not closed are never freed.
    defer { for channel in [client, server] { _ = try? channel.finish(acceptAlreadyClosed: true) } }
    let outcome = Outcome()
    try server.pipeline.syncOperations.addHandlers([tls.acceptor(peer), outcome])
    let context = try NIOSSLContext(configuration: configuration)
    try client.pipeline.syncOperations.addHandler(try NIOSSLClientHandler(context: context, serverHostname: nil))
    let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
    server.connect(to: address, promise: nil)
    client.connect(to: address, promise: nil)
    var isMoving = true
    while isMoving {
      isMoving = false
      loop.run()
      for (from, to) in [(client, server), (server, client)] {
        while let bytes = try from.readOutbound(as: ByteBuffer.self) {
          isMoving = true
          try to.writeInbound(bytes)
        }
      }
    }
    require(try outcome.isComplete || certificate != NodeCertificate.make(for: identity), "a node's own is accepted")
    require(!outcome.isComplete || peer.node == identity.node, "who proves a key is the node of that key")
  }

  private final class Outcome: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var isComplete = false

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { isComplete = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
  }
}
