internal import CLibSodium

/// Ed25519 signatures (RFC 8032): 32-byte seed and public key, 64-byte signature.
package enum Ed25519 {
  /// Length of a seed or public key in bytes.
  package static let keyByteCount = 32
  /// Length of a signature in bytes.
  package static let signatureByteCount = 64

  /// A signing key: the seed with its public key, in locked memory.
  package struct SigningKey: ~Copyable, Sendable {
    // libsodium's form: seed, then public key.
    private let secret: SecretBytes

    /// The public key that verifies.
    package let publicKey: Bytes32

    /// The key of a 32-byte `seed`; the caller wipes the original.
    ///
    /// - Throws: `SecretMemoryError` if there is no locked memory.
    package init(seed: RawSpan) throws(SecretMemoryError) {
      precondition(seed.byteCount == keyByteCount, "an Ed25519 seed has 32 bytes")
      var publicKey = Bytes32(repeating: 0)
      secret = try unsafe withWipedScratch(64) { pair throws(SecretMemoryError) in
        unsafe withUnsafeMutableBytes(of: &publicKey) {
          _ = unsafe crypto_sign_ed25519_seed_keypair($0.c, pair.c, seed.c)
        }
        return try unsafe SecretBytes(copying: UnsafeRawBufferPointer(pair).bytes)
      }
      self.publicKey = publicKey
    }

    /// The signature of `message`.
    package borrowing func sign(_ message: RawSpan) -> Bytes64 {
      var signature = Bytes64(repeating: 0)
      secret.withBytes { key in
        unsafe withUnsafeMutableBytes(of: &signature) {
          _ = unsafe crypto_sign_ed25519_detached(
            $0.c, nil, message.c, UInt64(message.byteCount), key.c)
        }
      }
      return signature
    }

    /// Lends the 32-byte seed to `body`.
    package borrowing func withSeed<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
      try secret.withBytes { (key) throws(E) in try body(key.extracting(first: keyByteCount)) }
    }
  }

  /// Whether `signature` (64 bytes) of `message` is by the owner of `publicKey` (32 bytes); wrong lengths are not.
  package static func verify(_ signature: RawSpan, of message: RawSpan, publicKey: RawSpan) -> Bool {
    guard signature.byteCount == signatureByteCount, publicKey.byteCount == keyByteCount else { return false }
    _ = sodiumIsReady
    return unsafe crypto_sign_ed25519_verify_detached(
      signature.c, message.c, UInt64(message.byteCount),
      publicKey.c) == 0
  }
}
