import NIOCore
import NIOPosix
import NIOSSL
import Vault

@testable import PeerSync

/// The other end of a connection, in the hands of a test: what it sends is any bytes, within TLS or without.
final class RawPeer: Sendable {
  struct State: Sendable {
    var received: [UInt8] = []
    var isSecure = false
    var isClosed = false
  }

  let state: Watched<State>
  let channel: any Channel

  private init(channel: any Channel, state: Watched<State>) {
    self.channel = channel
    self.state = state
  }

  deinit { channel.close(promise: nil) }

  /// Connects to `address`, and as `identity` if there is one; nil: bare TCP.
  static func connect(
    to address: PeerAddress, as identity: Identity?, expecting node: NodeID? = nil
  ) throws -> RawPeer {
    let state = Watched(State())
    let tls = try identity.map { try TLS(identity: $0) }
    let channel = try ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls {
            try channel.pipeline.syncOperations.addHandler(tls.dialler(TLS.Peer(), expected: node))
          }
          try channel.pipeline.syncOperations.addHandler(Recorder(state))
        }
      }
      .connect(host: address.host, port: Int(address.port)).wait()
    return RawPeer(channel: channel, state: state)
  }

  /// A member's or a stranger's connection after the HELLOs.
  static func introduced(
    to address: PeerAddress, as identity: Identity, instance: Instance = .random(), dial: UInt64 = 1
  ) throws -> RawPeer {
    let peer = try connect(to: address, as: identity)
    peer.send(.hello(Frame.Hello(instance: instance, dial: dial, program: "raw", addresses: [])))
    return peer
  }

  func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
  func send(_ frame: Frame) { channel.writeAndFlush(frame.encoded(), promise: nil) }

  /// Waits until the other side has closed the connection.
  func waitForEnd(seconds: Int = 20) -> Bool {
    state.wait(until: .after(.seconds(seconds))) { $0.isClosed ? true : nil } ?? false
  }

  /// Waits until so many frames of this kind have come.
  func wait(for kind: Frame.Kind, count: Int = 1, seconds: Int = 20) -> Bool {
    state.wait(until: .after(.seconds(seconds))) { state in
      if RawPeer.kinds(state.received).count(where: { $0 == kind }) >= count { return true }
      return state.isClosed ? false : nil
    } ?? false
  }

  /// The types of the whole frames that have come.
  var kinds: [Frame.Kind] { RawPeer.kinds(state.read(\.received)) }

  private static func kinds(_ bytes: [UInt8]) -> [Frame.Kind] { frames(bytes).map(\.kind) }

  /// The frames that have come.
  var frames: [Frame] { RawPeer.frames(state.read(\.received)) }

  private static func frames(_ bytes: [UInt8]) -> [Frame] {
    var frames: [Frame] = []
    var rest = bytes[...]
    while rest.count >= Frame.headerSize {
      let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count >= Frame.headerSize + count,
        let kind = Frame.Kind(rawValue: rest[rest.startIndex + 4]),
        let frame = try? Frame(kind, body: [UInt8](rest.dropFirst(Frame.headerSize).prefix(count)))
      else { break }
      frames.append(frame)
      rest = rest.dropFirst(Frame.headerSize + count)
    }
    return frames
  }
}

/// Keeps what comes.
private final class Recorder: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let state: Watched<RawPeer.State>

  init(_ state: Watched<RawPeer.State>) { self.state = state }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = [UInt8](unwrapInboundIn(data).readableBytesView)
    state.update { $0.received += bytes }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  func channelInactive(context: ChannelHandlerContext) { state.update { $0.isClosed = true } }
}
