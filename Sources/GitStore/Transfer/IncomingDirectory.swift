internal import Glibc

/// A directory of one owner below `polykey/incoming`, removed with all in it when the owner goes.
///
/// The owner holds a lock (flock) on it, so that the next to open the repository removes those of killed processes, and no others.
final class IncomingDirectory: Sendable {
  private static let parent = "polykey/incoming"

  /// Its path in the repository.
  let path: String
  private let root: Directory
  private let lock: Descriptor

  init(in root: Directory) throws(GitError) {
    for _ in 0..<64 {
      try root.makeDirectory(Self.parent, mode: 0o755)
      let path = "\(Self.parent)/\(getpid())_\(String(UInt64.random(in: .min ... .max), radix: 36))"
      guard try root.makeDirectory(path, mode: 0o700) else { continue }
      // Somebody who opens the repository may find it before it is locked, and remove it.
      guard let lock = try root.openFile(path, O_RDONLY | O_DIRECTORY), flock(lock.raw, LOCK_EX | LOCK_NB) == 0,
        try root.status(of: lock).links > 0
      else { continue }
      (self.path, self.root, self.lock) = (path, root, lock)
      return
    }
    throw .io(EBUSY)
  }

  deinit { try? root.removeTree(path) }

  /// Removes the directories of processes that are gone.
  static func removeAbandoned(in root: Directory) throws(GitError) {
    for name in try root.names(in: parent) {
      let path = "\(parent)/\(name)"
      guard let lock = try root.openFile(path, O_RDONLY), flock(lock.raw, LOCK_EX | LOCK_NB) == 0 else { continue }
      try root.removeTree(path)
      withExtendedLifetime(lock) {}
    }
  }
}

extension Directory {
  /// Removes what is at `path`, and all below it; it may be gone already, and links are not followed.
  func removeTree(_ path: String) throws(GitError) {
    guard try status(path)?.isDirectory == true else { return try remove(path) }
    for name in try names(in: path) { try removeTree("\(path)/\(name)") }
    removeDirectory(path)
  }
}
