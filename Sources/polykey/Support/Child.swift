import CLinux
import Glibc

/// A child process, started without a shell.
struct Child {
  let identifier: pid_t

  /// Starts the program in the file `path`; a name without "/" is looked up in PATH.
  ///
  /// Our `descriptors` are its 0, 1, 2 and so on; all others are closed in it. It has our environment and `environment`, and takes all signals
  /// as programs expect. `name` is what it is told to be called, if not `path`.
  init(
    _ path: String, _ arguments: [String], descriptors: [Int32], environment: [String: [UInt8]] = [:],
    name: String? = nil
  ) throws {
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
    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([name ?? path] + arguments).map { unsafe strdup($0) }
    unsafe words.append(nil)
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var variables = unsafe Child.variables(with: environment)
    defer { for index in unsafe variables.indices { unsafe free(variables[index]) } }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var (none, ours) = (sigset_t(), sigset_t())
    unsafe sigemptyset(&none)
    unsafe sigemptyset(&ours)
    unsafe sigaddset(&ours, SIGPIPE)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &ours)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var identifier = pid_t()
    let code = unsafe posix_spawnp(&identifier, path, &actions, &attributes, words, &variables)
    guard code == 0 else { throw Failure(.failed, "cannot start \(path): \(ErrorNumber.text(code))") }
    self.identifier = identifier
  }

  /// Our environment with `more`, as the kernel wants it; to be freed.
  private static func variables(with more: [String: [UInt8]]) -> [UnsafeMutablePointer<CChar>?] {
    var variables: [UnsafeMutablePointer<CChar>?] = unsafe []
    var next = unsafe environ
    while let entry = unsafe next.pointee {
      let name = unsafe String(cString: entry).prefix { $0 != "=" }
      if more[String(name)] == nil { unsafe variables.append(strdup(entry)) }
      unsafe next += 1
    }
    for (name, value) in more {
      // Text up to the first NUL, which none of these has.
      let text = ([UInt8]("\(name)=".utf8) + value).map { CChar(bitPattern: $0) } + [0]
      unsafe variables.append(strdup(text))
    }
    unsafe variables.append(nil)
    return unsafe variables
  }

  /// Waits for its end; its exit status, or 128 and the signal that ended it.
  func wait() -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }
}
