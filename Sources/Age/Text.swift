internal import SecretMemory

extension StaticString {
  /// The ASCII or UTF-8 bytes; they live for ever.
  var raw: UnsafeRawBufferPointer {
    // SAFETY: a static string of more than one character is stored as a pointer into the program's constants.
    unsafe UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes are exactly `text`.
  func equals(_ text: StaticString) -> Bool { unsafe elementsEqual(text.raw) }

  /// Whether the bytes begin with `text`.
  func begins(with text: StaticString) -> Bool { unsafe starts(with: text.raw) }

  /// The offset of the next line feed from `start`.
  func lineFeed(from start: Int) -> Int? {
    var index = start
    while index < count {
      if unsafe self[index] == 0x0A { return index }
      index += 1
    }
    return nil
  }
}

extension [UInt8] {
  /// Appends the ASCII bytes of `text`.
  mutating func append(_ text: StaticString) { unsafe append(contentsOf: text.raw) }

  /// Appends `bytes`.
  mutating func append(_ bytes: RawSpan) { unsafe append(contentsOf: bytes.pointer) }
}
