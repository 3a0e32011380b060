/// A value of a pax record, formatted when it is written.
enum PaxValue {
  case bytes([UInt8])
  /// A directory's path, to be written with "/" after it.
  case directory([UInt8])
  case number(UInt64)
  case time(TarMember.Time)

  /// Bytes that ``append(to:)`` appends.
  var count: Int {
    switch self {
    case .bytes(let bytes): bytes.count
    case .directory(let path): path.count + 1
    case .number(let number): decimalDigits(of: number)
    case .time(let time):
      (time.isNegative ? 1 : 0) + decimalDigits(of: time.magnitude.seconds)
        + (time.nanoseconds == 0 ? 0 : 1 + time.fraction.digits)
    }
  }

  func append(to output: inout OutputSpan<UInt8>) {
    switch self {
    case .bytes(let bytes): output.append(bytes)
    case .directory(let path):
      output.append(path)
      output.append(UInt8(ascii: "/"))
    case .number(let number): output.append(decimal: number, digits: decimalDigits(of: number))
    case .time(let time):
      if time.isNegative { output.append(UInt8(ascii: "-")) }
      let whole = time.magnitude.seconds
      output.append(decimal: whole, digits: decimalDigits(of: whole))
      if time.nanoseconds != 0 {
        output.append(UInt8(ascii: "."))
        output.append(decimal: UInt64(time.fraction.value), digits: time.fraction.digits)
      }
    }
  }
}

extension TarMember.Time {
  fileprivate var isNegative: Bool { seconds < 0 }

  /// The distance from 1970: pax times are decimal fractions, so -2 s and 500_000_000 ns are written "-1.5".
  fileprivate var magnitude: (seconds: UInt64, nanoseconds: UInt32) {
    if !isNegative { return (UInt64(seconds), nanoseconds) }
    return nanoseconds == 0 ? (seconds.magnitude, 0) : (seconds.magnitude - 1, 1_000_000_000 - nanoseconds)
  }

  /// The decimal fraction without its trailing zeros.
  fileprivate var fraction: (value: UInt32, digits: Int) {
    var value = magnitude.nanoseconds
    var digits = 9
    while digits > 1, value.isMultiple(of: 10) {
      value /= 10
      digits -= 1
    }
    return (value, digits)
  }
}

func decimalDigits(of number: UInt64) -> Int {
  var digits = 1
  var rest = number / 10
  while rest > 0 {
    digits += 1
    rest /= 10
  }
  return digits
}

extension OutputSpan where Element == UInt8 {
  mutating func append(_ bytes: [UInt8]) {
    for byte in bytes { append(byte) }
  }

  mutating func append(decimal number: UInt64, digits: Int) {
    var divisor: UInt64 = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
      divisor /= 10
    }
  }

  /// Appends "LENGTH KEYWORD=VALUE\n", where KEYWORD is `keyword` and `suffix` and LENGTH counts the whole record.
  ///
  /// "=" and "%" of `suffix` are escaped as GNU tar does ("%3D", "%25"), since a keyword ends at its first "=".
  mutating func appendRecord(_ keyword: String, suffix: [UInt8] = [], _ value: PaxValue) {
    var rest = 3 + keyword.utf8.count + suffix.count + value.count
    for byte in suffix where byte == UInt8(ascii: "=") || byte == UInt8(ascii: "%") { rest += 2 }
    var digits = decimalDigits(of: UInt64(rest))
    while decimalDigits(of: UInt64(rest + digits)) > digits { digits += 1 }
    append(decimal: UInt64(rest + digits), digits: digits)
    append(UInt8(ascii: " "))
    for byte in keyword.utf8 { append(byte) }
    for byte in suffix {
      switch byte {
      case UInt8(ascii: "="): for escaped in "%3D".utf8 { append(escaped) }
      case UInt8(ascii: "%"): for escaped in "%25".utf8 { append(escaped) }
      default: append(byte)
      }
    }
    append(UInt8(ascii: "="))
    value.append(to: &self)
    append(UInt8(ascii: "\n"))
  }
}
