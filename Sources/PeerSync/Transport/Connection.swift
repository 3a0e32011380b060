internal import Dispatch
internal import NIOCore
internal import Vault

/// One connection to a peer, as threads use it: frames come out of ``next(until:)``, and go in by ``send(_:)``.
///
/// What happens on the event loop is in ``FrameHandler``.
final class Connection: Sendable {
  /// Received bytes that may wait to be worked on before reading stops, and before it goes on.
  static let inboxHighMark = 4 << 20
  static let inboxLowMark = 1 << 20
  /// Sent bytes that may be on their way into the socket before a sender of packs waits.
  static let windowSize = 1 << 20
  /// The same for other frames, after which the peer evidently does not read.
  static let controlLimit = 8 << 20
  /// What a queued frame counts for beside its bytes.
  private static let frameCost = 64

  /// What a worker is told.
  enum Item: Sendable {
    case frame(Frame)
    /// Look again whether this vault is to be fetched from the peer.
    case check(VaultID)
    /// Look whether the update of this number comes fast enough.
    case pace(UInt64)
  }

  struct Incoming: Sendable {
    var queue = CircularBuffer<(Item, cost: Int)>()
    var byteCount = 0
    var bytesReceived: UInt64 = 0
    var isPaused = false
  }

  struct Outgoing: Sendable {
    var byteCount = 0
    var bytesSent: UInt64 = 0
    var roundTrip: Duration?
    var error: PeerSyncError?
  }

  let channel: any Channel
  let peer: TLS.Peer
  /// The other end, as it appears here.
  let remote: PeerAddress?
  /// Where it counts, if it was accepted.
  private let place: ConnectionLimits.Place?
  let incoming = Watched(Incoming())
  let outgoing = Watched(Outgoing())

  init(channel: any Channel, peer: TLS.Peer, remote: PeerAddress?, place: ConnectionLimits.Place?) {
    self.place = place
    self.channel = channel
    self.peer = peer
    self.remote = remote
  }

  /// Why the connection ended; nil while it lives.
  var error: PeerSyncError? { outgoing.read(\.error) }
  /// The last measured round trip; nil before the first.
  var roundTrip: Duration? { outgoing.read(\.roundTrip) }
  /// Bytes that have gone either way.
  var byteCount: UInt64 { incoming.read(\.bytesReceived) + outgoing.read(\.bytesSent) }
  /// Bytes that wait to get into the socket.
  var backlog: Int { outgoing.read(\.byteCount) }

  /// The peer has been admitted; false if there is no room for it.
  func introduced(as node: NodeID) -> Bool { place?.introduced(as: node) ?? true }

  // MARK: From threads

  /// The next thing to work on, in order of arrival.
  ///
  /// - Throws: Why the connection ended. If the peer ended it, what it said before comes first; else that is dropped.
  func next() throws(PeerSyncError) -> Item {
    let taken = incoming.wait { state -> (Item?, resumes: Bool)? in
      let error = self.error
      if let error, error != .closed { return (nil, false) }
      guard let (item, cost) = state.queue.popFirst() else { return error == nil ? nil : (nil, false) }
      state.byteCount -= cost
      let resumes = state.isPaused && state.byteCount <= Connection.inboxLowMark
      if resumes { state.isPaused = false }
      return (item, resumes)
    }
    guard let (item, resumes) = taken, let item else { throw error ?? .closed }
    if resumes { tell(.hasRoom) }
    return item
  }

  /// Sends a frame without waiting; a peer that does not read in the long run is cut off.
  func send(_ frame: Frame) {
    let count = write(frame)
    if count > Connection.windowSize + Connection.controlLimit { close(.notReading) }
  }

  /// Sends a frame when the network has taken most of what was sent before.
  ///
  /// - Throws: Why the connection ended.
  func sendPatiently(_ frame: Frame) throws(PeerSyncError) {
    let error = outgoing.wait { state -> PeerSyncError?? in
      if let error = state.error { return .some(error) }
      return state.byteCount <= Connection.windowSize ? .some(nil) : nil
    }
    if let error = error ?? nil { throw error }
    write(frame)
  }

  /// Puts `item` behind what waits to be worked on.
  func enqueue(_ item: Item) { incoming.update { $0.queue.append((item, 0)) } }

  /// Lets the frames of `phase` come.
  func open(_ phase: FrameHandler.Phase) { tell(.open(phase)) }

  /// Ends the connection; the first reason counts.
  func close(_ error: PeerSyncError) {
    finish(error)
    channel.close(promise: nil)
  }

  private func tell(_ order: FrameHandler.Order) { channel.triggerUserOutboundEvent(order, promise: nil) }

  /// Returns the bytes on their way.
  @discardableResult
  private func write(_ frame: Frame) -> Int {
    let buffer = frame.encoded()
    let count = buffer.readableBytes
    let total = outgoing.update { state in
      state.byteCount += count
      return state.byteCount
    }
    channel.writeAndFlush(buffer).whenComplete { [outgoing] _ in
      outgoing.update { state in
        state.byteCount -= count
        state.bytesSent += UInt64(count)
      }
    }
    return total
  }

  // MARK: From the event loop

  /// Takes a frame of so many bytes; false if no more should be read for now.
  func take(_ frame: Frame, byteCount: Int) -> Bool {
    incoming.update { state in
      let cost = byteCount + Connection.frameCost
      state.queue.append((.frame(frame), cost))
      state.bytesReceived += UInt64(byteCount)
      state.byteCount += cost
      if state.byteCount > Connection.inboxHighMark { state.isPaused = true }
      return !state.isPaused
    }
  }

  func note(roundTrip: Duration) { outgoing.update { $0.roundTrip = roundTrip } }

  /// Notes that the connection has ended, and wakes its threads.
  func finish(_ error: PeerSyncError) {
    outgoing.update { if $0.error == nil { $0.error = error } }
    incoming.update { _ in }
  }
}
