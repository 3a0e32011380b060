internal import SecretMemory

/// The header of one file yet to be written, with its file key: all of encryption that does not depend on contents.
///
/// Preparing is most of the cost of a small file, so it can be done ahead. It encrypts one file only ("it MUST NOT
/// be reused across multiple files"): it cannot be copied, and encrypting consumes it. Should a whole process be copied, as by a
/// snapshot of a virtual machine, both copies have its file key; but the payload nonce is drawn, and the payload key derived, only when it is used,
/// so that no key and nonce of a chunk are ever used twice.
public struct PreparedHeader: ~Copyable, Sendable {
  private let parts: Parts

  /// A header with a fresh file key for all of `recipients`.
  ///
  /// - Throws: ``AgeError/unusableRecipients`` if there is none, or one that must be alone is not;
  ///   what a recipient throws; ``AgeError/memoryUnavailable``.
  public init(to recipients: [any Recipient]) throws(AgeError) {
    parts = try Parts(to: recipients)
  }

  /// A header with a fresh file key for `recipient`.
  ///
  /// - Throws: What the recipient throws; ``AgeError/memoryUnavailable``.
  public init(to recipient: some Recipient) throws(AgeError) {
    parts = try Parts(to: [recipient])
  }

  /// The one use of `parts`, which the caller gives up.
  init(_ parts: Parts) { self.parts = parts }

  /// The length of the file that results from `count` bytes of plaintext.
  public func encryptedByteCount(of count: Int) -> Int {
    prefixByteCount + count + Chunks.count(plainByteCount: count) * ChaCha20Poly1305.tagByteCount
  }

  /// Writes what precedes the first chunk, the header and a fresh payload nonce, and the 32-byte key of the payload's chunks.
  func begin(_ prefix: UnsafeMutableRawBufferPointer, payloadKey: UnsafeMutableRawBufferPointer) {
    unsafe prefix.copyBytes(from: parts.header)
    let nonce = unsafe prefix.part(parts.header.count, KeySchedule.payloadNonceByteCount)
    unsafe Random.fill(nonce)
    parts.fileKey.withBytes { fileKey in
      unsafe KeySchedule.payloadKey(fileKey: fileKey, nonce: UnsafeRawBufferPointer(nonce).bytes, into: payloadKey)
    }
  }

  /// Bytes that precede the first chunk.
  var prefixByteCount: Int { parts.header.count + KeySchedule.payloadNonceByteCount }

  /// The whole age file whose contents are the slices, one after another.
  public consuming func encrypt(
    _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan()
  ) -> [UInt8] {
    let slices = unsafe [first.pointer, second.pointer, third.pointer]
    return unsafe encrypt(gathering: slices)
  }

  /// The whole age file whose contents are the slices, one after another; they must stay valid for the call.
  public consuming func encrypt(gathering slices: [UnsafeRawBufferPointer]) -> [UInt8] {
    let plainCount = unsafe slices.reduce(0) { $0 + $1.count }
    let count = encryptedByteCount(of: plainCount)
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      let output = unsafe UnsafeMutableRawBufferPointer(buffer).part(0, count)
      unsafe withWipedScratch(32) { key in
        unsafe begin(output.part(0, prefixByteCount), payloadKey: key)
        unsafe Self.seal(
          slices, plainCount: plainCount, key: UnsafeRawBufferPointer(key).bytes,
          into: output.part(prefixByteCount, count - prefixByteCount))
      }
      initializedCount = count
    }
  }

  /// Copies each chunk's plaintext to where its ciphertext goes, and encrypts it there.
  private static func seal(
    _ slices: [UnsafeRawBufferPointer], plainCount: Int, key: RawSpan, into output: UnsafeMutableRawBufferPointer
  ) {
    var slice = 0
    var sliceOffset = 0
    let chunkCount = Chunks.count(plainByteCount: plainCount)
    for index in 0..<chunkCount {
      let size = min(Chunks.plainByteCount, plainCount - index * Chunks.plainByteCount)
      let chunk = unsafe output.part(index * Chunks.sealedByteCount, size + ChaCha20Poly1305.tagByteCount)
      var filled = 0
      while filled < size {
        let available = unsafe slices[slice].count - sliceOffset
        let taken = min(available, size - filled)
        unsafe chunk.part(filled, taken).copyMemory(from: slices[slice].part(sliceOffset, taken))
        filled += taken
        sliceOffset += taken
        if taken == available {
          slice += 1
          sliceOffset = 0
        }
      }
      unsafe Chunks.seal(
        UnsafeRawBufferPointer(chunk.part(0, size)), index: index, isFinal: index == chunkCount - 1, key: key,
        into: chunk)
    }
  }
}

extension PreparedHeader {
  /// What a header consists of, copyable so that a pool can hold it; only ``HeaderPool`` does.
  final class Parts: Sendable {
    /// Up to the newline behind its MAC.
    let header: [UInt8]
    /// 16 bytes.
    let fileKey: WipedBuffer

    init(to recipients: [any Recipient]) throws(AgeError) {
      guard !recipients.isEmpty, recipients.count == 1 || !recipients.contains(where: \.mustBeAlone) else {
        throw .unusableRecipients
      }
      let fileKey = try WipedBuffer.make(KeySchedule.fileKeyByteCount)
      unsafe fileKey.withUnsafeMutableBytes { unsafe Random.fill($0) }
      self.fileKey = fileKey
      header = try fileKey.withBytes { (fileKey) throws(AgeError) in
        var header: [UInt8] = []
        header.reserveCapacity(256)
        header.append("age-encryption.org/v1\n")
        for recipient in recipients { try recipient.wrap(fileKey: fileKey).append(to: &header) }
        header.append("---")
        unsafe withWipedScratch(32) { mac in
          unsafe KeySchedule.headerMAC(of: header.span.bytes, fileKey: fileKey, into: mac)
          header.append(UInt8(ascii: " "))
          unsafe Base64.append(UnsafeRawBufferPointer(mac).bytes, to: &header)
        }
        header.append(UInt8(ascii: "\n"))
        return header
      }
    }
  }
}
