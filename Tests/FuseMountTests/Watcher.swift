import Glibc
import Synchronization
import TestSupport

/// A program's watches by inotify(7), in words.
final class Watcher: Sendable {
  private struct State {
    var labels: [Int32: String] = [:]
    var cookies: [UInt32: Int] = [:]
    var events: [String] = []
  }

  private static let kinds: [(mask: Int32, word: String)] = [
    (IN_OPEN, "OPEN"), (IN_MODIFY, "MODIFY"), (IN_CLOSE_WRITE, "CLOSE_WRITE"), (IN_ATTRIB, "ATTRIB"),
    (IN_CREATE, "CREATE"), (IN_DELETE, "DELETE"), (IN_DELETE_SELF, "DELETE_SELF"), (IN_MOVED_FROM, "MOVED_FROM"),
    (IN_MOVED_TO, "MOVED_TO"), (IN_MOVE_SELF, "MOVE_SELF"), (IN_IGNORED, "IGNORED"), (IN_Q_OVERFLOW, "OVERFLOW"),
  ]
  /// All but what tells of reading.
  static let all = kinds.reduce(UInt32(IN_DONT_FOLLOW)) { $0 | UInt32($1.mask) }
  static let changes = all & ~UInt32(IN_OPEN)

  private let descriptor: Int32
  private let state = Mutex(State())

  init() { descriptor = inotify_init1(Int32(IN_CLOEXEC)) }

  deinit { close(descriptor) }

  /// Watches what is at `path`.
  func watch(_ path: String, as label: String, _ mask: UInt32 = Watcher.all) throws {
    let watch = unsafe inotify_add_watch(descriptor, path, mask & ~UInt32(IN_IGNORED | IN_Q_OVERFLOW))
    guard watch >= 0 else { throw Program.Failure(description: "inotify: \(errno)") }
    state.withLock { $0.labels[watch] = label }
  }

  /// Takes what has come up to the event `last`; "LABEL KIND NAME #COOKIE", with "/" after a directory's name.
  ///
  /// Throws with what came when a minute has passed without an event.
  func events(until last: String) throws -> [String] {
    while true {
      let found = state.withLock { state -> [String]? in
        guard let index = state.events.firstIndex(of: last) else { return nil }
        defer { state.events.removeSubrange(...index) }
        return Array(state.events[...index])
      }
      if let found { return found }
      try wait(until: last)
    }
  }

  private func wait(until last: String) throws {
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe Glibc.poll(&poll, 1, 60_000) > 0 else {
      throw Program.Failure(description: "no \(last), but \(state.withLock { $0.events })")
    }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    var rest = bytes[..<max(0, count)]
    func word() -> UInt32 {
      defer { rest = rest.dropFirst(4) }
      return rest.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    while !rest.isEmpty {
      let (watch, mask, cookie, length) = (Int32(bitPattern: word()), word(), word(), Int(word()))
      let name = String(decoding: rest.prefix(length).prefix { $0 != 0 }, as: UTF8.self)
      rest = rest.dropFirst(length)
      state.withLock { state in
        var words = [state.labels[watch] ?? "-"]
        words += Watcher.kinds.filter { mask & UInt32($0.mask) != 0 }.map(\.word)
        if !name.isEmpty { words.append(name + (mask & UInt32(IN_ISDIR) != 0 ? "/" : "")) }
        if cookie != 0 {
          let number = state.cookies[cookie] ?? state.cookies.count + 1
          state.cookies[cookie] = number
          words.append("#\(number)")
        }
        state.events.append(words.joined(separator: " "))
      }
    }
  }
}
