internal import SecretMemory

/// The header of one file yet to be written, with its file key: all of encryption that does not depend on contents.
///
/// Preparing is most of the cost of a small file, so it can be done ahead. It encrypts one file only ("it MUST NOT
/// be reused across multiple files"): it cannot be copied, and encrypting consumes it.
public struct PreparedHeader: ~Copyable, Sendable {
  private let parts: Parts

  /// The header, then the payload nonce: what precedes the first chunk.
  var prefix: [UInt8] { parts.prefix }
  /// The 32-byte key of the payload's chunks.
  var payloadKey: WipedBuffer { parts.payloadKey }

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
    prefix.count + count + Chunks.count(plainByteCount: count) * ChaCha20Poly1305.tagByteCount
  }

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
      unsafe output.part(0, prefix.count).copyBytes(from: prefix)
      payloadKey.withBytes { key in
        unsafe Self.seal(
          slices, plainCount: plainCount, key: key, into: output.part(prefix.count, count - prefix.count))
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
    let prefix: [UInt8]
    let payloadKey: WipedBuffer

    init(to recipients: [any Recipient]) throws(AgeError) {
      guard !recipients.isEmpty, recipients.count == 1 || !recipients.contains(where: \.mustBeAlone) else {
        throw .unusableRecipients
      }
      let payloadKey = try WipedBuffer.make(32)
      self.payloadKey = payloadKey
      prefix = try unsafe withWipedScratch(KeySchedule.fileKeyByteCount + 32) { (scratch) throws(AgeError) in
        let fileKeyBuffer = unsafe scratch.part(0, KeySchedule.fileKeyByteCount)
        let mac = unsafe scratch.part(KeySchedule.fileKeyByteCount, 32)
        unsafe Random.fill(fileKeyBuffer)
        let fileKey = unsafe UnsafeRawBufferPointer(fileKeyBuffer).bytes
        var prefix: [UInt8] = []
        prefix.reserveCapacity(256)
        prefix.append("age-encryption.org/v1\n")
        for recipient in recipients { try recipient.wrap(fileKey: fileKey).append(to: &prefix) }
        prefix.append("---")
        unsafe KeySchedule.headerMAC(of: prefix.span.bytes, fileKey: fileKey, into: mac)
        prefix.append(UInt8(ascii: " "))
        unsafe Base64.append(UnsafeRawBufferPointer(mac).bytes, to: &prefix)
        prefix.append(UInt8(ascii: "\n"))
        let nonce = Random.bytes16()
        unsafe prefix.append(nonce.span.bytes)
        unsafe payloadKey.withUnsafeMutableBytes {
          unsafe KeySchedule.payloadKey(fileKey: fileKey, nonce: nonce.span.bytes, into: $0)
        }
        return prefix
      }
    }
  }
}
