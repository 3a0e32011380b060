internal import SecretMemory

/// The keys that the format derives, and how it wraps a file key.
enum KeySchedule {
  /// Length of a file key in bytes.
  static let fileKeyByteCount = 16
  /// Length of the payload nonce that follows the header, in bytes.
  static let payloadNonceByteCount = 16
  /// Length of a wrapped file key in bytes: key and tag.
  static let wrappedKeyByteCount = 32

  private static let zeroNonce = InlineArray<12, UInt8>(repeating: 0)

  /// Writes the header's MAC, 32 bytes, to `mac`: HMAC-SHA-256 under HKDF(file key, no salt, "header").
  static func headerMAC(of header: RawSpan, fileKey: RawSpan, into mac: UnsafeMutableRawBufferPointer) {
    let info: StaticString = "header"
    unsafe withWipedScratch(32) { key in
      unsafe HKDFSHA256.derive(from: fileKey, salt: RawSpan(), info: info.raw.bytes, into: key)
      unsafe HMACSHA256.authenticate(header, key: UnsafeRawBufferPointer(key).bytes, into: mac)
    }
  }

  /// Writes the payload key, 32 bytes, to `key`: HKDF(file key, salt = nonce, "payload").
  static func payloadKey(fileKey: RawSpan, nonce: RawSpan, into key: UnsafeMutableRawBufferPointer) {
    let info: StaticString = "payload"
    unsafe HKDFSHA256.derive(from: fileKey, salt: nonce, info: info.raw.bytes, into: key)
  }

  /// The body of a stanza: the file key under `wrapKey`, which is used for nothing else, hence the zero nonce.
  static func wrap(fileKey: RawSpan, wrapKey: RawSpan) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: wrappedKeyByteCount) { buffer, count in
      let output = unsafe UnsafeMutableRawBufferPointer(buffer).part(0, wrappedKeyByteCount)
      unsafe ChaCha20Poly1305.seal(fileKey.pointer, into: output, key: wrapKey, nonce: zeroNonce.span.bytes)
      count = wrappedKeyByteCount
    }
  }

  /// Unwraps a stanza's body of 32 bytes; false if it is under another key.
  static func unwrap(_ body: [UInt8], wrapKey: RawSpan, into fileKey: UnsafeMutableRawBufferPointer) -> Bool {
    let bytes = unsafe body.span.bytes
    return unsafe ChaCha20Poly1305.open(bytes.pointer, into: fileKey, key: wrapKey, nonce: zeroNonce.span.bytes)
  }
}
