import GitStore
import NIOCore
import Synchronization
import TestSupport
import Testing
import Vault

@testable import PeerSync

/// A member that announces what it never gives keeps nobody from what others have.
@Suite("Holding up news", .serialized) struct HoldUpTests {
  /// A member, in a test's hands, that is asked for a tip that it has invented and has begun to answer.
  private func hostile(_ mesh: Mesh, of branch: String) throws -> RawPeer {
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[2].identity)
    #expect(raw.wait(for: .ready))
    let tips: Tips = [branch: .of(.blob, [99])]
    raw.send(.announce(mesh[0].vault.vault, tips))
    #expect(raw.wait(for: .want))
    raw.send(.updateBegin(mesh[0].vault.vault, tips))
    return raw
  }

  /// Sends a byte, or more, each few milliseconds, until `condition` holds; false if that takes more than 20 seconds.
  private func trickle(_ raw: RawPeer, _ count: Int = 1, until condition: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + .seconds(20)
    while !condition() {
      if ContinuousClock.now > deadline { return false }
      raw.send(.updateData([UInt8](repeating: 0, count: count)))
      _ = raw.state.wait(until: .after(.milliseconds(20))) { $0.isClosed ? true : nil }
    }
    return true
  }

  @Test(arguments: ["nodes/", "members"])
  func `news of the members comes in spite of a fetch that never ends`(branch: String) throws {
    // Neither silence nor slowness nor time ends the hostile fetch here.
    let mesh = try Mesh(3) { configuration in
      configuration.timing.stall = .seconds(1000)
      configuration.timing.pace = .seconds(1000)
      configuration.timing.fetch = .seconds(1000)
      configuration.timing.hedge = .milliseconds(200)
    }
    let news = mesh[1].vault.commit([1], to: "members")
    let data = mesh[1].vault.commit([2], by: mesh[1].node)
    let raw = try hostile(mesh, of: branch == "members" ? branch : "\(branch)\(mesh[2].node)")
    mesh.connect(1, to: 0)
    #expect(trickle(raw) { mesh[0].vault.has(news) })
    #expect(!raw.state.read(\.isClosed))
    // The rest waits for its turn, and that is told.
    #expect(!mesh[0].vault.has(data))
    func waits() -> [PeerStatus.Wait?] { mesh[0].service.peers.flatMap(\.vaults).map(\.wait) }
    #expect(trickle(raw) { waits().contains(.turn(after: mesh[2].node)) })
    #expect(waits().contains { if case .answer? = $0 { true } else { false } })
    // When it ends, the others are asked.
    raw.send(.updateAbort)
    raw.send(.current(mesh[0].vault.vault, [:]))
    #expect(mesh[0].vault.wait(for: data))
  }

  @Test func `every announcer of news of the members is asked, however many of them say nothing`() throws {
    let mesh = try Mesh(3) { configuration in
      configuration.timing.stall = .seconds(1000)
      configuration.timing.hedge = .milliseconds(100)
    }
    let news = mesh[1].vault.commit([1], to: "members")
    var mute: [RawPeer] = []
    for number in 0..<3 {
      let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[2].identity)
      #expect(raw.wait(for: .ready))
      raw.send(.announce(mesh[0].vault.vault, ["members": .of(.blob, [UInt8(number + 90)])]))
      // The first is asked for all, the others for what is of the members.
      #expect(raw.wait(for: number == 0 ? .want : .wantMembers))
      mute.append(raw)
    }
    mesh.connect(1, to: 0)
    #expect(mesh[0].vault.wait(for: news))
  }

  enum Way: CaseIterable { case slow, fast }

  @Test(arguments: Way.allCases)
  func `data that others have comes in spite of a fetch that never ends`(way: Way) throws {
    let mesh = try Mesh(3) { configuration in
      configuration.timing.stall = .seconds(1000)
      configuration.timing.pace = way == .slow ? .milliseconds(300) : .seconds(1000)
      configuration.timing.fetch = way == .fast ? .milliseconds(300) : .seconds(1000)
    }
    let name = mesh[1].vault.commit([1], by: mesh[1].node)
    let raw = try hostile(mesh, of: "nodes/\(mesh[2].node)")
    mesh.connect(1, to: 0)
    #expect(trickle(raw, way == .slow ? 1 : 10_000) { mesh[0].vault.has(name) })
    #expect(!raw.state.read(\.isClosed))
  }

  @Test func `an exchange with all peers gets what one has in spite of another that never ends, and ends`() throws {
    let mesh = try Mesh(3) { configuration in
      configuration.timing.pace = .milliseconds(300)
      configuration.timing.fetch = .milliseconds(900)
    }
    let name = mesh[1].vault.commit([1], by: mesh[1].node)
    let raw = try hostile(mesh, of: "nodes/\(mesh[2].node)")
    let targets = [2, 1].map { PeerTarget(address: mesh[$0].address, node: mesh[$0].node) }
    let outcomes = Mutex<[NodeID: Result<SyncReport, PeerSyncError>]>([:])
    mesh[0].service.synchronize(mesh[0].vault.vault, with: targets, timeout: .seconds(1000)) { target, result in
      guard let node = target.node else { return }
      outcomes.withLock { $0[node] = result }
    }
    #expect(mesh[0].vault.has(name))
    #expect(outcomes.withLock { $0[mesh[2].node] } == .failure(.timedOut))
    #expect(!raw.state.read(\.isClosed))
    guard case .success? = outcomes.withLock({ $0[mesh[1].node] }) else { return #expect(Bool(false)) }
  }

  @Test func `news of the members overtakes a long update of the same peer`() throws {
    let mesh = try Mesh(2)
    mesh[0].vault.state.update { $0.pieceSize = 64 << 10 }
    let name = mesh[0].vault.commit(blob(48 << 20), by: mesh[0].node)
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    // It takes a little of what it asks for, and stops.
    raw.send(.announce(mesh[0].vault.vault, [:]))
    raw.send(.want(mesh[0].vault.vault, [:]))
    #expect(raw.wait(for: .updateBegin))
    try raw.channel.setOption(.autoRead, value: false).wait()
    let news = mesh[0].vault.commit([2], to: "members")
    mesh[0].service.vaultChanged(mesh[0].vault.vault)
    let session = try #require(mesh[0].service.sessions.first)
    #expect(session.state.wait(until: .after(.seconds(20))) { $0.jobs.changed.isEmpty ? nil : true } == true)
    try raw.channel.setOption(.autoRead, value: true).wait()
    // Well before its end.
    #expect(raw.wait(for: .updateAbort))
    #expect(raw.wait(for: .updateBegin, count: 2))
    let begun = raw.frames.compactMap { if case .updateBegin(_, let tips) = $0 { tips } else { nil } }
    #expect(begun.last?["members"] == news && begun.first?.values.contains(name) == true)
    #expect(!raw.kinds.contains(.updateEnd) || begun.count > 1)
  }

  @Test func `a writer hears of a removal, and writes nothing more for who was removed`() throws {
    let owner = try VaultPeer()
    let writer = try VaultPeer { configuration in
      configuration.timing.stall = .seconds(1000)
      configuration.timing.pace = .seconds(1000)
      configuration.timing.fetch = .seconds(1000)
    }
    let (reader, replica) = (try Identity(), try Identity())
    let vault = try owner.found()
    try owner.write("a")
    let held = try writer.join(owner)
    try vault.admit(reader.node, as: .reader, recipient: reader.recipient)
    try vault.admit(replica.node, as: .replica, recipient: replica.recipient)
    owner.service.vaultChanged(vault.id)
    #expect(writer.wait { held.membership.members[replica.node] != nil })
    for session in owner.service.sessions { session.connection.close(.closed) }
    #expect(writer.wait { writer.service.sessions.isEmpty })
    // The replica keeps it waiting for a version of the owner's that does not exist.
    let raw = try RawPeer.introduced(to: writer.address, as: replica)
    #expect(raw.wait(for: .ready))
    let tips: Tips = ["nodes/\(owner.node)": .of(.blob, [99])]
    raw.send(.announce(vault.id, tips))
    #expect(raw.wait(for: .want))
    raw.send(.updateBegin(vault.id, tips))
    raw.send(.updateData([UInt8]("PACK".utf8) + [0, 0, 0, 2, 0, 0, 0, 1, 0x91, 0x80]))
    try vault.remove(reader.node)
    writer.service.connect(to: owner.target)
    #expect(trickle(raw) { held.membership.members[reader.node] == nil })
    #expect(!raw.state.read(\.isClosed))
    #expect(held.membership.epoch == 2)
  }

  @Test func `what is of the members is answered alone`() throws {
    let mesh = try Mesh(2)
    let news = mesh[0].vault.commit([1], to: "members")
    mesh[0].vault.commit([2], by: mesh[0].node)
    let vault = mesh[0].vault.vault
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    raw.send(.wantMembers(vault, [:]))
    #expect(raw.wait(for: .updateEnd))
    raw.send(.updateResult(Admission(moved: ["members": news])))
    #expect(raw.wait(for: .current))
    let updates = raw.frames.compactMap { if case .updateBegin(_, let tips) = $0 { tips } else { nil } }
    #expect(updates == [["members": news]])
    // To who has them nothing is sent, and of a vault that is not its own nobody learns anything.
    raw.send(.wantMembers(vault, ["members": news]))
    raw.send(.wantMembers(VaultID(bytes: [UInt8](repeating: 8, count: 32)), [:]))
    #expect(raw.wait(for: .current, count: 3))
    #expect(raw.kinds.count { $0 == .updateBegin } == 1)
    #expect(raw.frames.contains(.current(VaultID(bytes: [UInt8](repeating: 8, count: 32)), [:])))
  }
}
