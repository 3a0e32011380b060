import Dispatch
import Glibc
import Synchronization

/// How far a transfer has come: one line on the terminal that stderr is, rewritten in place, and gone at the end.
///
/// Nothing is written where stderr is no terminal, nor of what is done soon.
final class ProgressLine: Sendable {
  enum Direction: Int {
    case incoming
    case outgoing
  }

  private struct State {
    /// By ``Direction``.
    var meters: [TransferMeter?] = [nil, nil]
    /// What ends the running thread; nil while nothing is shown.
    var ending: DispatchSemaphore?
    /// Characters on the terminal.
    var width = 0
  }

  private let state = Mutex(State())
  /// The one that is shown.
  private static let current = Mutex<ProgressLine?>(nil)

  /// Nobody wants to read of what takes no longer.
  private static let patience = DispatchTimeInterval.milliseconds(500)
  private static let interval = DispatchTimeInterval.milliseconds(200)

  /// Shows what is noted while `body` runs.
  func during<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    guard isatty(2) == 1 else { return try body() }
    let ending = DispatchSemaphore(value: 0)
    state.withLock { $0.ending = ending }
    ProgressLine.current.withLock { $0 = self }
    // A thread, so that a transfer that stands still is seen to.
    BackgroundThread.start { [self] in
      var wait = ProgressLine.patience
      while ending.wait(timeout: .now() + wait) == .timedOut {
        draw(until: ending)
        wait = ProgressLine.interval
      }
    }
    defer {
      ending.signal()
      ProgressLine.current.withLock { $0 = nil }
      state.withLock { state in
        ProgressLine.write("", over: &state.width)
        state = State()
      }
    }
    return try body()
  }

  /// Notes how far one direction is; may come from any thread, and often.
  func note(_ direction: Direction, _ update: (inout TransferMeter) -> Void) {
    state.withLock { state in
      guard state.ending != nil else { return }
      var meter = state.meters[direction.rawValue] ?? TransferMeter()
      update(&meter)
      state.meters[direction.rawValue] = meter
    }
  }

  /// Makes room for another line; what is shown comes back below it.
  static func clear() {
    current.withLock { $0 }?.state.withLock { write("", over: &$0.width) }
  }

  private func draw(until ending: DispatchSemaphore) {
    let now = DispatchTime.now().uptimeNanoseconds
    state.withLock { state in
      guard state.ending === ending, ProgressLine.isInForeground else { return }
      let parts = state.meters.indices.compactMap { state.meters[$0]?.text(at: now) }
      if !parts.isEmpty { ProgressLine.write(parts.joined(separator: "; "), over: &state.width) }
    }
  }

  /// Writes a line over one that is there, with spaces, as any terminal can; an empty one leaves the cursor at its beginning.
  private static func write(_ text: String, over width: inout Int) {
    var text = text
    var size = winsize()
    if unsafe ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 {
      text = String(text.prefix(Int(size.ws_col) - 1))
    }
    let rest = String(repeating: " ", count: max(0, width - text.count))
    if width > 0 || !text.isEmpty { Console.write([UInt8]("\r\(text)\(rest)\(text.isEmpty ? "\r" : "")".utf8), to: 2) }
    width = text.count
  }

  /// A job in the background leaves the terminal to others.
  private static var isInForeground: Bool {
    let group = tcgetpgrp(2)
    return group < 0 || group == getpgrp()
  }
}
