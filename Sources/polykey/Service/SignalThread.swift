import Glibc

/// Takes SIGTERM, SIGINT and SIGHUP on a thread of its own, so that what they start may do anything.
struct SignalThread: Sendable {
  /// Blocks the signals in this thread and all that it starts; call it before any is started.
  static func block() -> SignalThread {
    var set = signals
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    return SignalThread()
  }

  /// Calls `body` at each of the signals.
  func onSignal(_ body: @escaping @Sendable () -> Void) {
    BackgroundThread.start {
      var set = SignalThread.signals
      var number: Int32 = 0
      while unsafe sigwait(&set, &number) == 0 { body() }
    }
  }

  private static var signals: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&set, signal) }
    return set
  }
}

/// A thread that nobody waits for.
enum BackgroundThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  static func start(_ run: @escaping @Sendable () -> Void) {
    // SAFETY: the retain made here is consumed by the one thread that gets the pointer.
    let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    var thread = pthread_t()
    let code = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body)
    precondition(code == 0, "a process has room for its threads")
    pthread_detach(thread)
  }
}
