internal import CLibSodium

/// Bytes from the kernel's random generator, for keys, salts and nonces.
package enum Random {
  /// Fills `buffer`.
  package static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    _ = sodiumIsReady
    guard let base = buffer.baseAddress else { return }
    unsafe randombytes_buf(base, buffer.count)
  }

  /// 16 public bytes, such as a nonce, a salt or an id.
  package static func bytes16() -> InlineArray<16, UInt8> {
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &bytes) { unsafe fill($0) }
    return bytes
  }
}
