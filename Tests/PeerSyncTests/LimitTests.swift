import GitStore
import NIOCore
import Synchronization
import TestSupport
import Testing
import Vault

@testable import PeerSync

/// Who gets a place where there are few: members before strangers, and all nodes before one.
@Suite("Places for connections") struct LimitTests {
  /// A connection that is there until its place is taken away.
  private final class Guest: Sendable {
    let place: ConnectionLimits.Place
    private let isClosed = Atomic(false)
    var isOpen: Bool { !isClosed.load(ordering: .relaxed) }

    init(_ place: ConnectionLimits.Place) {
      self.place = place
      place.onEviction { [weak self] in self?.isClosed.store(true, ordering: .relaxed) }
    }
  }

  private let clock = StandingClock()
  private let limits: ConnectionLimits
  private let configuration = PeerConfiguration()

  init() { limits = ConnectionLimits(PeerConfiguration()) { [clock] in clock.now } }

  private func come(_ address: String) throws -> Guest? {
    limits.admit(try SocketAddress(ipAddress: address, port: 1)).map { Guest($0) }
  }

  /// So many of these that came in.
  private func crowd(_ count: Int, _ address: (Int) -> String) throws -> [Guest] {
    try (0..<count).compactMap { try come(address($0)) }
  }

  @Test func `strangers from five addresses keep no member out`() throws {
    let strangers = try crowd(100) { "192.0.2.\($0 % 5)" }
    #expect(strangers.count == configuration.handshakes)
    // Who has just come gets its time.
    #expect(try come("198.51.100.1") == nil)
    clock.advance(milliseconds: 1000)
    let member = try #require(try come("198.51.100.1"))
    #expect(strangers.count { !$0.isOpen } == 1)
    // They come again and again, and it is not the member that goes, as they have more.
    for _ in 0..<20 {
      clock.advance(milliseconds: 1000)
      _ = try crowd(5) { "192.0.2.\($0 % 5)" }
    }
    #expect(member.isOpen)
    #expect(member.place.introduced(as: try Corpus.node(1)))
  }

  @Test func `behind one address the oldest stranger goes`() throws {
    let strangers = try crowd(50) { _ in "192.0.2.1" }
    #expect(strangers.count == configuration.handshakesPerAddress)
    clock.advance(milliseconds: 1000)
    let member = try #require(try come("192.0.2.1"))
    #expect(!strangers[0].isOpen && strangers[1...].allSatisfy(\.isOpen))
    #expect(member.place.introduced(as: try Corpus.node(1)))
  }

  @Test func `an IPv6 /48 has twice what an address has, however many networks are in it`() throws {
    let strangers = try crowd(500) { "2001:db8:1:\(String($0, radix: 16))::1" }
    #expect(strangers.count == 2 * configuration.handshakesPerAddress)
    #expect(try come("2001:db8:2::1") != nil)
    for stranger in strangers { stranger.place.giveBack() }
    let more = try (0..<500).count { number in
      guard let guest = try come("2001:db8:1:\(String(number, radix: 16))::2") else { return false }
      guest.place.giveBack()
      return true
    }
    #expect(more == 2 * configuration.handshakeRatePerAddress.burst - strangers.count)
  }

  @Test func `one node has a few places, and its oldest goes for its newest`() throws {
    let node = try Corpus.node(1)
    var guests: [Guest] = []
    for number in 0..<40 {
      let guest = try #require(try come("192.0.2.\(number % 2)"))
      #expect(guest.place.introduced(as: node))
      guests.append(guest)
    }
    #expect(guests.map(\.isOpen) == guests.indices.map { $0 >= 40 - configuration.connectionsPerNode })
  }

  @Test func `where all places are taken, a node that has none gets one of a node that has many`() throws {
    var configuration = configuration
    (configuration.connections, configuration.connectionsPerNode) = (12, 6)
    let limits = ConnectionLimits(configuration) { [clock] in clock.now }
    func enter(_ node: UInt8) throws -> (guest: Guest, isIn: Bool) {
      let guest = Guest(try #require(limits.admit(try SocketAddress(ipAddress: "192.0.2.1", port: 1))))
      return (guest, guest.place.introduced(as: try Corpus.node(node)))
    }
    var guests: [Guest] = []
    for number in 0..<12 { guests.append(try enter(UInt8(number / 6 + 1)).guest) }
    for node in UInt8(3)..<13 { #expect(try enter(node).isIn) }
    #expect(guests.count(where: \.isOpen) == 2)
    // When all have one, no more are let in.
    let late = try enter(13)
    #expect(!late.isIn)
    late.guest.place.giveBack()
    #expect(guests.count(where: \.isOpen) == 2)
  }

  @Test func `from where a member came before, the strangers' rate keeps nobody away`() throws {
    let guest = try #require(try come("198.51.100.1"))
    #expect(guest.place.introduced(as: try Corpus.node(1)))
    guest.place.giveBack()
    var count = 0
    for host in 0..<1000 {
      guard let guest = try come("10.0.\(host / 250).\(host % 250)") else { continue }
      count += 1
      guest.place.giveBack()
    }
    #expect(count == configuration.handshakeRate.burst)
    #expect(try come("203.0.113.1") == nil)
    #expect(try come("198.51.100.1") != nil)
  }

  @Test func `who sends wrong tokens from everywhere keeps nobody else from joining`() throws {
    let limiter = JoinLimiter(configuration)
    for host in 0..<200 {
      let network: [UInt8] = [10, 0, 0, UInt8(host)]
      for _ in 0..<10 where limiter.allows(network) { limiter.failed(network) }
    }
    #expect(limiter.allows([192, 0, 2, 1]))
    #expect(!limiter.allows([10, 0, 0, 199]))
  }

  @Test func `of each peer a line a minute is written, and what is left out is counted`() throws {
    let lines = Watched<[String]>([])
    let clock = Atomic<Int64>(1000)
    let log = PeerLog(now: { clock.load(ordering: .relaxed) }, write: { line in lines.update { $0.append(line) } })
    let (one, other) = (try Corpus.node(1), try Corpus.node(2))
    for _ in 0..<1000 { log.complain(one, "refused") }
    log.complain(other, "refused, too")
    #expect(lines.read { $0 } == ["refused", "refused, too"])
    clock.add(59, ordering: .relaxed)
    log.complain(one, "refused")
    clock.add(1, ordering: .relaxed)
    log.complain(one, "refused again")
    #expect(lines.read { $0.last } == "refused again (and 1000 times more since the last such line)")
    log.complain(one, "refused")
    log.complain(one, "refused")
    log.finish()
    #expect(lines.read { $0.last } == "2 more lines about \(one.short) were left out")
    #expect(lines.read(\.count) == 4)
  }

  @Test func `an update that becomes far more than it brings is refused, over all connections of a node`() throws {
    let mesh = try Mesh(2)
    let vault = mesh[0].vault
    // As deltas of a large tree do: 40 kB become 160 MiB.
    vault.state.update { $0.expansion = 4096 }
    let branch = "nodes/\(mesh[1].node)"
    var peers: [RawPeer] = []
    for number in 0..<2 {
      let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
      #expect(raw.wait(for: .ready))
      raw.send(.announce(vault.vault, [:]))
      raw.send(.updateBegin(vault.vault, [branch: .of(.blob, [UInt8(number)])]))
      raw.send(.updateData(blob(40 << 10)))
      peers.append(raw)
      // Taken before the other's, which it is told by.
      raw.send(.want(vault.vault, [:]))
      #expect(raw.wait(for: .current))
    }
    for raw in peers {
      raw.send(.updateEnd)
      #expect(raw.wait(for: .updateResult))
    }
    let answers = peers.map { $0.frames.compactMap { if case .updateResult(let result) = $0 { result } else { nil } } }
    #expect(answers[1].first?.refused[branch]?.contains("more than so few bytes") == true)
    #expect(answers[0].first?.refused[branch]?.contains("more than so few bytes") == false)
    // When they are over, the next is looked at by itself.
    peers[1].send(.updateBegin(vault.vault, [branch: .of(.blob, [9])]))
    peers[1].send(.updateData(blob(40 << 10)))
    peers[1].send(.updateEnd)
    #expect(peers[1].wait(for: .updateResult, count: 2))
    guard case .updateResult(let last)? = peers[1].frames.last(where: { $0.kind == .updateResult }) else { return }
    #expect(last.refused[branch]?.contains("more than so few bytes") == false)
  }

  @Test(arguments: [true, false])
  func `an update that does not come is given up, sooner if its sender does not write itself`(isWriter: Bool) throws {
    let mesh = try Mesh(2) { configuration in
      configuration.timing.updateWindow = .seconds(1000)
      configuration.leastUpdateRate = (writers: 0, others: 1)
    }
    if !isWriter { mesh[0].vault.state.update { _ = $0.replicas.insert(mesh[1].node) } }
    let vault = mesh[0].vault.vault
    let branch = "nodes/\(mesh[1].node)"
    let raw = try RawPeer.introduced(to: mesh[0].address, as: mesh[1].identity)
    #expect(raw.wait(for: .ready))
    raw.send(.announce(vault, [:]))
    let commit = FakeVault.commit([7], after: nil)
    raw.send(.updateBegin(vault, [branch: commit.name]))
    let pack = [UInt8(branch.utf8.count)] + branch.utf8 + [0, 0, 0, 1, 7]
    raw.send(.updateData([UInt8](pack.dropLast())))
    // Answered after what was sent before it.
    raw.send(.want(vault, [:]))
    #expect(raw.wait(for: .current))
    // The window is over.
    let session = try #require(mesh[0].service.sessions.first)
    session.connection.enqueue(.pace(1))
    raw.send(.updateData([7]))
    raw.send(.updateEnd)
    #expect(raw.wait(for: .updateResult))
    guard case .updateResult(let result)? = raw.frames.last(where: { $0.kind == .updateResult }) else { return }
    #expect((result.moved[branch] == commit.name) == isWriter)
    if !isWriter { #expect(result.refused[branch] == "it comes too slowly") }
  }
}
