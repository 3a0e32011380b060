internal import Glibc
internal import Synchronization

/// A named thread with all signals blocked, which its owner joins.
@safe
final class WorkerThread: @unchecked Sendable {
  // SAFETY (Sendable): written by init and read once, by join.
  private let thread: pthread_t

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body` in a thread called `name` (at most 15 bytes, as `ps -L` and `/proc` show it).
  ///
  /// - Throws: ``PeerSyncError/resources`` if there is no room for a thread.
  init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(PeerSyncError) {
    // SAFETY: the thread takes over the retain.
    let context = unsafe Unmanaged.passRetained(
      Body {
        WorkerThread.setName(name)
        body()
      })
    var thread = pthread_t()
    var (all, before) = (sigset_t(), sigset_t())
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    let error = unsafe pthread_create(
      &thread, nil,
      { context in
        if let context = unsafe context { unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, context.toOpaque())
    unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    self.thread = thread
    if error != 0 {
      unsafe context.release()
      throw .resources
    }
  }

  /// Names this thread, for people only, so it may fail.
  ///
  /// glibc's function for it is a GNU extension, which Swift does not see.
  private static func setName(_ name: String) {
    let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    _ = unsafe write(file, name, name.utf8.count)
    close(file)
  }

  /// Waits for its end; exactly once.
  func join() { pthread_join(thread, nil) }
}

/// Threads that end by themselves, so that their owner can wait for the end of all.
final class ThreadPark: Sendable {
  private struct State {
    var running: [Int: WorkerThread] = [:]
    var finished: [WorkerThread] = []
    /// Threads that ended before they were entered in `running`.
    var early: Set<Int> = []
    var last = 0
  }

  private let state = Mutex(State())

  /// Starts a thread, and joins those that ended since.
  ///
  /// - Throws: ``PeerSyncError/resources``.
  func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(PeerSyncError) {
    reap()
    let number = state.withLock { state in
      state.last += 1
      return state.last
    }
    let thread = try WorkerThread(name) { [self] in
      body()
      state.withLock { state in
        if let thread = state.running.removeValue(forKey: number) {
          state.finished.append(thread)
        } else {
          state.early.insert(number)
        }
      }
    }
    state.withLock { state in
      if state.early.remove(number) != nil { state.finished.append(thread) } else { state.running[number] = thread }
    }
  }

  /// Joins the threads that have ended.
  func reap() {
    let finished = state.withLock { state in
      defer { state.finished = [] }
      return state.finished
    }
    for thread in finished { thread.join() }
  }

  /// Waits for the end of all; not from one of them, and when no more are started.
  func joinAll() {
    while true {
      reap()
      // One that has been taken out here is joined here; it may still say that it has ended.
      let next = state.withLock { state in state.running.popFirst()?.value }
      guard let next else { break }
      next.join()
    }
    reap()
  }
}
