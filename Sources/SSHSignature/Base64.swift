/// Base 64 without tables, so that no memory access depends on the bytes of a key.
///
/// Source: RFC 4648, section 4.
enum Base64 {
  /// Characters for `byteCount` bytes, with padding.
  static func encodedCount(_ byteCount: Int) -> Int { (byteCount + 2) / 3 * 4 }

  /// Appends `bytes` in base 64 with padding; a newline after each full line of `lineLength`, and after the last one.
  static func encode(_ bytes: Span<UInt8>, lineLength: Int? = nil, to output: inout OutputSpan<UInt8>) {
    var column = 0
    func put(_ character: UInt8, _ output: inout OutputSpan<UInt8>) {
      output.append(character)
      column += 1
      if column == lineLength {
        output.append(UInt8(ascii: "\n"))
        column = 0
      }
    }
    let count = bytes.count
    for start in stride(from: 0, to: count, by: 3) {
      let left = count - start
      let group =
        UInt32(bytes[start]) << 16 | (left > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
        | (left > 2 ? UInt32(bytes[start + 2]) : 0)
      put(character(group >> 18 & 63), &output)
      put(character(group >> 12 & 63), &output)
      put(left > 1 ? character(group >> 6 & 63) : UInt8(ascii: "="), &output)
      put(left > 2 ? character(group & 63) : UInt8(ascii: "="), &output)
    }
    if lineLength != nil, column > 0 { output.append(UInt8(ascii: "\n")) }
  }

  /// Bytes that `text[range]`, of whole lines, decodes to; nil if the padding is wrong.
  static func decodedCount(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var characters = 0
    var padding = 0
    for index in range where text[index] != UInt8(ascii: "\n") {
      characters += 1
      if text[index] == UInt8(ascii: "=") {
        padding += 1
      } else if padding > 0 {
        return nil
      }
    }
    guard characters.isMultiple(of: 4), padding <= 2, padding < max(characters, 1) else { return nil }
    return characters / 4 * 3 - padding
  }

  /// Appends the bytes of `text[range]`, whose newlines are skipped; ``decodedCount(_:_:)`` of them if all is right.
  ///
  /// - Returns: False for a foreign character, or bits after the last byte that are not 0: the text must be the only
  ///   one of its bytes. `output` then holds rubbish.
  static func decode(_ text: Span<UInt8>, _ range: Range<Int>, to output: inout OutputSpan<UInt8>) -> Bool {
    var group: UInt32 = 0
    var bits: UInt32 = 0
    var isForeign: UInt32 = 0
    for index in range {
      let character = text[index]
      if character == UInt8(ascii: "\n") || character == UInt8(ascii: "=") { continue }
      let value = value(of: character)
      isForeign |= value >> 6
      group = group << 6 | value & 63
      bits += 6
      if bits >= 8 {
        bits -= 8
        output.append(UInt8(truncatingIfNeeded: group >> bits))
      }
    }
    return isForeign == 0 && group & ((1 << bits) - 1) == 0
  }

  /// All ones if `low` <= `value` <= `high`, else 0; all are below 2^31.
  private static func mask(_ value: UInt32, _ low: UInt32, _ high: UInt32) -> UInt32 {
    // The differences have their top bits set where the value is outside.
    (((value &- low) | (high &- value)) >> 31) &- 1
  }

  private static func character(_ value: UInt32) -> UInt8 {
    UInt8(
      truncatingIfNeeded: mask(value, 0, 25) & (value &+ 65) | mask(value, 26, 51) & (value &+ 71)
        | mask(value, 52, 61) & (value &- 4) | mask(value, 62, 62) & 43 | mask(value, 63, 63) & 47)
  }

  /// 0...63, or a number beyond.
  private static func value(of character: UInt8) -> UInt32 {
    let code = UInt32(character)
    let isLetter = mask(code, 65, 90) | mask(code, 97, 122)
    let isOther = mask(code, 48, 57) | mask(code, 43, 43) | mask(code, 47, 47)
    return mask(code, 65, 90) & (code &- 65) | mask(code, 97, 122) & (code &- 71) | mask(code, 48, 57) & (code &+ 4)
      | mask(code, 43, 43) & 62 | mask(code, 47, 47) & 63 | ~(isLetter | isOther) & 64
  }
}
