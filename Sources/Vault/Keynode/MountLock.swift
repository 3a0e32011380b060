internal import Glibc

/// Held by the process that has a vault mounted, so that a second mount on this machine is refused.
///
/// It is an advisory lock (flock(2)) on the repository's directory: no file is added, and the kernel drops it with the process.
package final class MountLock: Sendable {
  private let descriptor: Int32

  /// - Throws: ``VaultError/vaultMounted`` if another process holds it.
  package init(repository path: String) throws(VaultError) {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .io(errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      close(descriptor)
      if code == EWOULDBLOCK { throw .vaultMounted }
      throw .io(code)
    }
    self.descriptor = descriptor
  }

  /// Gives the lock up before the owner goes; harmless if done twice.
  package func release() { flock(descriptor, LOCK_UN) }

  deinit { close(descriptor) }
}
