internal import SecretMemory

/// Bech32 (BIP 173, without its length limit) of 32-byte keys; works on caller-given buffers only, as keys are secret.
enum Bech32 {
  /// Length of every key of age v1's native X25519 type in bytes.
  static let keyByteCount = 32

  private static let alphabet: StaticString = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
  private static let dataCharacters = (keyByteCount * 8 + 4) / 5
  private static let checksumCharacters = 6

  /// The length of a key's encoding under `prefix`.
  static func encodedCount(prefix: StaticString) -> Int {
    prefix.utf8CodeUnitCount + 1 + dataCharacters + checksumCharacters
  }

  /// Writes the encoding of `key`, 32 bytes, to `output`, which has exactly the encoded size.
  ///
  /// - Parameters:
  ///   - key: 32 bytes.
  ///   - prefix: The human-readable part, all upper or all lower case; the rest is written in the same case.
  ///   - output: Receives the characters.
  static func encode(_ key: RawSpan, prefix: StaticString, into output: UnsafeMutableRawBufferPointer) {
    precondition(key.byteCount == keyByteCount && output.count == encodedCount(prefix: prefix))
    let human = unsafe prefix.raw
    let isUpper = unsafe human.contains { isUppercase($0) }
    var written = 0
    func write(_ character: UInt8) {
      unsafe output[written] = character
      written += 1
    }
    func write(value: UInt32) {
      let character = unsafe alphabet.raw[Int(value)]
      write(isUpper && character >= UInt8(ascii: "a") ? character - 32 : character)
    }
    var checksum = unsafe Checksum(prefix: human)
    for index in 0..<human.count { write(unsafe human[index]) }
    write(UInt8(ascii: "1"))
    var bits: UInt32 = 0
    var bitCount = 0
    func writeData(_ value: UInt32) {
      checksum.add(value)
      write(value: value)
    }
    for index in 0..<keyByteCount {
      bits = (bits << 8 | UInt32(unsafe key.pointer[index])) & 0xFFF
      bitCount += 8
      while bitCount >= 5 {
        bitCount -= 5
        writeData(bits >> UInt32(bitCount) & 31)
      }
    }
    if bitCount > 0 { writeData(bits << UInt32(5 - bitCount) & 31) }
    let sum = checksum.final()
    for position in 0..<checksumCharacters { write(value: sum >> UInt32(25 - 5 * position) & 31) }
  }

  /// Decodes the key in `text` into `output`, 32 bytes.
  ///
  /// - Parameters:
  ///   - text: The whole encoding, in the case of `prefix` throughout ("can only be all uppercase or all lowercase").
  ///   - prefix: The human-readable part to expect.
  ///   - output: Receives the key; undefined after an error, so it must be wiped.
  /// - Throws: `KeyFault`.
  static func decode(
    _ text: UnsafeRawBufferPointer, prefix: StaticString, into output: UnsafeMutableRawBufferPointer
  ) throws(KeyFault) {
    precondition(output.count == keyByteCount)
    let human = unsafe prefix.raw
    let isUpper = unsafe human.contains { isUppercase($0) }
    guard let separator = unsafe text.lastIndex(of: UInt8(ascii: "1")), separator == human.count,
      unsafe text.starts(with: human)
    else { throw .unknownKind }
    let dataCount = text.count - separator - 1 - checksumCharacters
    guard dataCount >= 0 else { throw .notBech32 }
    var checksum = unsafe Checksum(prefix: human)
    var bits: UInt32 = 0
    var bitCount = 0
    var written = 0
    for index in 0..<(dataCount + checksumCharacters) {
      var character = unsafe text[separator + 1 + index]
      if isUpper {
        guard !isLowercase(character) else { throw .notBech32 }
        if isUppercase(character) { character += 32 }
      }
      guard let value = unsafe alphabet.raw.firstIndex(of: character) else { throw .notBech32 }
      checksum.add(UInt32(value))
      guard index < dataCount else { continue }
      bits = (bits << 5 | UInt32(value)) & 0xFFF
      bitCount += 5
      if bitCount >= 8 {
        bitCount -= 8
        // A longer key is refused below, once its checksum is known to be right.
        if written < keyByteCount { unsafe output[written] = UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)) }
        written += 1
      }
    }
    guard checksum.isValid else { throw .checksum }
    // BIP 173: "Any incomplete group at the end MUST be 4 bits or less, MUST be all zeroes".
    guard bitCount < 5, bits & (1 << UInt32(bitCount) - 1) == 0 else { throw .notBech32 }
    guard written == keyByteCount else { throw .length }
  }

  private static func isUppercase(_ character: UInt8) -> Bool {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= character
  }

  private static func isLowercase(_ character: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= character
  }

  /// BIP 173's BCH code over the lower-case prefix and the 5-bit values.
  private struct Checksum {
    private var state: UInt32 = 1

    init(prefix: UnsafeRawBufferPointer) {
      for index in 0..<prefix.count {
        let character = unsafe prefix[index]
        add(UInt32(Bech32.isUppercase(character) ? character + 32 : character) >> 5)
      }
      add(0)
      for index in 0..<prefix.count { add(UInt32(unsafe prefix[index]) & 31) }
    }

    mutating func add(_ value: UInt32) {
      let top = state >> 25
      state = (state & 0x1FF_FFFF) << 5 ^ value
      if top & 1 != 0 { state ^= 0x3B6A_57B2 }
      if top & 2 != 0 { state ^= 0x2650_8E6D }
      if top & 4 != 0 { state ^= 0x1EA1_19FA }
      if top & 8 != 0 { state ^= 0x3D42_33DD }
      if top & 16 != 0 { state ^= 0x2A14_62B3 }
    }

    var isValid: Bool { state == 1 }

    mutating func final() -> UInt32 {
      for _ in 0..<6 { add(0) }
      return state ^ 1
    }
  }
}
