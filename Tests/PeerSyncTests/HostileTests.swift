import GitStore
import NIOCore
import TestSupport
import Testing
import Vault

@testable import PeerSync

/// Peers, known and unknown, that do what they should not.
@Suite("Hostile peers", .serialized) struct HostileTests {
  @Test(arguments: [11, 12, 13, 14])
  func `malformed frames of every kind end the connection, and nothing else`(seed: UInt64) throws {
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    // A length that was changed to a longer one leaves us waiting for the rest, until the silence is too long.
    let mesh = try Mesh(3) { configuration in
      configuration.timing.ping = .milliseconds(100)
      configuration.timing.silence = .milliseconds(500)
    }
    mesh.connect(1, to: 0)
    #expect(mesh[1].waitForPeers(1))
    let attacker = mesh[2].identity
    let corpus = try Corpus.frames().map { [UInt8]($0.encoded().readableBytesView) }
    for round in 0..<40 {
      let raw = try RawPeer.introduced(to: mesh[0].address, as: attacker)
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        raw.send(Self.mutated(corpus.randomElement(using: &generator) ?? [], &generator))
      }
      // Some are changed into others that are allowed; this is not.
      raw.send([0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
      #expect(raw.waitForEnd(), "seed \(seed), round \(round)")
    }
    let name = mesh[0].write([1])
    #expect(mesh[1].vault.wait(for: name))
  }

  private static func mutated(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 0...3, using: &generator) {
      let index = Int.random(in: 0..<bytes.count, using: &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
      case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 2: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
      case 3 where bytes.count > 1: bytes.remove(at: index)
      default: if bytes.count > 4 { bytes[Int.random(in: 0..<5, using: &generator)] = 0xFF }
      }
    }
    return bytes
  }

  @Test(arguments: Frame.Kind.allCases)
  func `a length beyond a type's limit ends the connection before anything of it has come`(
    kind: Frame.Kind
  ) throws {
    let mesh = try Mesh(2)
    let raw =
      try kind == .hello
      ? RawPeer.connect(to: mesh[0].address, as: mesh[1].identity)
      : RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    let count = UInt32(kind.limit + 1)
    raw.send(stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: count >> $0) } + [kind.rawValue])
    #expect(raw.waitForEnd())
  }

  @Test func `frames out of order end the connection`() throws {
    let mesh = try Mesh(2)
    let vault = mesh[0].vault.vault
    let sequences: [[Frame]] = [
      [.hello(try Corpus.hello())], [.updateData([1])], [.updateEnd], [.updateAbort], [.updateResult(Admission())],
      [.current(vault, [:])], [.joined(vault, name: "x")], [.refused(JoinRefusal(.other, ""))],
      [.updateBegin(vault, ["members": .of(.blob, [1])]), .updateBegin(vault, ["members": .of(.blob, [1])])],
    ]
    for frames in sequences {
      let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
      for frame in frames { raw.send(frame) }
      #expect(raw.waitForEnd(), "\(frames.map(\.kind))")
    }
  }

  @Test func `announcing without end is stopped`() throws {
    let mesh = try Mesh(2)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    for number in 0...Session.vaultLimit {
      var bytes = [UInt8](repeating: 5, count: 32)
      (bytes[0], bytes[1]) = (UInt8(number >> 8), UInt8(number & 255))
      raw.send(.announce(VaultID(bytes: bytes), [:]))
    }
    #expect(raw.waitForEnd())
  }

  @Test func `updates of ever new branches are stopped`() throws {
    let mesh = try Mesh(2)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    raw.send(.announce(mesh[0].vault.vault, [:]))
    var generator = SeededGenerator(seed: 3)
    for _ in 0...(Session.tipLimit / 1024) {
      var tips: Tips = [:]
      for _ in 0..<1024 {
        let node = try #require(NodeID(publicKey: generator.bytes(32)))
        tips["nodes/\(node)"] = .of(.blob, [1])
      }
      raw.send(.updateBegin(mesh[0].vault.vault, tips))
      raw.send(.updateAbort)
    }
    #expect(raw.waitForEnd())
  }

  @Test func `who says nothing, in TCP, in TLS or after HELLO, is cut off in time`() throws {
    let mesh = try Mesh(2) { $0.timing.handshake = .milliseconds(300) }
    let bare = try RawPeer.connect(to: mesh[0].address, as: nil)
    let mute = try RawPeer.connect(to: mesh[0].address, as: mesh[1].identity)
    let stranger = try RawPeer.introduced(to: mesh[0].address, as: try Identity())
    #expect(bare.waitForEnd())
    #expect(mute.waitForEnd())
    #expect(stranger.waitForEnd())
  }

  @Test func `a handshake byte by byte does not last longer`() throws {
    let mesh = try Mesh(1) { $0.timing.handshake = .milliseconds(300) }
    let slow = try RawPeer.connect(to: mesh[0].address, as: nil)
    // A TLS record's header that promises more than ever comes, kept alive by a byte now and then.
    let start = ContinuousClock.now
    slow.send([0x16, 0x03, 0x01, 0x40, 0x00])
    while !slow.state.read(\.isClosed), ContinuousClock.now - start < .seconds(20) {
      slow.send([0])
      _ = slow.state.wait(until: .after(.milliseconds(20))) { $0.isClosed ? true : nil }
    }
    #expect(slow.state.read(\.isClosed))
  }

  @Test func `a half-open peer is noticed, a quiet one kept`() throws {
    let mesh = try Mesh(3) { configuration in
      configuration.timing.ping = .milliseconds(100)
      configuration.timing.silence = .milliseconds(600)
    }
    mesh.connect(1, to: 0)
    #expect(mesh[0].waitForPeers(1))
    let quiet = try #require(mesh[0].service.sessions.first)
    // It introduces itself, then neither asks nor answers.
    let dead = try RawPeer.introduced(to: mesh[0].address, as: mesh[2].identity)
    #expect(dead.wait(for: .ready))
    #expect(dead.waitForEnd())
    #expect(dead.kinds.count { $0 == .ping } >= 2)
    #expect(mesh[0].service.sessions.contains { $0 === quiet })
    #expect(quiet.connection.roundTrip != nil)
  }

  @Test func `a flood of connections leaves those that there are working`() throws {
    let mesh = try Mesh(2) { configuration in
      configuration.handshakes = 8
      configuration.handshakesPerAddress = 6
      configuration.connectionsPerAddress = 12
    }
    mesh.connect(1, to: 0)
    #expect(mesh[1].waitForPeers(1))
    let flood = try (0..<200).map { _ in try RawPeer.connect(to: mesh[0].address, as: nil) }
    // All but the six that may wait are closed at once.
    for value in 0..<20 {
      let name = mesh[0].write([UInt8(value)])
      #expect(mesh[1].vault.wait(for: name))
    }
    var open = flood
    while open.count > 6 {
      let closed = open.firstIndex { $0.state.read(\.isClosed) }
      guard let closed else {
        #expect(open[0].waitForEnd(seconds: 5) || open.count <= 6)
        continue
      }
      open.remove(at: closed)
    }
    #expect(open.count == 6)
  }

  @Test func `who asks and does not read costs a bounded amount of memory`() throws {
    let mesh = try Mesh(2)
    // More than the kernel's buffers hold.
    mesh[0].vault.commit([UInt8](repeating: 7, count: 32 << 20), by: mesh[0].node)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    try raw.channel.setOption(.autoRead, value: false).wait()
    for _ in 0..<3 {
      raw.send(.want(mesh[0].vault.vault, [:]))
      for number in 0..<1000 { raw.send(.ping(UInt64(number))) }
    }
    let session = try #require(mesh[0].service.sessions.first)
    let backlog = session.connection.outgoing.wait(until: .after(.seconds(20))) { state in
      state.byteCount > Connection.windowSize ? state.byteCount : nil
    }
    #expect(try #require(backlog) <= Connection.windowSize + Frame.dataLimit + 4096)
  }

  @Test func `what comes faster than it is worked on waits in the network`() throws {
    let mesh = try Mesh(2)
    mesh[0].vault.state.update { $0.isStuck = true }
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    raw.send(.announce(mesh[0].vault.vault, [:]))
    let branch = "nodes/\(mesh[1].node)"
    let payload = [UInt8](repeating: 7, count: 24 << 20)
    let commit = FakeVault.commit(payload, after: nil)
    let pack =
      [UInt8(branch.utf8.count)] + branch.utf8
      + stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: payload.count >> $0) } + payload
    raw.send(.updateBegin(mesh[0].vault.vault, [branch: commit.name]))
    for start in stride(from: 0, to: pack.count, by: Frame.dataLimit) {
      raw.send(.updateData([UInt8](pack[start..<min(start + Frame.dataLimit, pack.count)])))
    }
    let isSent = Watched(false)
    raw.channel.writeAndFlush(Frame.updateEnd.encoded()).whenComplete { _ in isSent.update { $0 = true } }
    let session = try #require(mesh[0].service.sessions.first)
    let queued = session.connection.incoming.wait(until: .after(.seconds(20))) { state in
      state.isPaused ? state.byteCount : nil
    }
    #expect(try #require(queued) <= Connection.inboxHighMark + Frame.dataLimit + 4096)
    // That nothing happens can only be seen by waiting; what the kernel does not hold is still with the sender.
    #expect(isSent.wait(until: .after(.milliseconds(500))) { $0 ? true : nil } == nil)
    mesh[0].vault.state.update { $0.isStuck = false }
    #expect(mesh[0].vault.wait(for: commit.name))
    #expect(raw.wait(for: .updateResult))
  }

  @Test func `a wrong pack is refused in full`() throws {
    let mesh = try Mesh(2)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    raw.send(.announce(mesh[0].vault.vault, [:]))
    raw.send(.updateBegin(mesh[0].vault.vault, ["members": .of(.blob, [1])]))
    raw.send(.updateData([200, 1, 2, 3]))
    raw.send(.updateEnd)
    #expect(raw.wait(for: .updateResult))
    guard case .updateResult(let admission)? = raw.frames.last else { return #expect(Bool(false)) }
    #expect(admission == Admission(refused: ["members": "the update could not be verified"]))
    #expect(mesh[0].vault.state.read(\.branches).isEmpty)
  }
}
