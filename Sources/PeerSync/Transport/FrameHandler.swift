internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import Vault

/// The event loop's end of a connection: finds frames in bytes, keeps the connection alive, and judges when it is dead.
///
/// All of it runs on the channel's event loop and nothing waits.
final class FrameHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Which frames may come.
  ///
  /// While a worker considers a frame of the introduction, none is looked at.
  enum Phase: Sendable {
    /// The one HELLO.
    case hello
    /// A JOIN, of a peer that we do not know.
    case join
    /// What a member sends, from one that was removed and may not know; or a JOIN.
    case dismissal
    /// The answer to our JOIN, among what a peer sends that knows us already.
    case answer
    case held
    /// All but HELLO.
    case established
  }

  /// What threads tell the handler.
  enum Order: Sendable {
    case open(Phase)
    case hasRoom
  }

  private let connection: Connection
  private let timing: PeerConfiguration.Timing
  private let onHandshake: (NodeID) -> Void
  private let onEnd: () -> Void

  private var phase = Phase.hello
  private var hasRoom = true
  private var isReading = true
  private var received = ByteBuffer()
  private var lastReceived = NIODeadline.now()
  private var lastSent = NIODeadline.now()
  /// The time of the PING that is not answered yet.
  private var pinged: NIODeadline?
  private var introduction: Scheduled<Void>?
  private var heartbeat: Scheduled<Void>?
  private var hasEnded = false

  /// A handler that calls `onHandshake` once, when TLS has proved who the peer is, and `onEnd` once in any case.
  init(
    _ connection: Connection, timing: PeerConfiguration.Timing, onHandshake: @escaping (NodeID) -> Void,
    onEnd: @escaping () -> Void
  ) {
    self.connection = connection
    self.timing = timing
    self.onHandshake = onHandshake
    self.onEnd = onEnd
  }

  // MARK: Life

  func channelActive(context: ChannelHandlerContext) {
    let context = context
    introduction = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(timing.handshake)) { [self] in
      fail(.handshakeTimedOut, context)
    }
    context.fireChannelActive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted(let negotiated)? = event as? TLSUserEvent else { return }
    guard negotiated == TLS.applicationProtocol, let node = connection.peer.node else {
      return fail(.handshakeFailed, context)
    }
    onHandshake(node)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if connection.peer.node == nil {
      fail(connection.peer.refusal ?? .handshakeFailed, context)
    } else {
      fail(.closed, context)
    }
  }

  func channelInactive(context: ChannelHandlerContext) { end(.closed) }

  func handlerRemoved(context: ChannelHandlerContext) { end(.closed) }

  private func fail(_ error: PeerSyncError, _ context: ChannelHandlerContext) {
    connection.finish(error)
    phase = .held
    context.close(promise: nil)
  }

  private func end(_ error: PeerSyncError) {
    guard !hasEnded else { return }
    hasEnded = true
    introduction?.cancel()
    heartbeat?.cancel()
    connection.finish(error)
    onEnd()
  }

  // MARK: Frames

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    lastReceived = .now()
    received.writeBuffer(&bytes)
    decode(context)
  }

  private func decode(_ context: ChannelHandlerContext) {
    do throws(FrameFlaw) {
      while phase != .held, hasRoom, let (frame, count) = try nextFrame() { take(frame, count, context) }
    } catch {
      return fail(.violation(error), context)
    }
    if received.readableBytes == 0 { received.clear(minimumCapacity: 0) } else { received.discardReadBytes() }
    let shouldRead = phase != .held && hasRoom
    if shouldRead != isReading {
      isReading = shouldRead
      // While we did not read, the peer's silence was ours.
      lastReceived = .now()
      context.channel.setOption(.autoRead, value: shouldRead).whenFailure { _ in }
    }
  }

  /// The next whole frame and its size; a type or length that is not allowed fails before the rest has come.
  private func nextFrame() throws(FrameFlaw) -> (Frame, byteCount: Int)? {
    guard let count = received.getInteger(at: received.readerIndex, as: UInt32.self),
      let type = received.getInteger(at: received.readerIndex + 4, as: UInt8.self)
    else { return nil }
    guard let kind = Frame.Kind(rawValue: type) else { throw .unknownType }
    guard phase.allows(kind) else { throw .unexpected }
    guard count <= kind.limit else { throw .tooLong }
    guard received.readableBytes >= Frame.headerSize + Int(count) else { return nil }
    received.moveReaderIndex(forwardBy: Frame.headerSize)
    let body = received.readBytes(length: Int(count)) ?? []
    return (try Frame(kind, body: body), Frame.headerSize + Int(count))
  }

  private func take(_ frame: Frame, _ count: Int, _ context: ChannelHandlerContext) {
    switch frame {
    // A peer that asks and does not read gets no answers to pile up. That bytes come is enough to be alive.
    case .ping(let number): if context.channel.isWritable { send(.pong(number), context) }
    case .pong(let number):
      if let pinged, pinged.uptimeNanoseconds == number {
        connection.note(roundTrip: .nanoseconds((NIODeadline.now() - pinged).nanoseconds))
        self.pinged = nil
      }
    default:
      // What follows an introduction waits until a worker has judged it.
      if phase == .hello || phase == .join { phase = .held }
      if case .join = frame {
        introduction?.cancel()
        if phase == .dismissal { phase = .held }
      }
      hasRoom = connection.take(frame, byteCount: count)
    }
  }

  func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
    guard let order = event as? Order else {
      return context.triggerUserOutboundEvent(event, promise: promise)
    }
    switch order {
    case .hasRoom: hasRoom = true
    case .open(let next):
      guard connection.error == nil else { break }
      phase = next
      // Whoever waits for an answer has a deadline of its own.
      if next == .established || next == .answer { introduction?.cancel() }
      if next == .established { startHeartbeat(context) }
    }
    promise?.succeed()
    decode(context)
  }

  // MARK: Being alive

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    lastSent = .now()
    context.write(data, promise: promise)
  }

  private func send(_ frame: Frame, _ context: ChannelHandlerContext) {
    lastSent = .now()
    context.writeAndFlush(wrapOutboundOut(frame.encoded()), promise: nil)
  }

  private func startHeartbeat(_ context: ChannelHandlerContext) {
    guard heartbeat == nil else { return }
    lastReceived = .now()
    ping(context)
    scheduleBeat(context)
  }

  private func scheduleBeat(_ context: ChannelHandlerContext) {
    heartbeat = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(timing.ping / 4)) { [self] in
      beat(context)
    }
  }

  private func beat(_ context: ChannelHandlerContext) {
    let now = NIODeadline.now()
    if isReading, now - lastReceived > TimeAmount(timing.silence) { return fail(.silent, context) }
    if now - lastSent >= TimeAmount(timing.ping) || now - lastReceived >= TimeAmount(timing.ping) { ping(context) }
    scheduleBeat(context)
  }

  private func ping(_ context: ChannelHandlerContext) {
    let now = NIODeadline.now()
    pinged = now
    send(.ping(now.uptimeNanoseconds), context)
  }
}

extension FrameHandler.Phase {
  func allows(_ kind: Frame.Kind) -> Bool {
    switch (self, kind) {
    case (.held, _), (.established, .hello), (.answer, .hello), (.dismissal, .hello): false
    case (.established, _), (.answer, _), (.dismissal, _): true
    case (.hello, .hello), (.join, .join): true
    case (.hello, _), (.join, _): false
    }
  }
}
