import GitStore
import NIOCore
import TestSupport
import Testing
import Vault

@testable import PeerSync

/// Peers that take up room and give nothing.
@Suite("Floods and stalls", .serialized) struct FloodTests {
  enum Bound: CaseIterable {
    case connections, connectionsPerAddress, handshakes, handshakesPerAddress

    func set(_ configuration: inout PeerConfiguration) {
      configuration.connections = self == .connections ? 4 : 100
      configuration.connectionsPerAddress = self == .connectionsPerAddress ? 4 : 100
      configuration.handshakes = self == .handshakes ? 4 : 100
      configuration.handshakesPerAddress = self == .handshakesPerAddress ? 4 : 100
    }
  }

  @Test(arguments: Bound.allCases)
  func `of many connections only so many are kept, by each of the bounds alone`(bound: Bound) throws {
    let mesh = try Mesh(1) { configuration in
      bound.set(&configuration)
      // Else all are closed for that in the end.
      configuration.timing.handshake = .seconds(100)
    }
    var open = try (0..<20).map { _ in try RawPeer.connect(to: mesh[0].address, as: nil) }
    let deadline = ContinuousClock.now + .seconds(10)
    while open.count > 4, ContinuousClock.now < deadline {
      _ = open[0].state.wait(until: .after(.milliseconds(50))) { $0.isClosed ? true : nil }
      open.removeAll { $0.state.read(\.isClosed) }
    }
    #expect(open.count == 4)
  }

  @Test func `wrong tokens are counted in all, too`() throws {
    let mesh = try Mesh(1) { configuration in
      configuration.wrongTokens = 3
      configuration.wrongTokensPerAddress = 100
    }
    mesh[0].service.setJoinHandler { _, _ in .refused(JoinRefusal(.unknownToken, "No such invitation.")) }
    var codes: [JoinRefusal.Code] = []
    for _ in 0..<4 {
      let raw = try RawPeer.introduced(to: mesh[0].address, as: try Identity())
      raw.send(.join(JoinRequest(token: [UInt8](1...16), recipient: "age1x", label: "x", addresses: [])))
      #expect(raw.wait(for: .refused))
      if case .refused(let refusal)? = raw.frames.last { codes.append(refusal.code) }
    }
    #expect(codes == [.unknownToken, .unknownToken, .unknownToken, .tooManyAttempts])
  }

  @Test func `who announces and never sends holds nobody up for long`() throws {
    let mesh = try Mesh(3) { $0.timing.stall = .milliseconds(300) }
    let tip = mesh[1].vault.commit([1], by: mesh[1].node)
    let vault = mesh[0].vault.vault
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[2].identity)
    #expect(raw.wait(for: .ready))
    raw.send(.announce(vault, ["nodes/\(mesh[1].node)": tip]))
    #expect(raw.wait(for: .want))
    // It is asked, and says that something begins, and no more.
    raw.send(.updateBegin(vault, ["nodes/\(mesh[1].node)": tip]))
    mesh.connect(1, to: 0)
    #expect(mesh[0].vault.wait(for: tip, seconds: 10))
    #expect(!raw.state.read(\.isClosed))
  }

  @Test func `who asks and does not read the answers is cut off`() throws {
    let mesh = try Mesh(2) { configuration in
      configuration.wrongTokens = .max
      configuration.wrongTokensPerAddress = .max
    }
    mesh[0].service.setJoinHandler { _, _ in .refused(JoinRefusal(.other, String(repeating: "x", count: 500))) }
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    try raw.channel.setOption(.autoRead, value: false).wait()
    // Each is refused in 500 bytes.
    let join = Frame.join(JoinRequest(token: [UInt8](1...16), recipient: "age1x", label: "", addresses: []))
    let some = [[UInt8]](repeating: [UInt8](join.encoded().readableBytesView), count: 10_000).flatMap(\.self)
    for _ in 0..<10 { raw.send(some) }
    #expect(mesh[0].waitForPeers(0))
  }

  @Test func `who pings and does not read gets no answers to pile up`() throws {
    let mesh = try Mesh(2)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    let session = try #require(mesh[0].service.sessions.first)
    try raw.channel.setOption(.autoRead, value: false).wait()
    let pings = [[UInt8]](
      repeating: [UInt8](Frame.ping(1).encoded().readableBytesView), count: 100_000
    ).flatMap(\.self)
    for _ in 0..<12 { try raw.channel.writeAndFlush(ByteBuffer(bytes: pings)).wait() }
    // All but what the kernel holds has been read by now.
    let waiting = try session.connection.channel.getOption(.bufferedWritableBytes).wait()
    #expect(waiting < 1 << 20)
  }

  @Test func `a dialler that says that it accepted is cut off`() throws {
    let mesh = try Mesh(2)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity, dial: 0)
    #expect(raw.waitForEnd())
    #expect(mesh[0].service.sessions.isEmpty)
  }
}
