/// Reading of SSH's binary encoding: ranges of the input, so that nothing secret is copied.
///
/// Source: RFC 4251, section 5.
struct Wire: ~Copyable {
  /// Offset of the next byte to be read.
  private(set) var position: Int
  private let end: Int
  private let malformed: SSHSignatureError

  /// A reader of `range` of some bytes, which each call must be given again.
  ///
  /// Every call throws `malformed` if the bytes end within its value.
  init(_ range: Range<Int>, malformed: SSHSignatureError) {
    self.malformed = malformed
    position = range.lowerBound
    end = range.upperBound
  }

  /// Checks that everything is read.
  func finish() throws(SSHSignatureError) {
    guard position == end else { throw malformed }
  }

  /// The bytes not yet read.
  var rest: Range<Int> { position..<end }

  /// The next `count` bytes.
  mutating func bytes(_ count: Int) throws(SSHSignatureError) -> Range<Int> {
    guard count <= end - position else { throw malformed }
    defer { position += count }
    return position..<position + count
  }

  /// A big-endian "uint32".
  mutating func uint32(_ source: Span<UInt8>) throws(SSHSignatureError) -> UInt32 {
    var number: UInt32 = 0
    for index in try bytes(4) { number = number << 8 | UInt32(source[index]) }
    return number
  }

  /// A "string": its length, then its bytes, which are returned.
  mutating func string(_ source: Span<UInt8>) throws(SSHSignatureError) -> Range<Int> {
    try bytes(Int(try uint32(source)))
  }
}

extension Span where Element == UInt8 {
  /// Whether the bytes of `range` are those of `other`; not in constant time.
  func holds(_ other: some Collection<UInt8>, in range: Range<Int>) -> Bool {
    guard other.count == range.count else { return false }
    var offset = range.lowerBound
    for byte in other {
      guard self[offset] == byte else { return false }
      offset += 1
    }
    return true
  }

  /// A copy of `range`, for what is not secret.
  func copy(_ range: Range<Int>) -> [UInt8] {
    [UInt8](capacity: range.count) { (output: inout OutputSpan<UInt8>) in
      for index in range { output.append(self[index]) }
    }
  }
}

/// Writing of SSH's binary encoding.
extension OutputSpan where Element == UInt8 {
  mutating func append(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { append(byte) }
  }

  mutating func append(_ bytes: Span<UInt8>) {
    for index in 0..<bytes.count { append(bytes[index]) }
  }

  /// Appends a big-endian "uint32"; traps if `number` is none.
  mutating func append(uint32 number: Int) {
    let number = UInt32(number)
    for shift: UInt32 in [24, 16, 8, 0] { append(UInt8(truncatingIfNeeded: number >> shift)) }
  }

  mutating func append(string bytes: Span<UInt8>) {
    append(uint32: bytes.count)
    append(bytes)
  }

  /// Appends a "string": its length, then its bytes.
  mutating func append(string bytes: some Collection<UInt8>) {
    append(uint32: bytes.count)
    append(bytes)
  }
}
