internal import Glibc

/// A directory that one process at a time has to itself: an advisory lock (flock(2)), which adds no file and goes with the process.
package final class DirectoryLock: Sendable {
  private let descriptor: Int32

  /// Waits until nobody else has it.
  ///
  /// - Throws: ``VaultError/io(_:)``.
  package init(_ path: String) throws(VaultError) {
    descriptor = try DirectoryLock.open(path)
    while flock(descriptor, LOCK_EX) != 0 {
      let code = errno
      guard code == EINTR else {
        close(descriptor)
        throw .io(code)
      }
    }
  }

  /// Nil if somebody else has it, or there is no such directory.
  init?(ifFree path: String) {
    guard let descriptor = try? DirectoryLock.open(path) else { return nil }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return nil
    }
    self.descriptor = descriptor
  }

  private static func open(_ path: String) throws(VaultError) -> Int32 {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw .io(errno) }
    return descriptor
  }

  deinit { close(descriptor) }
}
