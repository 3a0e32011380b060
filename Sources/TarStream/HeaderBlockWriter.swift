/// Fills header blocks within a span of zeros.
enum HeaderBlockWriter {
  /// Puts `number` as zero-padded octal digits and a NUL; beyond the digits' range in GNU's base 256.
  static func put(
    _ number: UInt64, in field: HeaderField, ofBlockAt base: Int, _ bytes: inout MutableSpan<UInt8>
  ) {
    let start = base + field.offset
    var rest = number
    guard number <= field.octalLimit else {
      for index in stride(from: start + field.length - 1, to: start, by: -1) {
        bytes[index] = UInt8(truncatingIfNeeded: rest)
        rest >>= 8
      }
      bytes[start] = 0x80
      return
    }
    for index in stride(from: start + field.length - 2, through: start, by: -1) {
      bytes[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest & 7)
      rest >>= 3
    }
  }

  /// Puts `text`, cut to the field's length.
  static func put(
    _ text: some Collection<UInt8>, in field: HeaderField, ofBlockAt base: Int, _ bytes: inout MutableSpan<UInt8>
  ) {
    var index = base + field.offset
    let end = index + field.length
    for byte in text {
      guard index < end else { return }
      bytes[index] = byte
      index += 1
    }
  }

  /// Puts type, magic and last the checksum: the other fields must be there already.
  static func seal(type: UInt8, blockAt base: Int, _ bytes: inout MutableSpan<UInt8>) {
    bytes[base + HeaderField.type.offset] = type
    put("ustar\u{0}00".utf8, in: .magic, ofBlockAt: base, &bytes)
    // "the chksum field … were all spaces"; historically six digits, NUL, space.
    var sum = 8 * UInt64(UInt8(ascii: " "))
    for index in base..<base + TarMember.blockSize { sum += UInt64(bytes[index]) }
    put(sum, in: HeaderField(offset: HeaderField.checksum.offset, length: 7), ofBlockAt: base, &bytes)
    bytes[base + HeaderField.checksum.offset + 7] = UInt8(ascii: " ")
  }
}
