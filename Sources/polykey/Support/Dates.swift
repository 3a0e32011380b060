import Glibc

/// Times for people and programs.
enum Dates {
  /// `2026-11-24T03:00:00Z`.
  static func iso(_ seconds: Int64) -> String { format(seconds, "%Y-%m-%dT%H:%M:%SZ", local: false) }

  /// `2026-11-24 03:00:00` in the local time zone.
  static func local(_ seconds: Int64) -> String { format(seconds, "%Y-%m-%d %H:%M:%S", local: true) }

  private static func format(_ seconds: Int64, _ pattern: String, local: Bool) -> String {
    var time = time_t(seconds)
    var fields = unsafe tm()
    if local { unsafe localtime_r(&time, &fields) } else { unsafe gmtime_r(&time, &fields) }
    var text = [CChar](repeating: 0, count: 64)
    let count = unsafe strftime(&text, text.count, pattern, &fields)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
