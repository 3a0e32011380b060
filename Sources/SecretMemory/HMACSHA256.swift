internal import CLibSodium

/// HMAC-SHA-256 (RFC 2104), as a stream; the running state is wiped when done.
package struct HMACSHA256: ~Copyable {
  /// Length of a code in bytes.
  package static let byteCount = 32

  private var state = crypto_auth_hmacsha256_state()

  /// A code under `key`, of any length, over nothing yet.
  package init(key: RawSpan) {
    _ = sodiumIsReady
    unsafe crypto_auth_hmacsha256_init(&state, key.c, key.byteCount)
  }

  /// Appends `bytes` to what is authenticated.
  package mutating func update(_ bytes: RawSpan) {
    unsafe crypto_auth_hmacsha256_update(&state, bytes.c, UInt64(bytes.byteCount))
  }

  /// Writes the code of all that was appended to `output`, 32 bytes, and wipes the state: call it once, last.
  package mutating func finalize(into output: UnsafeMutableRawBufferPointer) {
    precondition(output.count == Self.byteCount, "an HMAC-SHA-256 code has 32 bytes")
    unsafe crypto_auth_hmacsha256_final(&state, output.c)
    // Here, not in a deinit, which could wipe a copy only.
    unsafe sodium_memzero(&state, MemoryLayout<crypto_auth_hmacsha256_state>.size)
  }

  /// Writes the code of the slices, one after another, to `output`, 32 bytes.
  package static func authenticate(
    _ first: RawSpan, _ second: RawSpan = RawSpan(), key: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) {
    var code = HMACSHA256(key: key)
    code.update(first)
    code.update(second)
    unsafe code.finalize(into: output)
  }
}
