internal import GitStore
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization
internal import Vault

extension PeerService {
  // MARK: Listening

  /// Accepts peers at `address`; its port may be 0: any free one.
  ///
  /// - Returns: Where it listens, with the port.
  /// - Throws: ``PeerSyncError/cannotListen(_:errno:)``, ``PeerSyncError/stopped``.
  @discardableResult
  package func listen(at address: PeerAddress) throws(PeerSyncError) -> PeerAddress {
    guard !state.read(\.isStopping) else { throw .stopped }
    let channel: any Channel
    do {
      let socket = try SocketAddress.makeAddressResolvingHost(address.host, port: Int(address.port))
      var bootstrap = ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 128)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { [self] channel in
          channel.eventLoop.makeCompletedFuture { try accept(channel) }
        }
      if case .v6 = socket {
        // So that "0.0.0.0" and "::" can be listened at side by side.
        bootstrap = bootstrap.serverChannelOption(
          ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
      }
      channel = try bootstrap.bind(to: socket).wait()
    } catch {
      throw .cannotListen(address, errno: PeerService.errno(of: error))
    }
    state.update { $0.listeners.append(channel) }
    if state.read(\.isStopping) { channel.close(promise: nil) }
    return try PeerAddress(host: address.host, port: UInt16(clamping: channel.localAddress?.port ?? 0))
  }

  /// Where we listen.
  package var listening: [PeerAddress] {
    state.read(\.listeners).compactMap { $0.localAddress.flatMap { PeerService.address(of: $0) } }
  }

  /// On the event loop: a place for a new connection, or an error that closes it.
  private func accept(_ channel: any Channel) throws {
    guard !state.read(\.isStopping), let place = limits.admit(channel.remoteAddress) else {
      throw PeerSyncError.resources
    }
    do { try install(on: channel, dial: nil, place: place) } catch {
      place.giveBack()
      throw error
    }
  }

  // MARK: Dialling

  /// Makes one connection; `dial` is told what becomes of it.
  func dial(_ dial: Dial) {
    guard !state.read(\.isStopping) else { return dial.ended(.stopped) }
    ClientBootstrap(group: group)
      .connectTimeout(TimeAmount(configuration.timing.connect))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture { try install(on: channel, dial: dial, place: nil) }
      }
      .connect(host: dial.address.host, port: Int(dial.address.port))
      .whenFailure { dial.ended(.unreachable(errno: PeerService.errno(of: $0))) }
  }

  // MARK: Both

  /// On the event loop: TLS and frames over a new channel.
  private func install(on channel: any Channel, dial: Dial?, place: ConnectionLimits.Place?) throws {
    let peer = TLS.Peer()
    let remote = channel.remoteAddress.flatMap { PeerService.address(of: $0) } ?? dial?.address
    let connection = Connection(channel: channel, peer: peer, remote: remote, place: place)
    let hasSession = Mutex(false)
    place?.onEviction { [weak connection] in connection?.close(.resources) }
    let handler = FrameHandler(
      connection, timing: configuration.timing,
      onHandshake: { [self] node in
        let session = Session(connection, node: node, dial: dial, service: self)
        do throws(PeerSyncError) {
          try startReceiver(of: session)
          hasSession.withLock { $0 = true }
        } catch {
          connection.close(error)
        }
      },
      onEnd: { [self] in
        place?.giveBack()
        state.update { $0.connections[ObjectIdentifier(connection)] = nil }
        if !hasSession.withLock({ $0 }) { dial?.ended(connection.error ?? .closed) }
      })
    if let dial {
      try channel.pipeline.syncOperations.addHandlers([tls.dialler(peer, expected: dial.expected), handler])
    } else {
      try channel.pipeline.syncOperations.addHandlers([tls.acceptor(peer), handler])
    }
    let isStopping = state.update { state in
      state.connections[ObjectIdentifier(connection)] = connection
      return state.isStopping
    }
    if isStopping { throw PeerSyncError.stopped }
  }

  private func startReceiver(of session: Session) throws(PeerSyncError) {
    guard !state.read(\.isStopping) else { throw .stopped }
    try threads.start(threadName("recv")) { session.run() }
  }

  func startSender(of session: Session) throws(PeerSyncError) {
    guard !state.read(\.isStopping) else { throw .stopped }
    try threads.start(threadName("send")) { session.send() }
  }

  /// "pk-3f0a-send": says which service a thread belongs to.
  private func threadName(_ duty: String) -> String {
    let digits = String(instance.low & 0xFFFF, radix: 16)
    return "pk-" + String(repeating: "0", count: 4 - digits.count) + digits + "-" + duty
  }

  static func address(of socket: SocketAddress) -> PeerAddress? {
    guard let host = socket.ipAddress, let port = socket.port else { return nil }
    return try? PeerAddress(host: host, port: UInt16(clamping: port))
  }

  /// The system's error in one of NIO's; 0 if there is none.
  static func errno(of error: any Error) -> Int32 {
    if let error = error as? IOError { return error.errnoCode }
    if let error = error as? NIOConnectionError {
      return error.connectionErrors.lazy.compactMap { ($0.error as? IOError)?.errnoCode }.first ?? 0
    }
    return 0
  }
}
