/// What pax extended headers say of a member.
///
/// Source: POSIX.1-2017, pax, "pax Extended Header"; GNU tar and star for the names with capitals.
struct PaxRecords {
  /// A text that a record can also delete ("If the value field is zero length, it shall delete any header block field").
  enum Text {
    case absent
    case deleted
    case value([UInt8])

    /// The value, or what the header block has.
    func or(_ block: [UInt8]?) -> [UInt8]? {
      switch self {
      case .absent: block
      case .deleted: nil
      case .value(let value): value
      }
    }
  }

  var path: [UInt8]?
  var linkPath: [UInt8]?
  var userName = Text.absent
  var groupName = Text.absent
  var userID: UInt32?
  var groupID: UInt32?
  var size: UInt64?
  var modified: TarMember.Time?
  var changed: TarMember.Time?
  var deviceMajor: UInt32?
  var deviceMinor: UInt32?
  var extendedAttributes: [[UInt8]: [UInt8]] = [:]

  /// Applies each record of an extended header; later ones win.
  ///
  /// - Throws: ``TarError/malformedRecord``, ``TarError/unsupportedSparseFile``.
  mutating func apply(_ records: ArraySlice<UInt8>) throws(TarError) {
    var rest = records
    while let first = rest.first {
      // "%d %s=%s\n", the length counting the whole record in decimal.
      guard first != UInt8(ascii: "0"), let space = rest.prefix(20).firstIndex(of: UInt8(ascii: " ")),
        let length = Int(exactly: try decimal(rest[..<space])), length <= rest.count
      else { throw .malformedRecord }
      let end = rest.startIndex + length
      guard end > space + 1, rest[end - 1] == UInt8(ascii: "\n"),
        let equals = rest[(space + 1)..<(end - 1)].firstIndex(of: UInt8(ascii: "=")), equals > space + 1
      else { throw .malformedRecord }
      try set(rest[(space + 1)..<equals], to: rest[(equals + 1)..<(end - 1)])
      rest = rest[end...]
    }
  }

  private mutating func set(_ keyword: ArraySlice<UInt8>, to value: ArraySlice<UInt8>) throws(TarError) {
    let attributePrefix = "SCHILY.xattr.".utf8
    if keyword.starts(with: attributePrefix) {
      let name = unescape(keyword.dropFirst(attributePrefix.count))
      guard !name.isEmpty, !name.contains(0) else { throw .malformedRecord }
      extendedAttributes[name] = [UInt8](value)
      return
    }
    if keyword.starts(with: "GNU.sparse.".utf8) { throw .unsupportedSparseFile }
    switch String(decoding: keyword, as: UTF8.self) {
    case "path": path = try text(value)
    case "linkpath": linkPath = try text(value)
    case "uname": userName = value.isEmpty ? .deleted : .value(try text(value))
    case "gname": groupName = value.isEmpty ? .deleted : .value(try text(value))
    case "uid": userID = try identifier(value)
    case "gid": groupID = try identifier(value)
    case "size":
      size = try decimal(value)
      guard size ?? 0 <= UInt64(Int64.max) else { throw .malformedRecord }
    case "mtime": modified = try time(value)
    case "ctime": changed = try time(value)
    case "SCHILY.devmajor": deviceMajor = try identifier(value)
    case "SCHILY.devminor": deviceMinor = try identifier(value)
    case "hdrcharset":
      // Names are bytes to us, so that both of POSIX's charsets read alike.
      guard value.elementsEqual("BINARY".utf8) || value.elementsEqual("ISO-IR 10646 2000 UTF-8".utf8) else {
        throw .malformedRecord
      }
    default: break  // "atime", "comment" and vendors' keywords, which readers may ignore
    }
  }
}

/// A name: not empty, as no member can do without it, and without NUL.
private func text(_ value: ArraySlice<UInt8>) throws(TarError) -> [UInt8] {
  guard !value.isEmpty, !value.contains(0) else { throw .malformedRecord }
  return [UInt8](value)
}

private func identifier(_ value: ArraySlice<UInt8>) throws(TarError) -> UInt32 {
  guard let number = UInt32(exactly: try decimal(value)) else { throw .malformedRecord }
  return number
}

/// Decimal digits, and nothing else.
private func decimal(_ digits: ArraySlice<UInt8>) throws(TarError) -> UInt64 {
  guard !digits.isEmpty else { throw .malformedRecord }
  var number: UInt64 = 0
  for digit in digits {
    guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { throw .malformedRecord }
    let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
    let (sum, carry) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
    guard !overflow, !carry else { throw .malformedRecord }
    number = sum
  }
  return number
}

/// A decimal fraction of seconds; what is finer than a nanosecond is rounded down.
private func time(_ value: ArraySlice<UInt8>) throws(TarError) -> TarMember.Time {
  let isNegative = value.first == UInt8(ascii: "-")
  let parts = value.dropFirst(isNegative ? 1 : 0)
    .split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
  guard let whole = Int64(exactly: try decimal(parts[0])) else { throw .malformedRecord }
  var nanoseconds: UInt32 = 0
  var isInexact = false
  if parts.count == 2 {
    guard !parts[1].isEmpty, parts[1].allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
      throw .malformedRecord
    }
    for index in 0..<9 {
      nanoseconds =
        nanoseconds * 10
        + UInt32(index < parts[1].count ? parts[1][parts[1].startIndex + index] - UInt8(ascii: "0") : 0)
    }
    isInexact = parts[1].dropFirst(9).contains { $0 != UInt8(ascii: "0") }
  }
  guard isNegative else { return TarMember.Time(seconds: whole, nanoseconds: nanoseconds) }
  // -(whole + fraction) as seconds below and nanoseconds after them; |whole| ≤ Int64.max leaves room for one more.
  if isInexact { nanoseconds += 1 }
  if nanoseconds == 0 { return TarMember.Time(seconds: -whole) }
  if nanoseconds == 1_000_000_000 { return TarMember.Time(seconds: -whole - 1) }
  return TarMember.Time(seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanoseconds)
}

/// Undoes GNU tar's "%3D" and "%25"; any other "%" stands for itself.
private func unescape(_ name: ArraySlice<UInt8>) -> [UInt8] {
  guard name.contains(UInt8(ascii: "%")) else { return [UInt8](name) }
  var result: [UInt8] = []
  var rest = name
  while let byte = rest.popFirst() {
    if byte == UInt8(ascii: "%"), rest.starts(with: "3D".utf8) {
      result.append(UInt8(ascii: "="))
      rest = rest.dropFirst(2)
    } else if byte == UInt8(ascii: "%"), rest.starts(with: "25".utf8) {
      result.append(byte)
      rest = rest.dropFirst(2)
    } else {
      result.append(byte)
    }
  }
  return result
}
