import CLinux
import Glibc

/// What every run does first, so that no secret leaves the process unasked.
enum Hardening {
  /// No core dumps, no ptrace by other processes of this user, files for the owner only, and a closed pipe is an error, not a signal.
  static func apply() throws {
    try openStandardStreams()
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0, clinux_forbid_dumps() == 0 else {
      throw Failure(.failed, "core dumps cannot be switched off: \(ErrorNumber.text(errno))")
    }
    // A mount keeps many files open.
    var files = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 {
      files.rlim_cur = min(files.rlim_max, 65_536)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    }
    umask(0o077)
    signal(SIGPIPE, SIG_IGN)
  }

  /// Keeps 0, 1 and 2 from becoming other files' numbers where we were started with one of them closed: reading and writing them fails.
  private static func openStandardStreams() throws {
    for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
      guard unsafe open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY) == descriptor else {
        throw Failure(
          .failed, "a standard stream is closed, and /dev/null cannot be opened: \(ErrorNumber.text(errno))")
      }
    }
  }
}
