import Glibc
import Synchronization
import Vault

/// The file that a mount in the background writes its messages to: at most two of 1 MiB, `mount.log` and the older `mount.log.1`.
///
/// Several mounts of a keynode may write to it; who finds that another has begun a new one goes on there.
enum MountLog {
  private static let limit: off_t = 1 << 20
  /// Where this process writes its stderr; nil if that is no such file.
  private static let path = Mutex<String?>(nil)

  static func path(at paths: KeynodePaths) -> String { "\(paths.state)/mount.log" }

  /// Opens the log for a process that is about to start; -1 and errno if that fails.
  static func open(at paths: KeynodePaths) -> Int32 { open(path(at: paths)) }

  private static func open(_ path: String) -> Int32 {
    // Not what somebody else put in its place.
    unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
  }

  /// From now on this process's stderr is the log.
  static func begin(at paths: KeynodePaths) { path.withLock { $0 = path(at: paths) } }

  /// Before a line is written: begins a new file if this one is full, or if another process has begun one.
  static func keepSmall() {
    path.withLock { path in
      guard let path else { return }
      var (own, current) = (stat(), stat())
      guard unsafe fstat(2, &own) == 0 else { return }
      let isThere = unsafe lstat(path, &current) == 0
      let isCurrent = isThere && current.st_ino == own.st_ino && current.st_dev == own.st_dev
      if isCurrent {
        guard own.st_size >= limit else { return }
        // One of those that find it full; the others go on here until it has.
        guard flock(2, LOCK_EX | LOCK_NB) == 0 else { return }
        defer { flock(2, LOCK_UN) }
        guard unsafe lstat(path, &current) == 0, current.st_ino == own.st_ino else { return }
        unsafe rename(path, "\(path).1")
      }
      let new = open(path)
      guard new >= 0 else { return }
      dup2(new, 2)
      close(new)
    }
  }
}
