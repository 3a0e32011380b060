/// A header block whose checksum is right.
struct HeaderBlock: ~Copyable {
  enum Format {
    /// No magic: the tar of Unix V7.
    case v7
    case ustar
    /// GNU tar's own, from before pax.
    case gnu
  }

  private let bytes: [UInt8]
  let format: Format

  var type: UInt8 { bytes[HeaderField.type.offset] }

  /// The block at `offset` of `source`, or nil if it is all zeros: an archive's end.
  ///
  /// - Throws: ``TarError/badChecksum``.
  init?(_ source: Span<UInt8>, at offset: Int) throws(TarError) {
    let bytes = [UInt8](capacity: TarMember.blockSize) { (output: inout OutputSpan<UInt8>) in
      for index in offset..<offset + TarMember.blockSize { output.append(source[index]) }
    }
    var sum: UInt64 = 0
    for byte in bytes { sum += UInt64(byte) }
    guard sum != 0 else { return nil }
    let field = HeaderField.checksum
    // The field counts as spaces.
    for index in field.offset..<field.offset + field.length { sum = sum + 0x20 - UInt64(bytes[index]) }
    let stated: UInt64?
    do throws(TarError) { stated = try Self.octal(bytes[field.offset..<field.offset + field.length]) } catch {
      stated = nil
    }
    guard stated == sum else { throw .badChecksum }
    self.bytes = bytes

    let magic = bytes[HeaderField.magic.offset..<HeaderField.magic.offset + 6]
    if magic.elementsEqual("ustar\u{0}".utf8) {
      format = .ustar
    } else if magic.elementsEqual("ustar ".utf8) {
      format = .gnu
    } else {
      format = .v7
    }
  }

  /// The bytes before the field's first NUL, or all of it.
  func text(_ field: HeaderField) -> [UInt8] {
    [UInt8](bytes[field.offset..<field.offset + field.length].prefix { $0 != 0 })
  }

  /// The number in the field, in octal or base 256.
  ///
  /// - Throws: ``TarError/malformedHeader`` for anything else, and what does not fit an Int64.
  func number(_ field: HeaderField) throws(TarError) -> Int64 {
    let digits = bytes[field.offset..<field.offset + field.length]
    guard let first = digits.first, first & 0x80 != 0 else {
      guard let number = Int64(exactly: try Self.octal(digits)) else { throw .malformedHeader }
      return number
    }
    // GNU tar's base 256: two's complement below the bit that marks it, so bit 6 of the first byte is the sign.
    var number: Int64 = first & 0x40 == 0 ? Int64(first & 0x3F) : Int64(first & 0x3F) - 0x40
    for byte in digits.dropFirst() {
      let (shifted, overflow) = number.multipliedReportingOverflow(by: 256)
      guard !overflow else { throw .malformedHeader }
      number = shifted | Int64(byte)
    }
    return number
  }

  /// Octal digits after spaces, up to a NUL, a space or the end; nothing but NULs and spaces is 0.
  private static func octal(_ field: ArraySlice<UInt8>) throws(TarError) -> UInt64 {
    var rest = field.drop { $0 == 0x20 }
    var number: UInt64 = 0
    while let digit = rest.first, digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "7") {
      number = number << 3 | UInt64(digit & 7)  // at most 12 digits: 36 bits
      rest = rest.dropFirst()
    }
    guard rest.first.map({ $0 == 0 || $0 == 0x20 }) ?? true else { throw .malformedHeader }
    return number
  }
}
