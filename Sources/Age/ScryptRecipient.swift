internal import SecretMemory

/// The scrypt stanza's constants.
enum ScryptType {
  static let name = [UInt8]("scrypt".utf8)
  static let label: StaticString = "age-encryption.org/v1/scrypt"
  static let saltByteCount = 16

  /// Writes scrypt(N = 2^logN, r = 8, p = 1, S = label || salt), 32 bytes, to `wrapKey`.
  static func deriveWrapKey(
    passphrase: RawSpan, salt: RawSpan, logN: Int, into wrapKey: UnsafeMutableRawBufferPointer
  ) throws(AgeError) {
    var labelled: [UInt8] = []
    labelled.append(label)
    labelled.append(salt)
    do throws(SecretMemoryError) {
      try unsafe Scrypt.derive(passphrase: passphrase, salt: labelled.span.bytes, logN: logN, into: wrapKey)
    } catch {
      throw .memoryUnavailable
    }
  }

  /// A locked copy of a passphrase, which must not be empty.
  static func hold(_ passphrase: RawSpan) throws(AgeError) -> SecretBytes {
    guard passphrase.byteCount > 0 else { throw .emptyPassphrase }
    do throws(SecretMemoryError) {
      return try SecretBytes(copying: passphrase)
    } catch {
      throw .memoryUnavailable
    }
  }
}

/// A passphrase to encrypt to; a file to a passphrase is to nobody else.
public final class ScryptRecipient: Recipient {
  private let passphrase: SecretBytes
  private let logN: Int

  /// A recipient of the given passphrase.
  ///
  /// - Parameters:
  ///   - passphrase: UTF-8, not empty; the caller wipes the original.
  ///   - logN: Base-two logarithm of the scrypt work factor, 1...30; age's own is 18, which takes a second and 256 MiB.
  /// - Throws: ``AgeError/emptyPassphrase``, ``AgeError/memoryUnavailable``.
  public init(passphrase: RawSpan, logN: Int = 18) throws(AgeError) {
    precondition(1...30 ~= logN, "an scrypt work factor is 2^1 to 2^30")
    self.passphrase = try ScryptType.hold(passphrase)
    self.logN = logN
  }

  /// Yes.
  ///
  /// "An scrypt stanza, if present, MUST be the only stanza in the header."
  public var mustBeAlone: Bool { true }

  /// A stanza that gives `fileKey` to whoever knows the passphrase, with a fresh salt.
  ///
  /// - Throws: ``AgeError/memoryUnavailable``.
  public func wrap(fileKey: RawSpan) throws(AgeError) -> Stanza {
    let salt = Random.bytes16()
    return try unsafe withWipedScratch(32) { (wrapKey) throws(AgeError) in
      try passphrase.withBytes { (passphrase) throws(AgeError) in
        try unsafe ScryptType.deriveWrapKey(
          passphrase: passphrase, salt: salt.span.bytes, logN: logN, into: wrapKey)
      }
      var text: [UInt8] = []
      unsafe Base64.append(salt.span.bytes, to: &text)
      return unsafe Stanza(
        checked: [ScryptType.name, text, [UInt8](String(logN).utf8)],
        body: KeySchedule.wrap(fileKey: fileKey, wrapKey: UnsafeRawBufferPointer(wrapKey).bytes))
    }
  }
}
