internal import Glibc
internal import Synchronization
package import Vault

/// Lines about what single peers do: of each peer one a minute at most, and how many were left out, so that no peer fills a log.
package final class PeerLog: Sendable {
  private struct Entry {
    /// When a line was last written, in seconds of a clock that is never set.
    var last: Int64
    var leftOut = 0
  }

  private let entries = Mutex<[NodeID: Entry]>([:])
  private let write: @Sendable (String) -> Void
  private let now: @Sendable () -> Int64

  private static let pause: Int64 = 60
  /// Peers that are kept in mind.
  private static let limit = 1024

  /// A log that passes its lines to `write`; `now`: seconds of a clock that is never set.
  package init(
    now: @escaping @Sendable () -> Int64 = PeerLog.seconds, write: @escaping @Sendable (String) -> Void
  ) {
    (self.now, self.write) = (now, write)
  }

  /// Writes a sentence about `node`, or counts it.
  package func complain(_ node: NodeID, _ sentence: String) {
    let now = now()
    let leftOut = entries.withLock { entries -> Int? in
      if let entry = entries[node], now - entry.last < PeerLog.pause {
        entries[node]?.leftOut += 1
        return nil
      }
      let leftOut = entries[node]?.leftOut ?? 0
      entries[node] = Entry(last: now)
      if entries.count > PeerLog.limit, let oldest = entries.min(by: { $0.value.last < $1.value.last }) {
        entries[oldest.key] = nil
      }
      return leftOut
    }
    guard let leftOut else { return }
    write(leftOut == 0 ? sentence : "\(sentence) (and \(leftOut) times more since the last such line)")
  }

  /// Writes how much was left out of what no line has been written of since.
  package func finish() {
    let entries = entries.withLock { entries in
      defer { entries = [:] }
      return entries.filter { $0.value.leftOut > 0 }
    }
    for (node, entry) in entries.sorted(by: { $0.key < $1.key }) {
      write("\(entry.leftOut) more lines about \(node.short) were left out")
    }
  }

  /// Seconds since some time in the past.
  package static func seconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec)
  }
}
