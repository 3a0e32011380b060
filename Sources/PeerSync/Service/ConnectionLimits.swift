internal import Glibc
internal import NIOCore
internal import Synchronization

/// Counts accepted connections, in all and by the network that they come from, and how fast they come, so that a flood leaves room for others.
///
/// Before anything of TLS is done, as that is what costs.
final class ConnectionLimits: Sendable {
  private struct Count: Sendable {
    var all = 0
    var introducing = 0
  }

  private struct State: Sendable {
    var total = Count()
    var networks: [[UInt8]: Count] = [:]
    var totalRate: TokenBucket
    /// Those that are not full.
    var rates: [[UInt8]: TokenBucket] = [:]
  }

  /// Networks whose rates are kept before the full ones are looked for.
  private static let rateLimit = 1024

  private let state: Mutex<State>
  private let configuration: PeerConfiguration
  private let now: @Sendable () -> NIODeadline

  init(_ configuration: PeerConfiguration, now: @escaping @Sendable () -> NIODeadline = { .now() }) {
    self.configuration = configuration
    self.now = now
    state = Mutex(State(totalRate: TokenBucket(configuration.handshakeRate, at: now())))
  }

  /// One accepted connection's place; given back when it ends.
  final class Place: Sendable {
    private let limits: ConnectionLimits
    private let network: [UInt8]
    /// Whether the peer has introduced itself; nil once the place is given back.
    private let isKnown = Mutex<Bool?>(false)

    fileprivate init(_ limits: ConnectionLimits, _ network: [UInt8]) {
      self.limits = limits
      self.network = network
    }

    /// The peer has introduced itself.
    func introduced() {
      let before = isKnown.withLock { isKnown in
        defer { if isKnown != nil { isKnown = true } }
        return isKnown
      }
      if before == false { limits.introduced(network) }
    }

    func giveBack() {
      let before = isKnown.withLock { $0.take() }
      if let before { limits.change(network, all: -1, introducing: before ? 0 : -1) }
    }
  }

  /// A place for a connection from `address`; nil if there is none.
  func admit(_ address: SocketAddress?) -> Place? {
    let network = ConnectionLimits.network(of: address)
    let fits = state.withLock { state in
      let from = state.networks[network] ?? Count()
      guard state.total.all < configuration.connections, from.all < configuration.connectionsPerAddress,
        state.total.introducing < configuration.handshakes, from.introducing < configuration.handshakesPerAddress,
        takeToken(network, &state)
      else { return false }
      ConnectionLimits.add(&state, network, all: 1, introducing: 1)
      return true
    }
    return fits ? Place(self, network) : nil
  }

  /// Whether one more may come from there now.
  private func takeToken(_ network: [UInt8], _ state: inout State) -> Bool {
    let now = now()
    var rate = state.rates[network] ?? TokenBucket(configuration.handshakeRatePerAddress, at: now)
    guard rate.allows(at: now), state.totalRate.allows(at: now) else { return false }
    rate.take(at: now)
    state.totalRate.take(at: now)
    state.rates[network] = rate
    if state.rates.count > ConnectionLimits.rateLimit {
      for (network, var rate) in state.rates where rate.isFull(at: now) { state.rates[network] = nil }
    }
    return true
  }

  /// Whoever has a place there is a member: members are not kept waiting, however often they come.
  private func introduced(_ network: [UInt8]) {
    state.withLock { state in
      ConnectionLimits.add(&state, network, all: 0, introducing: -1)
      state.totalRate.giveBack()
      state.rates[network]?.giveBack()
    }
  }

  private func change(_ network: [UInt8], all: Int, introducing: Int) {
    state.withLock { ConnectionLimits.add(&$0, network, all: all, introducing: introducing) }
  }

  private static func add(_ state: inout State, _ network: [UInt8], all: Int, introducing: Int) {
    state.total.all += all
    state.total.introducing += introducing
    var count = state.networks[network] ?? Count()
    count.all += all
    count.introducing += introducing
    state.networks[network] = count.all == 0 ? nil : count
  }

  /// What counts as one origin: an IPv4 address, or the /64 of an IPv6 address, which one host may have all of.
  static func network(of address: SocketAddress?) -> [UInt8] {
    guard let text = address?.ipAddress else { return [] }
    let host = String(text.prefix { $0 != "%" })
    var bytes = [UInt8](repeating: 0, count: 16)
    // SAFETY: an IPv4 address has 4 bytes, an IPv6 address 16.
    if unsafe inet_pton(AF_INET, host, &bytes) == 1 { return [UInt8](bytes[..<4]) }
    guard unsafe inet_pton(AF_INET6, host, &bytes) == 1 else { return [] }
    let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
    return isMapped ? [UInt8](bytes[12...]) : [UInt8](bytes[..<8])
  }
}
