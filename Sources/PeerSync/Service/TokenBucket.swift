internal import NIOCore

/// Lets so many through at once, and then so many a second.
struct TokenBucket: Sendable {
  private let rate: PeerConfiguration.Rate
  private var tokens: Double
  private var last: NIODeadline

  /// A full one.
  init(_ rate: PeerConfiguration.Rate, at now: NIODeadline) {
    self.rate = rate
    tokens = Double(rate.burst)
    last = now
  }

  /// Whether one may pass now; ``take(at:)`` then takes its place.
  mutating func allows(at now: NIODeadline) -> Bool {
    refill(at: now)
    return tokens >= 1
  }

  mutating func take(at now: NIODeadline) {
    refill(at: now)
    tokens -= 1
  }

  /// Whoever took one has turned out to be no stranger.
  mutating func giveBack() { tokens = min(Double(rate.burst), tokens + 1) }

  /// Whether it is as good as a new one.
  mutating func isFull(at now: NIODeadline) -> Bool {
    refill(at: now)
    return tokens >= Double(rate.burst)
  }

  private mutating func refill(at now: NIODeadline) {
    let seconds = Double((now - last).nanoseconds) / 1e9
    guard seconds > 0 else { return }
    tokens = min(Double(rate.burst), tokens + seconds * Double(rate.perSecond))
    last = now
  }
}
