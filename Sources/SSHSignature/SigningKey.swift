package import SecretMemory

/// An Ed25519 private key, in locked memory that is wiped with it.
public final class SigningKey: Sendable {
  /// Bytes of a seed.
  public static let seedByteCount = 32

  /// The key that verifies what this one signs.
  public let verifyingKey: VerifyingKey

  /// The seed and what is derived from it.
  let key: Ed25519.SigningKey

  /// The key of a 32-byte seed, which is copied; the caller wipes its own.
  ///
  /// - Throws: ``SSHSignatureError/malformedKey`` for another count, ``SSHSignatureError/secretMemoryUnavailable``.
  public init(seed: RawSpan) throws(SSHSignatureError) {
    guard seed.byteCount == SigningKey.seedByteCount else { throw .malformedKey }
    do throws(SecretMemoryError) { key = try Ed25519.SigningKey(seed: seed) } catch {
      throw .secretMemoryUnavailable
    }
    verifyingKey = VerifyingKey(key.publicKey.span)
  }

  /// The key of a seed in locked memory.
  ///
  /// - Throws: As ``init(seed:)``.
  package static func make(seed: borrowing SecretBytes) throws(SSHSignatureError) -> SigningKey {
    try seed.withBytes { (bytes) throws(SSHSignatureError) in try SigningKey(seed: bytes) }
  }

  /// A key of a random seed.
  ///
  /// - Returns: A key that no one else has.
  /// - Throws: ``SSHSignatureError/secretMemoryUnavailable``.
  public static func random() throws(SSHSignatureError) -> SigningKey {
    let seed: SecretBytes
    do throws(SecretMemoryError) { seed = try SecretBytes(randomCount: seedByteCount) } catch {
      throw .secretMemoryUnavailable
    }
    return try make(seed: seed)
  }
}
