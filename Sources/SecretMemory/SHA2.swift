internal import CLibSodium

/// A 32-byte public value: a digest, a public key.
package typealias Bytes32 = InlineArray<32, UInt8>

/// A 64-byte public value: a digest, a signature.
package typealias Bytes64 = InlineArray<64, UInt8>

/// SHA-256 (FIPS 180-4) of public data, in one go or as a stream.
package struct SHA256: ~Copyable {
  private var state = crypto_hash_sha256_state()

  /// A hash of nothing yet.
  package init() {
    _ = sodiumIsReady
    unsafe crypto_hash_sha256_init(&state)
  }

  /// Appends `bytes` to what is hashed.
  package mutating func update(_ bytes: RawSpan) {
    unsafe crypto_hash_sha256_update(&state, bytes.c, UInt64(bytes.byteCount))
  }

  /// The digest of all that was appended.
  package consuming func finalize() -> Bytes32 {
    var digest = Bytes32(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &digest) { _ = unsafe crypto_hash_sha256_final(&state, $0.c) }
    return digest
  }

  /// The digest of the slices, one after another.
  package static func hash(
    _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan()
  ) -> Bytes32 {
    var hash = SHA256()
    hash.update(first)
    hash.update(second)
    hash.update(third)
    return hash.finalize()
  }
}

/// SHA-512 (FIPS 180-4) of public data, in one go or as a stream.
package struct SHA512: ~Copyable {
  private var state = crypto_hash_sha512_state()

  /// A hash of nothing yet.
  package init() {
    _ = sodiumIsReady
    unsafe crypto_hash_sha512_init(&state)
  }

  /// Appends `bytes` to what is hashed.
  package mutating func update(_ bytes: RawSpan) {
    unsafe crypto_hash_sha512_update(&state, bytes.c, UInt64(bytes.byteCount))
  }

  /// The digest of all that was appended.
  package consuming func finalize() -> Bytes64 {
    var digest = Bytes64(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &digest) { _ = unsafe crypto_hash_sha512_final(&state, $0.c) }
    return digest
  }

  /// The digest of the slices, one after another.
  package static func hash(
    _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan()
  ) -> Bytes64 {
    var hash = SHA512()
    hash.update(first)
    hash.update(second)
    hash.update(third)
    return hash.finalize()
  }
}
