import Glibc
import Synchronization

/// Keeps a mount's record true while the mount lives.
final class MountNotice: Sendable {
  /// Guarded by `state`.
  private struct State {
    var record: MountRecord.Held?
    var condition = MountRecord.Condition()
  }

  private let state = Mutex(State())
  /// Whether a failure is noted: commits look at this alone.
  private let hasFailed = Atomic(false)

  /// Begins to tell; without a record nobody is told.
  func begin(_ record: MountRecord.Held?) { state.withLock { $0.record = record } }

  func isMounted(_ device: String) { change { ($0.phase, $0.device) = (.mounted, device) } }

  /// Changes cannot be stored, but go on being tried.
  func isUnstored(_ failure: Failure) {
    hasFailed.store(true, ordering: .relaxed)
    change { $0.failure = failure }
  }

  /// A commit was made, of all that waited.
  func isStored() {
    guard hasFailed.load(ordering: .relaxed) else { return }
    hasFailed.store(false, ordering: .relaxed)
    change { $0.failure = nil }
  }

  /// It is not at its directory any more; nil if nothing has failed yet.
  func isEnding(_ failure: Failure? = nil) {
    change { condition in
      condition.phase = .ending
      condition.failure = failure
    }
  }

  /// All is done, or `failure` is why not all is stored.
  func isOver(_ failure: Failure?) {
    state.withLock { state in
      (state.condition.phase, state.condition.failure) = (.done, failure)
      state.condition.time = Int64(time(nil))
    }
  }

  /// Takes the record away, or lets it say what was not stored.
  func end() {
    state.withLock { state in
      // It never was mounted, and has nothing to tell.
      if state.condition.phase != .done { state.condition.failure = nil }
      state.record?.end(state.condition)
      state.record = nil
    }
  }

  private func change(_ body: (inout MountRecord.Condition) -> Void) {
    state.withLock { state in
      body(&state.condition)
      state.condition.time = Int64(time(nil))
      state.record?.note(state.condition)
    }
  }
}
