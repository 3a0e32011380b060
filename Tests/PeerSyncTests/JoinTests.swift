import Testing
import Vault

@testable import PeerSync

@Suite("Joining") struct JoinTests {
  private static let token = [UInt8](1...16)

  /// An inviter whose invitation with `token` admits once.
  private func inviter() throws -> Mesh {
    let mesh = try Mesh(1)
    let vault = mesh[0].vault
    let used = Watched(false)
    mesh[0].service.setJoinHandler { request, node in
      guard request.token == Self.token else { return .refused(JoinRefusal(.unknownToken, "No such invitation.")) }
      let isFirst = used.update { used in
        defer { used = true }
        return !used
      }
      guard isFirst else { return .refused(JoinRefusal(.used, "Somebody joined with it.")) }
      vault.state.update { _ = $0.members.insert(node) }
      return .joined(vault.vault, name: "default")
    }
    return mesh
  }

  private func request(_ token: [UInt8] = token) -> JoinRequest {
    JoinRequest(token: token, recipient: "age1test", label: "laptop", addresses: [])
  }

  private func joiner(_ mesh: Mesh) throws -> Mesh.Peer {
    try mesh.add(try Identity(), FakeVault(members: [mesh[0].node]), listens: false, sharing: false)
  }

  @Test func `a token admits, and the vault comes on the same connection`() throws {
    let mesh = try inviter()
    let name = mesh[0].vault.commit([1], by: mesh[0].node)
    let joiner = try joiner(mesh)
    let answer = try joiner.service.join(request(), at: [mesh[0].address], expecting: mesh[0].node)
    #expect(answer == .joined(mesh[0].vault.vault, name: "default"))
    joiner.service.add(joiner.vault)
    #expect(joiner.vault.wait(for: name))
    #expect(mesh[0].service.sessions.count == 1)
    // And it is a peer like any other.
    let next = joiner.write([2])
    #expect(mesh[0].vault.wait(for: next))
  }

  @Test func `a token serves once; others and none are refused`() throws {
    let mesh = try inviter()
    let (first, second) = (try joiner(mesh), try joiner(mesh))
    guard case .joined = try first.service.join(request(), at: [mesh[0].address], expecting: mesh[0].node) else {
      return #expect(Bool(false))
    }
    let again = try second.service.join(request(), at: [mesh[0].address], expecting: mesh[0].node)
    #expect(again == .refused(JoinRefusal(.used, "Somebody joined with it.")))
    let wrong = try second.service.join(
      request([UInt8](2...17)), at: [mesh[0].address], expecting: mesh[0].node)
    #expect(wrong == .refused(JoinRefusal(.unknownToken, "No such invitation.")))
    mesh[0].service.setJoinHandler(nil)
    let none = try second.service.join(request(), at: [mesh[0].address], expecting: mesh[0].node)
    #expect(none == .refused(JoinRefusal(.unknownToken, "There is no such invitation.")))
    #expect(second.service.sessions.isEmpty)
  }

  @Test func `who is refused is cut off, whatever it says next`() throws {
    let mesh = try inviter()
    let raw = try RawPeer.introduced(to: mesh[0].address, as: try Identity())
    raw.send(.join(request([UInt8](2...17))))
    raw.send(.announce(mesh[0].vault.vault, [:]))
    #expect(raw.waitForEnd())
    #expect(raw.kinds == [.hello, .refused])
  }

  @Test func `after five wrong tokens no more are looked at`() throws {
    let mesh = try inviter()
    let joiner = try joiner(mesh)
    for value in 0..<5 {
      _ = try joiner.service.join(
        request([UInt8](repeating: UInt8(value), count: 16)), at: [mesh[0].address], expecting: mesh[0].node)
    }
    let right = try joiner.service.join(request(), at: [mesh[0].address], expecting: mesh[0].node)
    guard case .refused(let refusal) = right else { return #expect(Bool(false)) }
    #expect(refusal.code == .tooManyAttempts)
  }

  @Test func `a joiner talks to no other node, and tries the addresses in turn`() throws {
    let mesh = try inviter()
    let other = try inviter()
    let joiner = try joiner(mesh)
    #expect(throws: PeerSyncError.wrongNode(other[0].node)) {
      try joiner.service.join(request(), at: [other[0].address], expecting: mesh[0].node)
    }
    let closed = try PeerAddress("127.0.0.1:1")
    let answer = try joiner.service.join(
      request(), at: [closed, other[0].address, mesh[0].address], expecting: mesh[0].node)
    #expect(answer == .joined(mesh[0].vault.vault, name: "default"))
  }

  @Test func `a member joins another vault over the connection that it has`() throws {
    let mesh = try inviter()
    let identity = try Identity()
    mesh[0].vault.state.update { _ = $0.members.insert(identity.node) }
    let raw = try RawPeer.introduced(to: mesh[0].address, as: identity)
    #expect(raw.wait(for: .ready))
    raw.send(.join(request()))
    #expect(raw.wait(for: .joined))
  }
}
