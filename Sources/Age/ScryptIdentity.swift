internal import SecretMemory

/// A passphrase that decrypts.
public final class ScryptIdentity: Identity {
  private let passphrase: SecretBytes
  private let logNLimit: Int

  /// An identity of the given passphrase.
  ///
  /// - Parameters:
  ///   - passphrase: UTF-8, not empty; the caller wipes the original.
  ///   - logNLimit: The greatest scrypt work factor to accept, as its base-two logarithm, 1...30. age's own is 22,
  ///     which takes some 15 seconds and 4 GiB.
  /// - Throws: ``AgeError/emptyPassphrase``, ``AgeError/memoryUnavailable``.
  public init(passphrase: RawSpan, logNLimit: Int = 22) throws(AgeError) {
    precondition(1...30 ~= logNLimit, "an scrypt work factor is 2^1 to 2^30")
    self.passphrase = try ScryptType.hold(passphrase)
    self.logNLimit = logNLimit
  }

  /// Yes.
  public var isPassphrase: Bool { true }

  /// Unwraps the file key of the scrypt stanza, if there is one.
  ///
  /// - Parameters:
  ///   - stanzas: All of the header's stanzas.
  ///   - fileKey: 16 bytes of memory that the caller wipes.
  /// - Returns: Whether the passphrase is right; only then `fileKey` is defined.
  /// - Throws: ``AgeError/malformedHeader(_:)``, ``AgeError/workFactorTooHigh(logN:)``,
  ///   ``AgeError/memoryUnavailable``.
  public func unwrap(_ stanzas: [Stanza], into fileKey: UnsafeMutableRawBufferPointer) throws(AgeError) -> Bool {
    guard let stanza = stanzas.first(where: { $0.isOf(type: "scrypt") }) else { return false }
    guard stanzas.count == 1 else { throw .malformedHeader(.scryptNotAlone) }
    var salt = InlineArray<16, UInt8>(repeating: 0)
    // "MUST reject any scrypt stanza that has more or less than three arguments, where the second argument is not a
    // canonical base64 encoding of a 16-byte value ... MUST check that the body length is exactly 32 bytes"
    guard stanza.arguments.count == 3, stanza.body.count == KeySchedule.wrappedKeyByteCount,
      unsafe withUnsafeMutableBytes(of: &salt, { unsafe stanza.decodeArgument(1, into: $0) })
    else { throw .malformedHeader(.scryptStanza) }
    let logN = try Self.workFactor(stanza.arguments[2])
    guard logN <= logNLimit else { throw .workFactorTooHigh(logN: logN) }
    return try unsafe withWipedScratch(32) { (wrapKey) throws(AgeError) in
      try passphrase.withBytes { (passphrase) throws(AgeError) in
        try unsafe ScryptType.deriveWrapKey(
          passphrase: passphrase, salt: salt.span.bytes, logN: logN, into: wrapKey)
      }
      return unsafe KeySchedule.unwrap(stanza.body, wrapKey: UnsafeRawBufferPointer(wrapKey).bytes, into: fileKey)
    }
  }

  /// "a decimal number composed of only digits with no leading zeroes"; too large a one for `Int` counts as malformed.
  private static func workFactor(_ text: [UInt8]) throws(AgeError) -> Int {
    guard text.first != UInt8(ascii: "0") else { throw .malformedHeader(.scryptStanza) }
    var value = 0
    for character in text {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= character, value < 1_000_000 else {
        throw .malformedHeader(.scryptStanza)
      }
      value = value * 10 + Int(character - UInt8(ascii: "0"))
    }
    return value
  }
}
