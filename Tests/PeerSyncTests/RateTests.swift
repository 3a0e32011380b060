import NIOCore
import Synchronization
import Testing

@testable import PeerSync

/// How fast connections are accepted, by a clock that the test moves.
@Suite("Rate of connections") struct RateTests {
  private func limits(_ clock: StandingClock, _ configure: (inout PeerConfiguration) -> Void = { _ in })
    -> ConnectionLimits
  {
    var configuration = PeerConfiguration()
    configure(&configuration)
    return ConnectionLimits(configuration) { clock.now }
  }

  private func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

  /// Knocks so often and goes away each time; how often it was let in.
  private func knocks(_ count: Int, _ limits: ConnectionLimits, _ from: SocketAddress) -> Int {
    (0..<count).count { _ in
      guard let place = limits.admit(from) else { return false }
      place.giveBack()
      return true
    }
  }

  @Test func `a stranger gets its burst, then its rate, and others are not kept away`() throws {
    let clock = StandingClock()
    let limits = limits(clock)
    let stranger = try address("192.0.2.1")
    #expect(knocks(1000, limits, stranger) == 100)
    clock.advance(milliseconds: 1000)
    #expect(knocks(1000, limits, stranger) == 5)
    clock.advance(milliseconds: 199)
    #expect(knocks(10, limits, stranger) == 0)
    clock.advance(milliseconds: 1)
    #expect(knocks(10, limits, stranger) == 1)
    #expect(knocks(1, limits, try address("192.0.2.2")) == 1)
    // No more than the burst is ever saved up.
    clock.advance(milliseconds: 3_600_000)
    #expect(knocks(1000, limits, stranger) == 100)
  }

  @Test func `a whole IPv6 /64 is one, and an IPv4 address the same as mapped into IPv6`() throws {
    let limits = limits(StandingClock())
    #expect(knocks(60, limits, try address("2001:db8::1")) == 60)
    #expect(knocks(60, limits, try address("2001:db8::2:1")) == 40)
    #expect(knocks(60, limits, try address("2001:db8:0:1::1")) == 60)
    #expect(knocks(60, limits, try address("192.0.2.1")) == 60)
    #expect(knocks(60, limits, try address("::ffff:192.0.2.1")) == 40)
  }

  @Test func `from very many addresses the rate in all holds`() throws {
    let clock = StandingClock()
    let limits = limits(clock)
    var count = 0
    for host in 0..<5000 { count += knocks(1, limits, try address("10.0.\(host / 250).\(host % 250)")) }
    #expect(count == 400)
    clock.advance(milliseconds: 500)
    #expect(knocks(100, limits, try address("10.1.0.1")) == 50)
  }

  @Test func `fifty members behind one address come back at once, again and again`() throws {
    let clock = StandingClock()
    let limits = limits(clock)
    let home = try address("192.0.2.9")
    for _ in 0..<100 {
      var places: [ConnectionLimits.Place] = []
      while places.count < 50 {
        // No more at a time than may be unknown at a time; the others try again when these are known.
        let new = (places.count..<50).compactMap { _ in limits.admit(home) }
        #expect(new.count == min(16, 50 - places.count))
        for (number, place) in new.enumerated() {
          #expect(place.introduced(as: try Corpus.node(UInt8(places.count + number))))
        }
        places += new
        if new.isEmpty { break }
      }
      #expect(places.count == 50)
      for place in places { place.giveBack() }
    }
    // And the same is left for others as before.
    #expect(knocks(1000, limits, home) == 100)
  }

  @Test func `a member is let in soon after strangers behind its address stop`() throws {
    let clock = StandingClock()
    let limits = limits(clock)
    let home = try address("192.0.2.9")
    _ = knocks(1000, limits, home)
    #expect(limits.admit(home) == nil)
    clock.advance(milliseconds: 200)
    #expect(limits.admit(home) != nil)
  }
}

/// A clock that stands still until it is moved.
final class StandingClock: Sendable {
  private let nanoseconds = Atomic<UInt64>(1_000_000_000)
  var now: NIODeadline { .uptimeNanoseconds(nanoseconds.load(ordering: .relaxed)) }
  func advance(milliseconds: UInt64) { nanoseconds.add(milliseconds * 1_000_000, ordering: .relaxed) }
}
