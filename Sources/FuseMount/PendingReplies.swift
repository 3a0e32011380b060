internal import Dispatch
internal import Synchronization

/// Counts requests that a commit will answer, so that the connection outlives them.
final class PendingReplies: Sendable {
  /// Guarded by `state`.
  private struct State {
    var count = 0
    var isAwaited = false
  }

  private let state = Mutex(State())
  private let drained = DispatchSemaphore(value: 0)

  func begin() { state.withLock { $0.count += 1 } }

  func end() {
    let isLast = state.withLock { state in
      state.count -= 1
      return state.count == 0 && state.isAwaited
    }
    if isLast { drained.signal() }
  }

  /// Blocks until all are answered; nothing may begin meanwhile.
  func wait() {
    while true {
      let isDone = state.withLock { state in
        state.isAwaited = state.count > 0
        return !state.isAwaited
      }
      if isDone { return }
      drained.wait()
    }
  }
}
