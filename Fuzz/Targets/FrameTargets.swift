import NIOCore
import NIOEmbedded
import Vault

@testable import GitStore
@testable import PeerSync

extension FuzzTarget {
  /// A frame's type and body.
  static let frames = FuzzTarget(
    "frames", seeds: { try Samples.frames().map { [UInt8](encoded($0).dropFirst(4)) } },
    read: {
      guard let kind = $0.first.flatMap({ Frame.Kind(rawValue: $0) }), $0.count - 1 <= kind.limit else { return }
      let frame = try Frame(kind, body: [UInt8]($0.dropFirst()))
      switch frame {
      // A later version's fields, and its codes, are not kept.
      case .hello(let hello) where hello.version > Frame.Hello.ownVersion: break
      case .refused(let refusal) where refusal.code == .other: break
      default: require(encoded(frame).dropFirst(4).elementsEqual($0), "what is read is written as the same bytes")
      }
    })

  /// What a connection's event loop does with bytes as they come, in whatever phase.
  static let stream = FuzzTarget(
    "stream",
    seeds: {
      let frames = try Samples.frames().map(encoded)
      return try [
        [0, 0xFF] + frames[0], [3, 0xFF] + frames.dropFirst().flatMap(\.self), [1, 7] + encoded(.join(Samples.join())),
      ]
    },
    read: { bytes in
      var choices = Choices(bytes)
      let channel = EmbeddedChannel()
      defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
      let connection = Connection(channel: channel, peer: TLS.Peer(), remote: nil, place: nil)
      let handler = FrameHandler(connection, timing: PeerConfiguration.Timing(), onHandshake: { _ in }, onEnd: {})
      try channel.pipeline.syncOperations.addHandler(handler)
      let phase: FrameHandler.Phase? =
        switch choices.byte() & 3 {
        case 0: nil
        case 1: .join
        case 2: .answer
        default: .established
        }
      if let phase { connection.open(phase) }
      let size = Int(choices.byte()) * 16 + 1
      for piece in pieces([UInt8](choices.rest), of: size) {
        try channel.writeInbound(ByteBuffer(bytes: piece))
        require(connection.incoming.read(\.byteCount) <= Connection.inboxHighMark + (2 << 20), "what waits is bounded")
      }
    })

  /// What people paste: a pairing code, or an address.
  static let pairing = FuzzTarget(
    "pairing",
    seeds: {
      let code = PairingCode(
        token: [UInt8](1...16), node: try Samples.node(1),
        addresses: [try PeerAddress("[fe80::1%eth0]:4117"), try PeerAddress("home.example:1")])
      return [[UInt8](code.text.utf8), [UInt8]("127.0.0.1:4117".utf8)]
    },
    read: { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      if let address = try? PeerAddress(text) { require(address.description == text, "an address has one spelling") }
      let code = try PairingCode(text)
      require(text.contains(code.text) && (try? PairingCode(code.text)) == code, "a code has one spelling")
    })

  private static func encoded(_ frame: Frame) -> [UInt8] { [UInt8](frame.encoded().readableBytesView) }
}

/// Valid frames, of each kind.
private enum Samples {
  static func node(_ byte: UInt8) throws -> NodeID {
    guard let node = NodeID(publicKey: [UInt8](repeating: byte, count: 32)) else { throw FrameFlaw.value }
    return node
  }

  static func join() throws -> JoinRequest {
    JoinRequest(token: [UInt8](1...16), recipient: "age1x", label: "böb", addresses: [try PeerAddress("10.0.0.1:5")])
  }

  static func frames() throws -> [Frame] {
    let vault = VaultID(bytes: [UInt8](repeating: 3, count: 32))
    let tips: Tips = [
      "members": .of(.blob, [1]), "nodes/\(try node(1))": .of(.blob, [2]),
      "lost/\(ObjectName.of(.blob, [9]).hex)": .of(.blob, [3]),
    ]
    return [
      .hello(
        Frame.Hello(
          instance: Instance(high: 1, low: 2), dial: 3, program: "polykey 1.0", addresses: [try PeerAddress("[::1]:1")])
      ),
      .ping(7), .pong(.max), .ready, .announce(vault, tips), .announce(vault, [:]), .want(vault, tips),
      .current(vault, tips), .updateBegin(vault, tips), .updateData([0, 1, 2]), .updateEnd, .updateAbort,
      .updateResult(Admission(moved: tips, refused: ["members": "not by an owner"])), .join(try join()),
      .joined(vault, name: "default"), .refused(JoinRefusal(.used, "Somebody joined with it.")),
    ]
  }
}
