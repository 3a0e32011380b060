internal import FuseBridge
internal import Glibc
internal import VirtualFS

/// Unmounting from outside: by another process than the one that serves.
package enum Unmounting {
  /// Unmounts polykey at `directory`.
  ///
  /// The serving process then stores what is left, and ends. With `lazy` the directory is detached at once and the mount
  /// ends when the last file in it is closed.
  ///
  /// - Throws: ``MountError/notMounted``, ``MountError/busy``, ``MountError/notPermitted``,
  ///   ``MountError/helperMissing``, ``MountError/refused(_:)`` or ``MountError/system(errno:)``.
  package static func unmount(_ directory: String, lazy: Bool = false) throws(MountError) {
    let path = try MountPoint.resolve(directory)
    guard try MountTable.topmost(at: path)?.isPolykey == true else { throw .notMounted }
    for _ in 1..<tries {
      do throws(MountError) {
        return try detach(path, lazy: lazy)
      } catch .busy {
        usleep(20_000)
      }
    }
    try detach(path, lazy: lazy)
  }

  /// Has the process that serves `directory` store all changes durably, and waits for it; does nothing if that process is gone.
  ///
  /// - Throws: ``MountError/notSaved(_:)``.
  package static func storeAll(at directory: String) throws(MountError) {
    // Dirty pages of mappings first, as far as the kernel waits for them.
    _ = unsafe fb_syncfs(directory)
    while unsafe fb_read_attribute(directory, Server.storeAttribute) < 0 {
      switch errno {
      case EINTR: continue
      case ENOSPC: throw .notSaved(VFSError(.noSpace))
      case EROFS: throw .notSaved(VFSError(.readOnly))
      case E2BIG: throw .notSaved(VFSError(.argumentListTooLong))
      case ENAMETOOLONG: throw .notSaved(VFSError(.nameTooLong))
      case EIO: throw .notSaved(VFSError(.io))
      // The process is gone, or the mount is not ours, or something else than we know.
      default: return
      }
    }
  }

  /// While a change from outside is told to watchers the mount is busy, for less than a millisecond.
  private static var tries: Int { 6 }

  private static func detach(_ path: String, lazy: Bool) throws(MountError) {
    if geteuid() == 0 {
      guard unsafe fb_umount(path, lazy ? 1 : 0) != 0 else { return }
      switch errno {
      case EBUSY: throw .busy
      case EPERM: throw .notPermitted
      case EINVAL: throw .notMounted
      case let code: throw .system(errno: code)
      }
    }
    try runHelper(["fusermount3", lazy ? "-uz" : "-u", "--", path])
  }

  /// Runs fusermount3, found in PATH, and turns what it says into the error.
  private static func runHelper(_ arguments: [String]) throws(MountError) {
    var ends: [Int32] = [0, 0]
    guard unsafe fb_pipe(&ends) == 0 else { throw .system(errno: errno) }
    var child: pid_t = 0
    let error = spawn(arguments, errors: ends[1], child: &child)
    close(ends[1])
    defer { close(ends[0]) }
    guard error == 0 else { throw error == ENOENT ? .helperMissing : .system(errno: error) }
    let said = String(decoding: (try? MountTable.readAll(ends[0])) ?? [], as: UTF8.self)
    var status: Int32 = 0
    while unsafe waitpid(child, &status, 0) < 0 && errno == EINTR { continue }
    guard status != 0 else { return }
    if said.contains("busy") { throw .busy }
    if said.contains("not found in") { throw .notPermitted }
    if said.contains("not permitted") { throw .notPermitted }
    throw .refused(said.split(separator: "\n").first.map(String.init) ?? "fusermount3 failed")
  }

  private static func spawn(_ arguments: [String], errors: Int32, child: inout pid_t) -> Int32 {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)
    var words = unsafe arguments.map { unsafe strdup($0) }
    defer { for index in arguments.indices { unsafe free(words[index]) } }
    unsafe words.append(nil)
    return unsafe posix_spawnp(&child, arguments[0], &actions, nil, words, environ)
  }
}
