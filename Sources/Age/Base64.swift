internal import SecretMemory

/// Standard Base 64 (RFC 4648, section 4), canonical only; without padding in headers, with it in armor.
enum Base64 {
  private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  private static let padding = UInt8(ascii: "=")

  /// The number of characters that `byteCount` bytes take without padding.
  static func encodedCount(_ byteCount: Int) -> Int { (byteCount * 4 + 2) / 3 }

  /// Appends the encoding of `bytes` to `output`.
  static func append(_ bytes: RawSpan, to output: inout [UInt8], padded: Bool = false) {
    let input = unsafe bytes.pointer
    let alphabet = unsafe alphabet.raw
    var index = 0
    while index < input.count {
      let taken = min(3, input.count - index)
      var group = UInt32(unsafe input[index]) << 16
      if taken > 1 { group |= UInt32(unsafe input[index + 1]) << 8 }
      if taken > 2 { group |= UInt32(unsafe input[index + 2]) }
      for position in 0...taken {
        output.append(unsafe alphabet[Int(group >> (18 - 6 * UInt32(position))) & 63])
      }
      if padded { for _ in taken..<3 { output.append(padding) } }
      index += taken
    }
  }

  /// Decodes all of `text` into the beginning of `output`.
  ///
  /// - Parameters:
  ///   - text: Base64 of at most `output`'s size when decoded.
  ///   - output: Receives the bytes.
  ///   - padded: Whether the encoding must end with `=` where its length asks for it; otherwise there must be none.
  /// - Returns: The number of bytes; nil if `text` is not canonical base64 or does not fit.
  static func decode(
    _ text: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, padded: Bool = false
  ) -> Int? {
    var count = text.count
    if padded {
      guard count % 4 == 0 else { return nil }
      for _ in 0..<2 where count > 0 && (unsafe text[count - 1] == padding) { count -= 1 }
    }
    // Three more characters than a multiple of four hold two bytes, two hold one, and a lone one holds none.
    guard count % 4 != 1, count * 3 / 4 <= output.count else { return nil }
    var written = 0
    var group: UInt32 = 0
    for index in 0..<count {
      guard let value = unsafe Self.value(of: text[index]) else { return nil }
      group = group << 6 | value
      if index % 4 == 3 {
        unsafe output[written] = UInt8(truncatingIfNeeded: group >> 16)
        unsafe output[written + 1] = UInt8(truncatingIfNeeded: group >> 8)
        unsafe output[written + 2] = UInt8(truncatingIfNeeded: group)
        written += 3
        group = 0
      }
    }
    switch count % 4 {
    case 2:
      // "decoders MUST reject non-canonical encodings": the spare bits are zero.
      guard group & 0xF == 0 else { return nil }
      unsafe output[written] = UInt8(truncatingIfNeeded: group >> 4)
      written += 1
    case 3:
      guard group & 0x3 == 0 else { return nil }
      unsafe output[written] = UInt8(truncatingIfNeeded: group >> 10)
      unsafe output[written + 1] = UInt8(truncatingIfNeeded: group >> 2)
      written += 2
    default: break
    }
    return written
  }

  @inline(__always)
  private static func value(of character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
