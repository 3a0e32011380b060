import Synchronization

/// A `Mutex` whose order ThreadSanitizer sees too.
///
/// Linux's `Mutex` waits in a library that is not instrumented, so that the sanitizer takes all that it guards for races. The pair of atomic
/// accesses in here tells it the order; on x86-64 they are plain moves.
struct Guarded<Value: Sendable>: ~Copyable, Sendable {
  private let mutex: Mutex<Value>
  private let turn = Atomic<UInt8>(0)

  init(_ value: Value) { mutex = Mutex(value) }

  /// Runs `body` with the lock held.
  @inline(__always)
  func withLock<Result, E: Error>(_ body: (inout Value) throws(E) -> Result) throws(E) -> Result {
    let result = try mutex.withLock { value throws(E) -> Kept<Result> in
      _ = turn.load(ordering: .acquiring)
      defer { turn.store(0, ordering: .releasing) }
      return Kept(value: try body(&value))
    }
    return result.value
  }

  /// What leaves the lock with the caller, and only with it.
  private struct Kept<Result>: @unchecked Sendable {
    // SAFETY (Sendable): it goes from the closure to the caller, on one thread.
    let value: Result
  }
}
