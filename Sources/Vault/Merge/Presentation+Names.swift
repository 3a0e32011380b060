internal import VirtualFS

// MARK: names in .conflicts
extension Presentation {
  /// Whether all paths are `.conflicts`, or lie in it.
  static func isAside(_ paths: [[UInt8]]) -> Bool {
    paths.allSatisfy { $0 == directory || $0.starts(with: directory + [0x2F]) } && !paths.isEmpty
  }

  /// `.conflicts/PATH~XXXXXXXX`, or with all digits.
  static func aside(_ path: [UInt8], of key: ObjectKey, isLong: Bool) -> [UInt8] {
    var suffix: [UInt8] = []
    if isLong || key.lost == nil { suffix = [0x7E] + key.object.hex.utf8.prefix(isLong ? 32 : 8) }
    if let lost = key.lost {
      suffix += [0x7E] + (0..<8).map { Hex.digit(UInt8(truncatingIfNeeded: lost >> UInt32(28 - 4 * $0)) & 15) }
    }
    // A name has at most 255 bytes.
    let name = path.split(separator: 0x2F, omittingEmptySubsequences: false).last ?? []
    let surplus = max(0, name.count + suffix.count - Name.limit)
    return directory + [0x2F] + path.dropLast(surplus) + suffix
  }

  /// The path that was lost by what is stored at `path` in `.conflicts/`; nil if it is not there, or the name does not tell.
  static func place(of path: [UInt8]) -> [UInt8]? {
    let digits = path.suffix(8)
    guard isAside([path]), path.count > directory.count + 10, path[path.count - 9] == 0x7E,
      digits.allSatisfy({ Hex.value($0) != nil })
    else { return nil }
    let place = Array(path[(directory.count + 1)..<(path.count - 9)])
    return place.last == 0x2F ? nil : place
  }
}
