/// Who wrote a commit, and when: the author or committer line's parts.
package struct Person: Hashable, Sendable {
  /// The name's bytes, not empty, without `<`, `>`, newline and NUL, and without a space at either end.
  package var name: [UInt8]
  /// The address's bytes, without `<`, `>`, newline and NUL.
  package var address: [UInt8]
  /// Seconds since 1970, not negative.
  package var seconds: Int64
  /// Minutes east of UTC, -1,439...1,439.
  package var zone: Int

  package init(name: String, address: String, seconds: Int64, zone: Int = 0) {
    self.name = Array(name.utf8)
    self.address = Array(address.utf8)
    self.seconds = seconds
    self.zone = zone
  }

  /// The line after `author ` or `committer `.
  func encode() -> [UInt8] {
    let minutes = abs(zone)
    let hours = String(minutes / 60 + 100).dropFirst()
    let rest = String(minutes % 60 + 100).dropFirst()
    return name + Array(" <".utf8) + address
      + Array("> \(seconds) \(zone < 0 ? "-" : "+")\(hours)\(rest)".utf8)
  }

  /// Reads a line; nil unless it is what ``encode()`` gives.
  init?(parsing line: ArraySlice<UInt8>) {
    guard let open = line.firstIndex(of: UInt8(ascii: "<")),
      let close = line[open...].firstIndex(of: UInt8(ascii: ">")), line.endIndex - close > 8
    else { return nil }
    name = Array(line[..<open].dropLast())
    address = Array(line[(open + 1)..<close])
    let fields = line[(close + 2)...].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard fields.count == 2, let seconds = Int64(String(decoding: fields[0], as: UTF8.self)), seconds >= 0,
      fields[1].count == 5, let digits = Int(String(decoding: fields[1].dropFirst(), as: UTF8.self)),
      digits >= 0, digits / 100 < 24, digits % 100 < 60
    else { return nil }
    self.seconds = seconds
    let minutes = digits / 100 * 60 + digits % 100
    zone = fields[1].first == UInt8(ascii: "-") ? -minutes : minutes
    // Comparing with the encoding refuses every other spelling: leading zeros, missing spaces, `-0000`.
    guard isAllowed, encode() == Array(line) else { return nil }
  }

  var isAllowed: Bool {
    let space = UInt8(ascii: " ")
    // NUL, newline, "<" and ">".
    func isForbidden(_ byte: UInt8) -> Bool { byte == 0 || byte == 0x0A || byte == 0x3C || byte == 0x3E }
    // fsck refuses an empty name (missingNameBeforeEmail).
    return !name.isEmpty && !name.contains(where: isForbidden) && !address.contains(where: isForbidden)
      && name.first != space && name.last != space && seconds >= 0 && abs(zone) < 1440
  }
}
