import Glibc
import NIOCore
import Testing
import Vault

@testable import PeerSync

@Suite("Life of a service") struct LifeTests {
  @Test func `peers find each other again after one was away`() throws {
    let mesh = try Mesh(2)
    mesh.connect(0, to: 1)
    #expect(mesh[0].waitForPeers(1))
    mesh[1].service.stop()
    #expect(mesh[0].waitForPeers(0))
    let name = mesh[0].write([1])
    let address = mesh[1].address
    let again = try mesh.add(mesh[1].identity, mesh[1].vault, listens: false)
    try again.service.listen(at: address)
    #expect(mesh[0].waitForPeers(1))
    #expect(again.vault.wait(for: name))
  }

  @Test func `a target that is given up is dialled no more`() throws {
    let mesh = try Mesh(2)
    mesh.connect(0, to: 1)
    #expect(mesh[0].waitForPeers(1))
    mesh[0].service.disconnect(from: PeerTarget(address: mesh[1].address, node: mesh[1].node))
    #expect(mesh[0].waitForPeers(0))
    #expect(mesh[1].waitForPeers(0))
    #expect(mesh[0].service.peers.isEmpty)
  }

  @Test func `what cannot be reached is said, and tried again`() throws {
    let mesh = try Mesh(1)
    let target = PeerTarget(address: try PeerAddress("127.0.0.1:1"))
    mesh[0].service.connect(to: target)
    #expect(throws: PeerSyncError.unreachable(errno: ECONNREFUSED)) {
      try mesh[0].service.synchronize(mesh[0].vault.vault, with: target, timeout: .seconds(20))
    }
    let status = try #require(mesh[0].service.peers.first)
    #expect(status.address == target.address)
    #expect(status.state != .connected)
  }

  @Test func `an address in use is said so, and IPv6 works beside IPv4`() throws {
    let mesh = try Mesh(1)
    #expect(throws: PeerSyncError.cannotListen(mesh[0].address, errno: EADDRINUSE)) {
      try mesh[0].service.listen(at: mesh[0].address)
    }
    let all = try mesh[0].service.listen(at: try PeerAddress("0.0.0.0:0"))
    let six = try mesh[0].service.listen(at: try PeerAddress("[::]:\(all.port)"))
    #expect(six.port == all.port)
    let identity = try Identity()
    mesh[0].vault.state.update { _ = $0.members.insert(identity.node) }
    let peer = try mesh.add(identity, FakeVault(members: [mesh[0].node]), listens: false)
    let target = PeerTarget(address: try PeerAddress("[::1]:\(all.port)"), node: mesh[0].node)
    _ = try peer.service.synchronize(peer.vault.vault, with: target, timeout: .seconds(20))
    #expect(peer.service.peers.first?.address?.host == "::1")
  }

  @Test func `nothing is left after stop`() async {
    await #expect(processExitsWith: .success) {
      // Once, for what the libraries keep.
      try Self.exercise()
      let before = (Self.entries("/proc/self/task"), Self.entries("/proc/self/fd"))
      for _ in 0..<3 { try Self.exercise() }
      let after = (Self.entries("/proc/self/task"), Self.entries("/proc/self/fd"))
      guard after.1 == before.1, !Self.names().contains(where: { $0.hasPrefix("pk-") || $0.hasPrefix("NIO-ELT") })
      else {
        print("threads \(before.0) → \(after.0): \(Self.names()), descriptors \(before.1) → \(after.1)")
        exit(1)
      }
    }
  }

  /// Two services that exchange, wait, listen and dial in vain, then are stopped.
  private static func exercise() throws {
    let mesh = try Mesh(2)
    mesh.connect(0, to: 1)
    guard mesh[0].waitForPeers(1) else { exit(2) }
    let name = mesh[0].write([1])
    guard mesh[1].vault.wait(for: name) else { exit(3) }
    mesh[0].service.connect(to: PeerTarget(address: try PeerAddress("127.0.0.1:1")))
    let mute = try RawPeer.connect(to: mesh[0].address, as: nil)
    for peer in mesh.peers { peer.service.stop() }
    guard mute.waitForEnd() else { exit(4) }
    try mute.channel.closeFuture.wait()
  }

  private static func entries(_ directory: String) -> Int { list(directory).count }

  private static func names() -> [String] {
    list("/proc/self/task").map { task in
      let file = unsafe open("/proc/self/task/\(task)/comm", O_RDONLY)
      defer { close(file) }
      var buffer = [UInt8](repeating: 0, count: 32)
      let count = unsafe read(file, &buffer, 32)
      return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
  }

  private static func list(_ path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }
}
