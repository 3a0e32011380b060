internal import CLibSodium

/// X25519 (RFC 7748): scalars and points are 32 bytes; scalars are clamped in use.
package enum X25519 {
  /// Length of a scalar or point in bytes.
  package static let byteCount = 32

  /// The public point of `scalar`.
  package static func publicKey(of scalar: RawSpan) -> Bytes32 {
    precondition(scalar.byteCount == byteCount, "an X25519 scalar has 32 bytes")
    _ = sodiumIsReady
    var point = Bytes32(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &point) {
      _ = unsafe crypto_scalarmult_curve25519_base($0.c, scalar.c)
    }
    return point
  }

  /// Writes `scalar` times `point` to `output`, 32 secret bytes.
  ///
  /// - Throws: `SecretMemoryError.lowOrderPoint` if the result is all zero (RFC 7748, section 6.1).
  package static func sharedSecret(
    scalar: RawSpan, point: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) throws(SecretMemoryError) {
    precondition(
      scalar.byteCount == byteCount && point.byteCount == byteCount && output.count == byteCount,
      "X25519 works on 32 bytes")
    _ = sodiumIsReady
    guard
      unsafe crypto_scalarmult_curve25519(
        output.c, scalar.c, point.c) == 0
    else { throw .lowOrderPoint }
  }
}
