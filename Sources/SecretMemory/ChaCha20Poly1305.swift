internal import CLibSodium

/// ChaCha20-Poly1305 (RFC 8439) without additional data: 32-byte key, 12-byte nonce, 16-byte tag after the ciphertext.
package enum ChaCha20Poly1305 {
  /// Length of a key in bytes.
  package static let keyByteCount = 32
  /// Length of a nonce in bytes.
  package static let nonceByteCount = 12
  /// Length of the tag that follows the ciphertext, in bytes.
  package static let tagByteCount = 16

  /// Encrypts `plaintext` into `output`, which is 16 bytes longer.
  ///
  /// - Parameters:
  ///   - plaintext: May begin where `output` begins (encryption in place); must not overlap it otherwise.
  ///   - output: Ciphertext, then tag.
  ///   - key: 32 bytes.
  ///   - nonce: 12 bytes, never used twice with one key.
  package static func seal(
    _ plaintext: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, key: RawSpan, nonce: RawSpan
  ) {
    precondition(output.count == plaintext.count + tagByteCount, "the output has room for the tag")
    check(key, nonce)
    unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
      output.c, nil, plaintext.c, UInt64(plaintext.count), nil, 0, nil,
      nonce.c, key.c)
  }

  /// Verifies `ciphertext` (with its tag), then decrypts it into `output`, which is 16 bytes shorter.
  ///
  /// - Parameters:
  ///   - ciphertext: May begin where `output` begins; must not overlap it otherwise. At least 16 bytes.
  ///   - output: Zeroed if the tag does not verify.
  ///   - key: 32 bytes.
  ///   - nonce: 12 bytes.
  /// - Returns: Whether the tag verified.
  package static func open(
    _ ciphertext: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, key: RawSpan, nonce: RawSpan
  ) -> Bool {
    precondition(ciphertext.count == output.count + tagByteCount, "the output has room for the plaintext")
    check(key, nonce)
    // libsodium takes a nil output as "verify only"; an empty plaintext is the same thing.
    return unsafe crypto_aead_chacha20poly1305_ietf_decrypt(
      output.c, nil, nil, ciphertext.c, UInt64(ciphertext.count), nil, 0,
      nonce.c, key.c) == 0
  }

  private static func check(_ key: RawSpan, _ nonce: RawSpan) {
    precondition(key.byteCount == keyByteCount, "a ChaCha20-Poly1305 key has 32 bytes")
    precondition(nonce.byteCount == nonceByteCount, "a ChaCha20-Poly1305 nonce has 12 bytes")
    _ = sodiumIsReady
  }
}
