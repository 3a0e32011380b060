internal import CLibSodium

/// scrypt (RFC 7914), for keys from passphrases.
package enum Scrypt {
  /// Fills `output` with a key of `passphrase`.
  ///
  /// - Parameters:
  ///   - passphrase: Any bytes.
  ///   - salt: Any bytes.
  ///   - logN: Base-two logarithm of the work factor, 1...30; memory is 128 · r · 2^logN bytes.
  ///   - r: Block size.
  ///   - p: Parallelism.
  ///   - output: 1 byte or more.
  /// - Throws: `SecretMemoryError.memoryExhausted`.
  package static func derive(
    passphrase: RawSpan, salt: RawSpan, logN: Int, r: UInt32 = 8, p: UInt32 = 1,
    into output: UnsafeMutableRawBufferPointer
  ) throws(SecretMemoryError) {
    precondition(1...30 ~= logN && output.count > 0, "an scrypt work factor is 2^1 to 2^30")
    _ = sodiumIsReady
    guard
      unsafe crypto_pwhash_scryptsalsa208sha256_ll(
        passphrase.c, passphrase.byteCount, salt.c, salt.byteCount,
        UInt64(1) << UInt64(logN), r, p, output.c, output.count) == 0
    else { throw .memoryExhausted(byteCount: 128 * Int(r) << logN) }
  }
}
