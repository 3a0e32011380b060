import Glibc

/// Holds back the signals that would end or stop the program while the terminal does not show what is typed: it would stay so.
///
/// They take effect when they are released.
struct HeldSignals {
  private let before: sigset_t

  init() {
    var (held, before) = (sigset_t(), sigset_t())
    unsafe sigemptyset(&held)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP] { unsafe sigaddset(&held, signal) }
    unsafe pthread_sigmask(SIG_BLOCK, &held, &before)
    self.before = before
  }

  /// Waits for a line; false if one of the signals came first.
  func waitForInput(on terminal: Int32) -> Bool {
    var pending = sigset_t()
    while true {
      var terminal = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
      // At intervals, as a signal that is held back ends no wait.
      if unsafe poll(&terminal, 1, 50) > 0 { return true }
      unsafe sigpending(&pending)
      if [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP].contains(where: { unsafe sigismember(&pending, $0) == 1 }) {
        return false
      }
    }
  }

  func release() {
    var before = before
    unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
  }
}
