/// A point in time: seconds since 1970 (may be negative) and 0..<1_000_000_000 nanoseconds.
public struct Timestamp: Hashable, Comparable, Sendable {
  /// Whole seconds.
  public var seconds: Int64
  /// The rest.
  public var nanoseconds: UInt32

  /// A point in time.
  public init(seconds: Int64, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// Orders by time.
  public static func < (a: Timestamp, b: Timestamp) -> Bool {
    (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
  }
}
