/// One line of JSON (RFC 8259), for programs.
enum JSON {
  enum Value {
    case string(String)
    /// Bytes of a name. If they are not UTF-8, what is not is replaced by U+FFFD, and the object has a member more with all bytes in base64,
    /// whose name ends in `Base64`; of a list that has such names, with all of them.
    case text([UInt8])
    case number(Int64)
    case flag(Bool)
    case list([Value])
    case null
  }

  static func object(_ members: [(String, Value)]) -> String {
    let all = members.flatMap { name, value in [(name, value)] + (exact(value).map { [("\(name)Base64", $0)] } ?? []) }
    return "{" + all.map { "\(quote($0))\u{3A}\(render($1))" }.joined(separator: ",") + "}"
  }

  /// The names of a value in base64, if text loses some of their bytes.
  private static func exact(_ value: Value) -> Value? {
    switch value {
    case .text(let bytes) where String(validating: bytes, as: UTF8.self) == nil: .string(base64(bytes))
    case .list(let values) where values.contains { exact($0) != nil }:
      .list(values.map { if case .text(let bytes) = $0 { .string(base64(bytes)) } else { $0 } })
    default: nil
    }
  }

  /// RFC 4648, with padding.
  private static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for place in 0...group.count { text.append(alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)]) }
      text += [UInt8](repeating: UInt8(ascii: "="), count: 3 - group.count)
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func render(_ value: Value) -> String {
    switch value {
    case .string(let string): quote(string)
    case .text(let bytes): quote(String(decoding: bytes, as: UTF8.self))
    case .number(let number): String(number)
    case .flag(let flag): flag ? "true" : "false"
    case .list(let values): "[" + values.map(render).joined(separator: ",") + "]"
    case .null: "null"
    }
  }

  private static func quote(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\u{0}"..."\u{1F}", "\u{7F}":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
