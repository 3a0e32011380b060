import CLinux
import Glibc

/// A child process, started without a shell.
struct Child {
  let identifier: pid_t

  /// Starts the program in the file `path`; a name without "/" is looked up in PATH.
  ///
  /// Our `descriptors` are its 0, 1, 2 and so on; all others are closed in it.
  init(_ path: String, _ arguments: [String], descriptors: [Int32]) throws {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    // First out of the way of the numbers that they will get, then to them: else one could overwrite another.
    for (number, descriptor) in descriptors.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(100 + number))
    }
    for number in descriptors.indices {
      unsafe posix_spawn_file_actions_adddup2(&actions, Int32(100 + number), Int32(number))
    }
    // Whoever waits for the end of a pipe that we inherited must not wait for this child too.
    unsafe clinux_spawn_close_from(&actions, Int32(descriptors.count))
    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([path] + arguments).map { unsafe strdup($0) }
    unsafe words.append(nil)
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var identifier = pid_t()
    let code = unsafe posix_spawnp(&identifier, path, &actions, nil, words, environ)
    guard code == 0 else { throw Failure(.failed, "cannot start \(path): \(ErrorNumber.text(code))") }
    self.identifier = identifier
  }

  /// Waits for its end; its exit status, or 128 and the signal that ended it.
  func wait() -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }
}
