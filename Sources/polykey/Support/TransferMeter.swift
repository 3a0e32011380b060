/// How far one direction of a transfer is, and how fast it goes.
struct TransferMeter {
  /// What is done, as in "receiving".
  private(set) var action = ""
  private(set) var byteCount: UInt64 = 0
  private var totalBytes: UInt64?
  private var objects: (count: Int, total: Int)?
  /// The last two seconds.
  private var samples: [(time: UInt64, byteCount: UInt64)] = []
  /// Bytes of the part that is under way.
  private var partCount: UInt64 = 0

  private static let sampleLimit = 10

  mutating func set(
    _ action: String, byteCount: UInt64 = 0, of totalBytes: UInt64? = nil, objects: (count: Int, total: Int)? = nil
  ) {
    if action != self.action || byteCount < self.byteCount { samples = [] }
    (self.action, self.byteCount, self.totalBytes, self.objects) = (action, byteCount, totalBytes, objects)
  }

  /// Counts on through parts of which each begins at 0.
  mutating func advance(_ action: String, partCount: UInt64, isComplete: Bool) {
    let new = partCount >= self.partCount ? partCount - self.partCount : partCount
    self.partCount = isComplete ? 0 : partCount
    set(action, byteCount: byteCount + new)
  }

  /// What is shown, as in `receiving 12 of 300 objects, 12.0 MiB, 4.1 MiB/s`, without what is not known; to be asked at regular times.
  ///
  /// - Parameter time: Now, in nanoseconds.
  /// - Returns: ASCII.
  mutating func text(at time: UInt64) -> String {
    var parts: [String] = []
    if let objects, objects.total > 0 { parts.append("\(objects.count) of \(objects.total) objects") }
    if let totalBytes {
      parts.append("\(TransferMeter.size(byteCount)) of \(TransferMeter.size(totalBytes))")
    } else if byteCount > 0 {
      parts.append(TransferMeter.size(byteCount))
    }
    samples.append((time, byteCount))
    if samples.count > TransferMeter.sampleLimit { samples.removeFirst() }
    if byteCount > 0, samples.count > 1, time > samples[0].time {
      let rate = Double(byteCount - samples[0].byteCount) * 1e9 / Double(time - samples[0].time)
      parts.append("\(TransferMeter.size(UInt64(rate)))/s")
    }
    return parts.isEmpty ? action : "\(action) \(parts.joined(separator: ", "))"
  }

  /// `12.3 MiB`.
  static func size(_ count: UInt64) -> String {
    var (tenths, unit) = (count, "B")
    if count < 1024 { return "\(count) B" }
    for next in ["KiB", "MiB", "GiB", "TiB"] {
      (tenths, unit) = (unit == "B" ? tenths * 10 / 1024 : tenths / 1024, next)
      if tenths < 10_240 { break }
    }
    return "\(tenths / 10).\(tenths % 10) \(unit)"
  }
}
