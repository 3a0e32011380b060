internal import SecretMemory

/// The payload's STREAM: chunks of 64 KiB, each sealed under its number and whether it is the final one.
enum Chunks {
  /// Plaintext bytes in a full chunk.
  static let plainByteCount = 64 * 1024
  /// Ciphertext bytes in a full chunk.
  static let sealedByteCount = plainByteCount + ChaCha20Poly1305.tagByteCount

  /// The number of chunks of a payload of that many plaintext bytes; an empty payload has one, empty.
  static func count(plainByteCount count: Int) -> Int { max(1, (count + plainByteCount - 1) / plainByteCount) }

  /// Encrypts chunk `index`; `plain` may begin where `output` does.
  static func seal(
    _ plain: UnsafeRawBufferPointer, index: Int, isFinal: Bool, key: RawSpan,
    into output: UnsafeMutableRawBufferPointer
  ) {
    let nonce = nonce(index, isFinal)
    unsafe ChaCha20Poly1305.seal(plain, into: output, key: key, nonce: nonce.span.bytes)
  }

  /// Decrypts the chunk `index`, which is followed by other bytes.
  ///
  /// - Throws: ``AgeError/trailingData`` if it is the final chunk all the same, with `output` defined;
  ///   ``AgeError/payloadTampered(chunk:)``.
  static func openInner(
    _ sealed: UnsafeRawBufferPointer, index: Int, key: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) throws(AgeError) {
    if unsafe open(sealed, index: index, isFinal: false, key: key, into: output) { return }
    if unsafe open(sealed, index: index, isFinal: true, key: key, into: output) { throw .trailingData }
    throw .payloadTampered(chunk: index)
  }

  /// Decrypts the chunk `index`, which ends the file.
  ///
  /// - Throws: ``AgeError/truncated`` if it is whole but not the final chunk, with `output` then defined if it has
  ///   the full size; ``AgeError/emptyFinalChunk``; ``AgeError/payloadTampered(chunk:)``.
  static func openLast(
    _ sealed: UnsafeRawBufferPointer, index: Int, key: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) throws(AgeError) {
    if unsafe open(sealed, index: index, isFinal: true, key: key, into: output) {
      // "The final chunk ... MUST NOT be empty unless the whole payload is empty."
      guard output.count > 0 || index == 0 else { throw .emptyFinalChunk }
      return
    }
    // "Streaming decryption MUST signal an error if the end of file is reached without ... a final chunk."
    if sealed.count == sealedByteCount,
      unsafe open(sealed, index: index, isFinal: false, key: key, into: output)
    {
      throw .truncated
    }
    throw .payloadTampered(chunk: index)
  }

  private static func open(
    _ sealed: UnsafeRawBufferPointer, index: Int, isFinal: Bool, key: RawSpan,
    into output: UnsafeMutableRawBufferPointer
  ) -> Bool {
    let nonce = nonce(index, isFinal)
    return unsafe ChaCha20Poly1305.open(sealed, into: output, key: key, nonce: nonce.span.bytes)
  }

  // "the first 11 bytes are a big endian chunk counter ...; the last byte is 0x01 for the final chunk"
  private static func nonce(_ index: Int, _ isFinal: Bool) -> InlineArray<12, UInt8> {
    var nonce = InlineArray<12, UInt8>(repeating: 0)
    for position in 0..<8 { nonce[10 - position] = UInt8(truncatingIfNeeded: index >> (8 * position)) }
    nonce[11] = isFinal ? 1 : 0
    return nonce
  }
}
