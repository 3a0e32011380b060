import GitStore
import NIOCore
import NIOPosix
import TestSupport
import Testing
import Vault

@testable import PeerSync

/// Who is not who they should be learns nothing and gets nowhere.
@Suite("Strangers") struct StrangerTests {
  @Test func `another node at the address is refused`() throws {
    let mesh = try Mesh(2)
    let expected = try Identity().node
    let target = PeerTarget(address: mesh[1].address, node: expected)
    mesh[0].vault.state.update { _ = $0.members.insert(expected) }
    #expect(throws: PeerSyncError.wrongNode(mesh[1].node)) {
      try mesh[0].service.synchronize(mesh[0].vault.vault, with: target, timeout: .seconds(20))
    }
    #expect(mesh[1].vault.state.read(\.questions) == 0)
  }

  @Test func `a man in the middle is refused by both sides' keys`() throws {
    // A proxy that ends TLS with a certificate of its own and dials on as itself.
    let mesh = try Mesh(2)
    let proxy = try Identity()
    let middle = try RelayingProxy(to: mesh[1].address, as: proxy)
    defer { middle.stop() }
    let target = PeerTarget(address: middle.address, node: mesh[1].node)
    #expect(throws: PeerSyncError.wrongNode(proxy.node)) {
      try mesh[0].service.synchronize(mesh[0].vault.vault, with: target, timeout: .seconds(20))
    }
    // And if the dialler would have anybody: a stranger, who is not even greeted.
    #expect(throws: PeerSyncError.stranger) {
      try mesh[0].service.synchronize(
        mesh[0].vault.vault, with: PeerTarget(address: middle.address), timeout: .seconds(20))
    }
    #expect(middle.plaintext.isEmpty)
  }

  @Test func `a stranger is cut off and told nothing`() throws {
    let mesh = try Mesh(1) { $0.program = "polykey secret-version" }
    let stranger = try RawPeer.introduced(to: mesh[0].address, as: try Identity())
    stranger.send(.announce(mesh[0].vault.vault, [:]))
    #expect(stranger.waitForEnd())
    #expect(stranger.kinds == [.hello])
    guard case .hello(let hello)? = stranger.frames.first else { return #expect(Bool(false)) }
    #expect(hello.program.isEmpty)
    #expect(hello.addresses.isEmpty)
    #expect(mesh[0].service.sessions.isEmpty)
  }

  @Test func `a member of one vault never hears of another`() throws {
    let mesh = try Mesh(2)
    let secret = FakeVault(2, members: [mesh[0].node])
    secret.commit([1], by: mesh[0].node)
    mesh[0].service.add(secret)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    // Neither by asking, nor by announcing, nor by an update, nor when it changes.
    raw.send(.announce(secret.vault, [:]))
    raw.send(.want(secret.vault, [:]))
    #expect(raw.wait(for: .current))
    raw.send(.updateBegin(secret.vault, ["members": .of(.blob, [1])]))
    raw.send(.updateData([1]))
    raw.send(.updateEnd)
    #expect(raw.wait(for: .updateResult))
    secret.commit([2], by: mesh[0].node)
    mesh[0].service.vaultChanged(secret.vault)
    mesh[0].write([3])
    mesh[0].service.vaultChanged(mesh[0].vault.vault)
    #expect(raw.wait(for: .announce, count: 2))
    for frame in raw.frames {
      switch frame {
      case .announce(let vault, _), .want(let vault, _), .updateBegin(let vault, _): #expect(vault != secret.vault)
      case .current(let vault, let tips): #expect(vault == secret.vault && tips.isEmpty)
      case .updateResult(let admission): #expect(admission.refused == ["members": "not exchanged with you"])
      default: break
      }
    }
    #expect(secret.state.read(\.updates) == 0)
  }

  @Test func `who is removed hears no more, and is cut off`() throws {
    let mesh = try Mesh(2)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    mesh[0].vault.state.update { $0.members.remove(mesh[1].node) }
    mesh[0].write([1])
    #expect(raw.waitForEnd())
    #expect(!raw.kinds.contains(.updateBegin))
    #expect(raw.kinds.count { $0 == .announce } == 1)
  }

  @Test func `a connection to ourselves is noticed`() throws {
    let mesh = try Mesh(1)
    #expect(throws: PeerSyncError.ourselves) {
      try mesh[0].service.synchronize(
        mesh[0].vault.vault, with: PeerTarget(address: mesh[0].address), timeout: .seconds(20))
    }
  }

  @Test func `crossing connections become one`() throws {
    let mesh = try Mesh(2)
    mesh.connect(0, to: 1)
    mesh.connect(1, to: 0)
    #expect(mesh.peers.allSatisfy { $0.waitForPeers(1) })
    for value in 0..<20 {
      let name = mesh[value % 2].write([UInt8(value)])
      #expect(mesh[1 - value % 2].vault.wait(for: name))
    }
    #expect(mesh.peers.allSatisfy { $0.waitForPeers(1) })
    let lower = mesh.peers.min { $0.node < $1.node }
    #expect(try #require(lower).wait { _ in lower?.service.peers.first?.isDialled == true })
    #expect(mesh.peers.allSatisfy { $0.service.peers.count == 1 })
  }
}

/// Ends TLS as `identity`, and passes on what is inside to `target`.
private final class RelayingProxy: Sendable {
  let address: PeerAddress
  private let channel: any Channel
  private let seen: Watched<[UInt8]>

  var plaintext: [UInt8] { seen.read { $0 } }

  init(to target: PeerAddress, as identity: Identity) throws {
    let seen = Watched<[UInt8]>([])
    let tls = try TLS(identity: identity)
    channel = try ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([tls.acceptor(TLS.Peer()), Listener(seen)])
        }
      }
      .bind(host: "127.0.0.1", port: 0).wait()
    address = try PeerAddress(host: "127.0.0.1", port: UInt16(channel.localAddress?.port ?? 0))
    self.seen = seen
  }

  func stop() { channel.close(promise: nil) }

  private final class Listener: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let seen: Watched<[UInt8]>
    init(_ seen: Watched<[UInt8]>) { self.seen = seen }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let bytes = [UInt8](unwrapInboundIn(data).readableBytesView)
      seen.update { $0 += bytes }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
