internal import Glibc

/// A thread with all signals blocked, which its owner joins.
@safe
final class ServiceThread: @unchecked Sendable {
  // SAFETY (Sendable): written by init and read once, by join.
  private let thread: pthread_t

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body`.
  ///
  /// - Throws: ``MountError/system(errno:)`` if there is no room for a thread.
  init(_ body: @escaping @Sendable () -> Void) throws(MountError) {
    // SAFETY: the thread takes over the retain.
    let context = unsafe Unmanaged.passRetained(Body(body))
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
      throw .system(errno: error)
    }
  }

  /// Waits for its end; exactly once.
  func join() { pthread_join(thread, nil) }
}
