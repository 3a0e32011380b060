internal import Glibc
internal import NIOCore
internal import Synchronization
internal import Vault

/// Counts accepted connections, in all, by the network that they come from and by the node that made them, and how fast they come, so that a
/// flood leaves room for others.
///
/// Before anything of TLS is done, as that is what costs. Where there is no room, the oldest connection whose peer has not said who it is goes,
/// of the network that has most of them: so members come in, however many strangers there are.
final class ConnectionLimits: Sendable {
  private struct Count: Sendable {
    var all = 0
    var introducing = 0
  }

  /// A connection that there is.
  private struct Held: Sendable {
    let place: Place
    let since: NIODeadline
    /// Nil until it has introduced itself.
    var node: NodeID?
  }

  private struct State: Sendable {
    var total = Count()
    var networks: [[UInt8]: Count] = [:]
    var totalRate: TokenBucket
    /// Those that are not full.
    var rates: [[UInt8]: TokenBucket] = [:]
    /// By the order in which they came.
    var held: [UInt64: Held] = [:]
    var nextNumber: UInt64 = 0
    /// Networks from which members came, and when last.
    var familiar: [[UInt8]: NIODeadline] = [:]
  }

  /// Networks whose rates are kept before the full ones are looked for; and that are known as members'.
  private static let rateLimit = 1024
  /// Connections beyond all that may be there, so that a node that has few can take the place of one that has many.
  private static let headroom = 16

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
    fileprivate let number: UInt64
    fileprivate let origin: Origin
    /// Whether it took of the rate in all.
    fileprivate let tookOfAll: Bool
    private let close = Mutex<(@Sendable () -> Void)?>(nil)

    fileprivate init(_ limits: ConnectionLimits, _ number: UInt64, _ origin: Origin, tookOfAll: Bool) {
      (self.limits, self.number, self.origin, self.tookOfAll) = (limits, number, origin, tookOfAll)
    }

    /// What ends the connection when somebody else needs the place; from any thread, and under no lock.
    func onEviction(_ body: @escaping @Sendable () -> Void) { close.withLock { $0 = body } }

    /// The peer has said who it is, and is admitted; false if there is no room for it.
    func introduced(as node: NodeID) -> Bool { limits.introduced(self, as: node) }

    func giveBack() { limits.remove(self) }

    fileprivate func evict() {
      giveBack()
      close.withLock { $0.take() }?()
    }
  }

  /// What counts as one: an address and, of IPv6, also the /48, which one customer may have all of.
  struct Origin: Hashable, Sendable {
    /// 4 bytes of IPv4, or the /64 of IPv6, which one host may have all of; none if it is not known.
    let network: [UInt8]
    /// The /48 of IPv6; else nil.
    let site: [UInt8]?

    init(_ address: SocketAddress?) {
      network = ConnectionLimits.network(of: address)
      site = network.count == 8 ? [UInt8](network[..<6]) : nil
    }

    /// Each with how many times what one network may have.
    fileprivate var keys: [(key: [UInt8], share: Int)] { [(network, 1)] + (site.map { [($0, 2)] } ?? []) }
    /// The largest of them.
    var widest: [UInt8] { site ?? network }
  }

  /// A place for a connection from `address`; nil if there is none.
  func admit(_ address: SocketAddress?) -> Place? {
    let origin = Origin(address)
    let now = now()
    let (place, evicted) = state.withLock { state -> (Place?, Place?) in
      var victim: Held?
      if let key = crowded(origin, state) {
        victim = oldest(of: state) { $0.place.origin.keys.contains { $0.key == key } }
        if victim == nil { return (nil, nil) }
      } else if state.total.introducing >= configuration.handshakes
        || state.total.all >= configuration.connections && state.total.introducing > 0
      {
        victim = oldest(of: state, fromHeaviest: true)
      } else if state.total.all >= configuration.connections + ConnectionLimits.headroom {
        return (nil, nil)
      }
      // Whoever has just come gets its time.
      if let victim, now - victim.since < TimeAmount(configuration.timing.grace) { return (nil, nil) }
      guard let tookOfAll = takeToken(origin, &state, at: now) else { return (nil, nil) }
      let place = Place(self, state.nextNumber, origin, tookOfAll: tookOfAll)
      state.held[state.nextNumber] = Held(place: place, since: now)
      state.nextNumber += 1
      add(&state, origin, all: 1, introducing: 1)
      return (place, victim?.place)
    }
    evicted?.evict()
    return place
  }

  /// Which of an origin's networks has all that it may have.
  private func crowded(_ origin: Origin, _ state: State) -> [UInt8]? {
    origin.keys.first { key, share in
      let count = state.networks[key] ?? Count()
      return count.introducing >= configuration.handshakesPerAddress * share
        || count.all >= configuration.connectionsPerAddress * share
    }?.key
  }

  /// The oldest unknown connection of those that `isMeant`; or of the network that has most of them.
  private func oldest(
    of state: State, fromHeaviest: Bool = false, _ isMeant: (Held) -> Bool = { _ in true }
  ) -> Held? {
    let unknown = state.held.filter { $0.value.node == nil && isMeant($0.value) }
    var counts: [[UInt8]: Int] = [:]
    if fromHeaviest { for held in unknown.values { counts[held.place.origin.widest, default: 0] += 1 } }
    let most = counts.values.max() ?? 0
    return unknown.filter { (counts[$0.value.place.origin.widest] ?? 0) == most }.min { $0.key < $1.key }?.value
  }

  /// Whether one more may come from there now, and if so whether it counts in all: not from where members came.
  private func takeToken(_ origin: Origin, _ state: inout State, at now: NIODeadline) -> Bool? {
    var rates: [(key: [UInt8], bucket: TokenBucket)] = []
    for (key, share) in origin.keys {
      let rate = configuration.handshakeRatePerAddress
      let all = PeerConfiguration.Rate(burst: rate.burst * share, perSecond: rate.perSecond * share)
      var bucket = state.rates[key] ?? TokenBucket(all, at: now)
      guard bucket.allows(at: now) else { return nil }
      rates.append((key, bucket))
    }
    let isFamiliar = state.familiar[origin.network] != nil
    guard isFamiliar || state.totalRate.allows(at: now) else { return nil }
    if !isFamiliar { state.totalRate.take(at: now) }
    for (key, bucket) in rates {
      var bucket = bucket
      bucket.take(at: now)
      state.rates[key] = bucket
    }
    if state.rates.count > ConnectionLimits.rateLimit {
      for (network, var rate) in state.rates where rate.isFull(at: now) { state.rates[network] = nil }
    }
    return !isFamiliar
  }

  /// Whoever has a place there is a member: members are not kept waiting, however often they come.
  ///
  /// A few connections for each node: its oldest goes for a newer one. If all is full, the oldest of the node that has most goes, if that has
  /// more than this one.
  private func introduced(_ place: Place, as node: NodeID) -> Bool {
    let now = now()
    let (isAdmitted, evicted) = state.withLock { state -> (Bool, Place?) in
      guard let held = state.held[place.number] else { return (false, nil) }
      guard held.node == nil else { return (true, nil) }
      let nodes = Dictionary(grouping: state.held.values.filter { $0.node != nil }) { $0.node }
      state.held[place.number]?.node = node
      add(&state, place.origin, all: 0, introducing: -1)
      if place.tookOfAll { state.totalRate.giveBack() }
      for (key, _) in place.origin.keys { state.rates[key]?.giveBack() }
      remember(place.origin.network, &state, at: now)
      func oldest(_ list: [Held]) -> Place? { list.min { $0.place.number < $1.place.number }?.place }
      let own = nodes[node] ?? []
      if own.count >= configuration.connectionsPerNode { return (true, oldest(own)) }
      guard nodes.values.reduce(0, { $0 + $1.count }) >= configuration.connections else { return (true, nil) }
      let most = nodes.values.max { $0.count < $1.count } ?? []
      return most.count > own.count + 1 ? (true, oldest(most)) : (false, nil)
    }
    evicted?.evict()
    return isAdmitted
  }

  private func remember(_ network: [UInt8], _ state: inout State, at now: NIODeadline) {
    state.familiar[network] = now
    guard state.familiar.count > ConnectionLimits.rateLimit else { return }
    if let oldest = state.familiar.min(by: { $0.value < $1.value }) { state.familiar[oldest.key] = nil }
  }

  private func remove(_ place: Place) {
    state.withLock { state in
      guard let held = state.held.removeValue(forKey: place.number) else { return }
      add(&state, place.origin, all: -1, introducing: held.node == nil ? -1 : 0)
    }
  }

  private func add(_ state: inout State, _ origin: Origin, all: Int, introducing: Int) {
    state.total.all += all
    state.total.introducing += introducing
    for (key, _) in origin.keys {
      var count = state.networks[key] ?? Count()
      count.all += all
      count.introducing += introducing
      state.networks[key] = count.all == 0 ? nil : count
    }
  }

  /// What counts as one origin: an IPv4 address, or the /64 of an IPv6 address; none if it is not known.
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
