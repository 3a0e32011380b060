package import SecretMemory

/// Whole age v1 files in memory (age-encryption.org/v1), binary; see ``Armor`` for text, and ``Encryptor`` and
/// ``Decryptor`` for streams.
public enum AgeFile {
  /// The age file of `plaintext` for all of `recipients`.
  ///
  /// - Throws: As ``PreparedHeader/init(to:)``.
  public static func encrypt(_ plaintext: RawSpan, to recipients: [any Recipient]) throws(AgeError) -> [UInt8] {
    let header = try PreparedHeader(to: recipients)
    return header.encrypt(plaintext)
  }

  /// The contents of `file`, complete and authentic.
  ///
  /// - Throws: ``AgeError``; then no plaintext is released.
  package static func decrypt(_ file: RawSpan, with identities: [any Identity]) throws(AgeError) -> WipedBuffer {
    try unsafe open(file, with: identities) { (payload, key) throws(AgeError) in
      let chunkCount = max(1, (payload.count + Chunks.sealedByteCount - 1) / Chunks.sealedByteCount)
      let lastCount = payload.count - (chunkCount - 1) * Chunks.sealedByteCount
      let tag = ChaCha20Poly1305.tagByteCount
      let plaintext = try WipedBuffer.make(
        (chunkCount - 1) * Chunks.plainByteCount + max(0, lastCount - tag))
      try unsafe plaintext.withUnsafeMutableBytes { (output) throws(AgeError) in
        for index in 0..<(chunkCount - 1) {
          try unsafe Chunks.openInner(
            payload.part(index * Chunks.sealedByteCount, Chunks.sealedByteCount), index: index, key: key,
            into: output.part(index * Chunks.plainByteCount, Chunks.plainByteCount))
        }
        // Not even a tag is left: the payload stops between two chunks or within a tag.
        guard lastCount >= tag else { throw .truncated }
        try unsafe Chunks.openLast(
          payload.part(payload.count - lastCount, lastCount), index: chunkCount - 1, key: key,
          into: output.part(output.count - (lastCount - tag), lastCount - tag))
      }
      return plaintext
    }
  }

  /// The first `count` bytes of the contents of `file`, or all of them if they are fewer.
  ///
  /// Decrypts and authenticates only the header and the 64 KiB chunks that hold them: the rest of the file may have
  /// been changed or cut off. `file` itself may be the beginning of a file, if the chunks needed are there with
  /// at least one byte more, or with the end.
  ///
  /// - Throws: ``AgeError``; then no plaintext is released.
  package static func decryptPrefix(
    _ file: RawSpan, count: Int, with identities: [any Identity]
  ) throws(AgeError) -> WipedBuffer {
    precondition(count >= 0, "a prefix has no negative length")
    return try unsafe open(file, with: identities) { (payload, key) throws(AgeError) in
      let tag = ChaCha20Poly1305.tagByteCount
      let chunkCount = max(1, (payload.count + Chunks.sealedByteCount - 1) / Chunks.sealedByteCount)
      let needed = min(chunkCount, Chunks.count(plainByteCount: count))
      let sealedCount = min(payload.count, needed * Chunks.sealedByteCount)
      guard sealedCount - (needed - 1) * Chunks.sealedByteCount >= tag else { throw .truncated }
      let chunks = try WipedBuffer.make(sealedCount - needed * tag)
      try unsafe chunks.withUnsafeMutableBytes { (output) throws(AgeError) in
        for index in 0..<needed {
          let start = index * Chunks.sealedByteCount
          let sealed = unsafe payload.part(start, min(Chunks.sealedByteCount, sealedCount - start))
          let plain = unsafe output.part(index * Chunks.plainByteCount, sealed.count - tag)
          if start + sealed.count < payload.count {
            try unsafe Chunks.openInner(sealed, index: index, key: key, into: plain)
          } else {
            try unsafe Chunks.openLast(sealed, index: index, key: key, into: plain)
          }
        }
      }
      guard chunks.count > count else { return chunks }
      let prefix = try WipedBuffer.make(count)
      unsafe prefix.withUnsafeMutableBytes { target in
        unsafe chunks.withUnsafeBytes { unsafe target.copyMemory(from: $0.part(0, count)) }
      }
      return prefix
    }
  }

  /// Lends the contents of `file`, complete and authentic, to `body`; they are wiped when it returns.
  ///
  /// - Throws: ``AgeError``, or what `body` throws.
  public static func withDecrypted<R: ~Copyable>(
    _ file: RawSpan, with identities: [any Identity], _ body: (RawSpan) throws -> R
  ) throws -> R {
    try decrypt(file, with: identities).withBytes(body)
  }

  /// Parses and verifies the header of `file`, then lends its payload (after the nonce) and payload key to `body`.
  private static func open<R>(
    _ file: RawSpan, with identities: [any Identity],
    _ body: (_ payload: UnsafeRawBufferPointer, _ key: RawSpan) throws(AgeError) -> R
  ) throws(AgeError) -> R {
    let bytes = unsafe file.pointer
    let (header, headerCount) = try unsafe HeaderParser.parse(beginningOf: bytes)
    return try unsafe withWipedScratch(KeySchedule.fileKeyByteCount + 32) { (scratch) throws(AgeError) in
      let fileKey = unsafe scratch.part(0, KeySchedule.fileKeyByteCount)
      let payloadKey = unsafe scratch.part(KeySchedule.fileKeyByteCount, 32)
      try unsafe header.unwrap(covering: bytes.part(0, headerCount), with: identities, into: fileKey)
      let payloadStart = headerCount + KeySchedule.payloadNonceByteCount
      guard bytes.count >= payloadStart else { throw .malformedHeader(.truncated) }
      unsafe KeySchedule.payloadKey(
        fileKey: UnsafeRawBufferPointer(fileKey).bytes,
        nonce: bytes.part(headerCount, KeySchedule.payloadNonceByteCount).bytes, into: payloadKey)
      return try unsafe body(
        bytes.part(payloadStart, bytes.count - payloadStart), UnsafeRawBufferPointer(payloadKey).bytes)
    }
  }
}

extension HeaderParser {
  /// Unwraps the file key with the first identity that can, then verifies the MAC of the complete header `bytes`.
  func unwrap(
    covering bytes: UnsafeRawBufferPointer, with identities: [any Identity],
    into fileKey: UnsafeMutableRawBufferPointer
  ) throws(AgeError) {
    var isUnwrapped = false
    for identity in identities where !isUnwrapped {
      isUnwrapped = try unsafe identity.unwrap(stanzas, into: fileKey)
    }
    guard isUnwrapped else {
      let isForPassphrase = stanzas[0].isOf(type: "scrypt") && identities.contains(where: \.isPassphrase)
      throw isForPassphrase ? .wrongPassphrase : .noIdentityMatched
    }
    // "over the whole header up to and including the --- mark (excluding the space following it)"
    let covered = unsafe bytes.part(0, bytes.count - HeaderParser.macSuffixByteCount)
    try unsafe withWipedScratch(32) { (expected) throws(AgeError) in
      unsafe KeySchedule.headerMAC(
        of: covered.bytes, fileKey: UnsafeRawBufferPointer(fileKey).bytes, into: expected)
      guard unsafe ConstantTime.areEqual(UnsafeRawBufferPointer(expected).bytes, mac.span.bytes) else {
        throw .badHeaderMAC
      }
    }
  }
}
