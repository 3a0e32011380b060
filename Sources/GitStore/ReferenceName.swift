/// What git allows as the name of a reference (git-check-ref-format(1)).
enum ReferenceName {
  /// Whether `name` is `HEAD` or a full name below `refs/` that git allows; such a name is also a safe relative path.
  static func isAllowed(_ name: String) -> Bool {
    if name == "HEAD" { return true }
    // By bytes and in one pass: every change of a reference asks several times.
    let bytes = Array(name.utf8)
    guard bytes.count <= 1024, bytes.starts(with: "refs/".utf8), let last = bytes.last else { return false }
    let (slash, dot) = (UInt8(ascii: "/"), UInt8(ascii: "."))
    var previous = slash
    var start = 0
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case 0...0x20, 0x7F: return false
      case UInt8(ascii: "~"), UInt8(ascii: "^"), UInt8(ascii: ":"), UInt8(ascii: "?"), UInt8(ascii: "*"),
        UInt8(ascii: "["), UInt8(ascii: "\\"):
        return false
      case UInt8(ascii: "{") where previous == UInt8(ascii: "@"): return false
      case dot where previous == dot || previous == slash: return false
      case slash:
        if previous == slash || bytes[start..<index].isLock { return false }
        start = index + 1
      default: break
      }
      previous = byte
    }
    return last != slash && last != dot && !bytes[start...].isLock
  }
}

extension ArraySlice<UInt8> {
  /// Whether it ends as a lock file's name does.
  fileprivate var isLock: Bool { suffix(5).elementsEqual(".lock".utf8) }
}
