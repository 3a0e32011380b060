/// One line of JSON (RFC 8259), for programs.
enum JSON {
  enum Value {
    case string(String)
    /// Bytes of a name: as text if they are UTF-8, else with each other byte replaced by U+FFFD.
    case text([UInt8])
    case number(Int64)
    case flag(Bool)
    case list([Value])
    case null
  }

  static func object(_ members: [(String, Value)]) -> String {
    "{" + members.map { "\(quote($0))\u{3A}\(render($1))" }.joined(separator: ",") + "}"
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
