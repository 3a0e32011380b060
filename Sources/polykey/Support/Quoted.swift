/// Names as git shows them: one that could be mistaken for more than a name is in double quotes, with the escapes of C.
enum Quoted {
  /// For a person: quoted if it has control characters, such as turn the direction of text, bytes that are not UTF-8, `"` or `\`.
  static func forTerminal(_ name: [UInt8]) -> [UInt8] { isPlain(name) ? name : quote(name) }

  /// For a program that reads lines: as it is, unless it has a newline or begins as a quoted one does.
  static func forLines(_ name: [UInt8]) -> [UInt8] {
    name.first == UInt8(ascii: "\"") || name.contains(0x0A) ? quote(name) : name
  }

  /// For a sentence.
  static func text(_ name: [UInt8]) -> String { String(decoding: forTerminal(name), as: UTF8.self) }

  private static func isPlain(_ name: [UInt8]) -> Bool {
    Characters(name).allSatisfy { piece in
      guard let scalar = piece.scalar else { return false }
      return isHarmless(scalar) && scalar != "\"" && scalar != "\\"
    }
  }

  private static func quote(_ name: [UInt8]) -> [UInt8] {
    var quoted = [UInt8(ascii: "\"")]
    for piece in Characters(name) {
      switch piece.scalar {
      case "\""?, "\\"?: quoted += [UInt8(ascii: "\\")] + piece.bytes
      case let scalar? where isHarmless(scalar): quoted += piece.bytes
      default: for byte in piece.bytes { quoted += escape(byte) }
      }
    }
    return quoted + [UInt8(ascii: "\"")]
  }

  private static func escape(_ byte: UInt8) -> [UInt8] {
    let letters: [UInt8: String] = [7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"]
    let digits = String(byte, radix: 8)
    return [UInt8](("\\" + (letters[byte] ?? String(repeating: "0", count: 3 - digits.count) + digits)).utf8)
  }

  /// Whether a terminal just shows it, where it is.
  static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: false
    default: !scalar.properties.isBidiControl
    }
  }
}
