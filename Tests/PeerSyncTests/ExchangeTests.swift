import GitStore
import TestSupport
import Testing
import Vault

@testable import PeerSync

@Suite("Exchange") struct ExchangeTests {
  @Test func `two peers get what the other had before they met`() throws {
    let mesh = try Mesh(2)
    let a = mesh[0].vault.commit([1], by: mesh[0].node)
    let b = mesh[1].vault.commit([2], by: mesh[1].node)
    mesh.connect(0, to: 1)
    #expect(mesh[0].vault.wait(for: b))
    #expect(mesh[1].vault.wait(for: a))
    #expect(mesh[0].vault.state.read(\.superfluous) == 0)
  }

  @Test func `a change is at the peer at once, both ways`() throws {
    let mesh = try Mesh(2)
    try mesh.connectAll()
    var times: [Duration] = []
    for round in 0..<200 {
      let (from, to) = round.isMultiple(of: 2) ? (mesh[0], mesh[1]) : (mesh[1], mesh[0])
      let start = ContinuousClock.now
      let name = from.write([UInt8(round)])
      #expect(to.vault.wait(for: name))
      times.append(ContinuousClock.now - start)
    }
    times.sort()
    print("latency of 200 changes: p50 \(times[100]), p99 \(times[197]), max \(times[199])")
    #expect(times[100] < .milliseconds(100))
    for peer in mesh.peers { #expect(peer.vault.state.read(\.superfluous) == 0) }
  }

  @Test func `five peers, fully connected: each change reaches each once`() throws {
    let mesh = try Mesh(5)
    try mesh.connectAll()
    for round in 0..<20 {
      let name = mesh[round % 5].write([UInt8(round)])
      for peer in mesh.peers { #expect(peer.vault.wait(for: name)) }
    }
    let received = mesh.peers.map { $0.vault.state.read(\.received) }
    let superfluous = mesh.peers.map { $0.vault.state.read(\.superfluous) }
    print("20 changes to 4 others each: \(received) commits came, \(superfluous) of them superfluous")
    #expect(superfluous.reduce(0, +) <= 4)
  }

  @Test func `a chain of five passes changes on`() throws {
    let mesh = try Mesh(5)
    for index in 1..<5 { mesh.connect(index, to: index - 1) }
    #expect(mesh[2].waitForPeers(2))
    let first = mesh[0].write([1])
    let last = mesh[4].write([2])
    for peer in mesh.peers {
      #expect(peer.vault.wait(for: first))
      #expect(peer.vault.wait(for: last))
    }
  }

  @Test(arguments: [true, false])
  func `who comes late fetches from one peer only, the author or another`(isAuthorThere: Bool) throws {
    let mesh = try Mesh(4)
    let author = try isAuthorThere ? mesh[0].node : Identity().node
    for peer in mesh.peers.dropLast() {
      for value in 0..<10 { _ = peer.vault.commit([UInt8(value)], by: author) }
    }
    // So that all three have announced it before one has answered.
    mesh[3].vault.state.update { $0.isStuck = true }
    let tip = try #require(mesh[0].vault.tips().values.first)
    for other in 0..<3 { mesh.connect(3, to: other) }
    #expect(mesh[3].waitForPeers(3))
    for session in mesh[3].service.sessions {
      #expect(session.state.wait(until: .after(.seconds(20))) { $0.isPeerReady ? true : nil } == true)
    }
    mesh[3].vault.state.update { $0.isStuck = false }
    #expect(mesh[3].vault.wait(for: tip))
    #expect(mesh.settled(mesh[3]))
    #expect(mesh[3].vault.state.read(\.received) == 10)
    #expect(mesh[3].vault.state.read(\.updates) == 1)
  }

  @Test func `large updates cross each other without a deadlock, in bounded memory`() throws {
    let mesh = try Mesh(2)
    let a = mesh[0].vault.commit([UInt8](repeating: 7, count: 16 << 20), by: mesh[0].node)
    let b = mesh[1].vault.commit([UInt8](repeating: 9, count: 16 << 20), by: mesh[1].node)
    mesh.connect(0, to: 1)
    #expect(mesh[0].vault.wait(for: b, seconds: 60))
    #expect(mesh[1].vault.wait(for: a, seconds: 60))
    let steps = mesh[0].log.read { $0.progress.filter(\.isOutgoing) }
    #expect(steps.count > 64)
    #expect(mesh[0].wait { $0.progress.contains { $0.isOutgoing && $0.isComplete } })
  }

  @Test func `changes during an update are coalesced`() throws {
    let mesh = try Mesh(2)
    try mesh.connectAll()
    var last = ObjectName.zero
    for value in 0..<200 { last = mesh[0].write([UInt8(value), 1]) }
    #expect(mesh[1].vault.wait(for: last))
    #expect(mesh[1].vault.state.read(\.updates) < 200)
    #expect(mesh[1].vault.state.read(\.superfluous) == 0)
  }

  @Test func `two installations with one identity exchange`() throws {
    let identity = try Identity()
    let mesh = try Mesh(0)
    let writer = try Identity().node
    for _ in 0..<3 { try mesh.add(identity, FakeVault(members: [identity.node])) }
    for index in 1..<3 { mesh.connect(index, to: 0) }
    #expect(mesh[0].waitForPeers(2))
    let name = mesh[1].vault.commit([1], by: writer)
    mesh[1].service.vaultChanged(mesh[1].vault.vault)
    for peer in mesh.peers { #expect(peer.vault.wait(for: name)) }
  }

  @Test func `what a peer refuses is reported and not sent again`() throws {
    let mesh = try Mesh(2)
    try mesh.connectAll()
    let branch = "nodes/\(mesh[0].node.text)"
    mesh[1].vault.state.update { _ = $0.refuses.insert(branch) }
    mesh[0].write([1])
    let session = try #require(mesh[0].service.sessions.first)
    let isRefused = session.state.wait(until: .after(.seconds(20))) { $0.lastError != nil ? true : nil }
    #expect(isRefused == true)
    let status = try #require(mesh[0].service.peers.first)
    #expect(status.refusal == "the peer refused \(branch): not to be had")
    #expect(status.vaults.first?.report.refusedByPeer == [branch: "not to be had"])
    #expect(status.vaults.first?.branchesWaiting == 1)
    #expect(mesh[1].service.peers.first?.refusal == "refused \(branch): not to be had")
    mesh[0].service.vaultChanged(mesh[0].vault.vault)
    mesh[1].vault.state.update { $0.refuses = [] }
    let next = mesh[0].write([2])
    #expect(mesh[1].vault.wait(for: next))
    #expect(mesh[1].vault.state.read(\.updates) == 2)
  }

  @Test func `a vault that is added later is exchanged on the living connection`() throws {
    let mesh = try Mesh(2)
    try mesh.connectAll()
    let members = Set(mesh.peers.map(\.node))
    let (mine, theirs) = (FakeVault(2, members: members), FakeVault(2, members: members))
    let name = mine.commit([1], by: mesh[0].node)
    mesh[0].service.add(mine)
    mesh[1].service.add(theirs)
    #expect(theirs.wait(for: name))
  }

  @Test func `status says who, where, since when and how fast`() throws {
    let mesh = try Mesh(2) { $0.program = "polykey test" }
    try mesh.connectAll()
    let status = try #require(mesh[1].service.peers.first)
    #expect(status.node == mesh[0].node)
    #expect(status.address == mesh[0].address)
    #expect(status.isDialled)
    #expect(status.state == .connected)
    #expect(status.program == "polykey test")
    #expect(status.since > 1_600_000_000)
    #expect(status.vaults.map(\.branchesWaiting) == [0])
    #expect(mesh[0].log.read { $0.learned[mesh[1].node] } == [mesh[1].address])
  }

  @Test(arguments: [PeerConfiguration.Direction.both, .push, .pull])
  func `one synchronisation, both ways or one`(direction: PeerConfiguration.Direction) throws {
    let mesh = try Mesh(1)
    let identity = try Identity()
    mesh[0].vault.state.update { _ = $0.members.insert(identity.node) }
    let vault = FakeVault(members: [mesh[0].node, identity.node])
    let mine = vault.commit([1], by: identity.node)
    let theirs = mesh[0].vault.commit([2], by: mesh[0].node)
    let once = try mesh.add(identity, vault, listens: false) { $0.direction = direction }
    let target = PeerTarget(address: mesh[0].address, node: mesh[0].node)
    let report = try once.service.synchronize(vault.vault, with: target, timeout: .seconds(20))
    once.service.stop()
    #expect(mesh[0].vault.has(mine) == (direction != .pull))
    #expect(vault.has(theirs) == (direction != .push))
    #expect(report.sent.isEmpty == (direction == .pull))
    #expect(report.received.isEmpty == (direction == .push))
  }

  @Test func `a vault that the peer does not share is said so`() throws {
    let mesh = try Mesh(2)
    let other = FakeVault(2, members: [mesh[1].node])
    mesh[0].service.add(other)
    let target = PeerTarget(address: mesh[1].address, node: mesh[1].node)
    #expect(throws: PeerSyncError.vaultNotShared) {
      try mesh[0].service.synchronize(other.vault, with: target, timeout: .seconds(20))
    }
  }
}
