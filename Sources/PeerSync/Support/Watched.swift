internal import Dispatch
internal import Synchronization

/// A state behind a lock, whose changes threads can wait for.
///
/// Lock order: a body may read another state, in the order of session, incoming, outgoing (see ``Connection``), and calls
/// nothing else that locks.
final class Watched<State: Sendable>: Sendable {
  private struct Storage: Sendable {
    var state: State
    var waiting: [DispatchSemaphore] = []
  }

  private let storage: Mutex<Storage>

  init(_ state: State) { storage = Mutex(Storage(state: state)) }

  /// Lends the state, and wakes all who wait.
  @discardableResult
  func update<R: Sendable>(_ body: (inout State) -> R) -> R {
    let (result, waiting) = storage.withLock { storage in
      let result = body(&storage.state)
      let waiting = storage.waiting
      storage.waiting = []
      return (result, waiting)
    }
    for semaphore in waiting { semaphore.signal() }
    return result
  }

  /// Lends the state without waking anybody.
  func read<R: Sendable>(_ body: (State) -> R) -> R { storage.withLock { body($0.state) } }

  /// Waits until `body` has a result; nil if it has none by `deadline`.
  ///
  /// Blocks: never on an event loop. What `body` changes wakes nobody.
  func wait<R: Sendable>(until deadline: DispatchTime = .distantFuture, _ body: (inout State) -> R?) -> R? {
    let semaphore = DispatchSemaphore(value: 0)
    while true {
      let result = storage.withLock { storage in
        let result = body(&storage.state)
        if result == nil { storage.waiting.append(semaphore) }
        return result
      }
      if let result { return result }
      if semaphore.wait(timeout: deadline) == .timedOut { return storage.withLock { body(&$0.state) } }
    }
  }
}

extension DispatchTime {
  /// This long from now.
  static func after(_ duration: Duration) -> DispatchTime {
    let (seconds, attoseconds) = duration.components
    return .now() + .seconds(Int(seconds)) + .nanoseconds(Int(attoseconds / 1_000_000_000))
  }
}
