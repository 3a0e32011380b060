internal import SecretMemory

/// Encrypts one age file as a stream, in bounded memory: push plaintext, receive ciphertext.
public struct Encryptor: ~Copyable {
  /// The header and the payload nonce.
  private let prefix: [UInt8]
  private let payloadKey: WipedBuffer
  private let pending: WipedBuffer
  private var pendingCount = 0
  private var sealed = [UInt8](repeating: 0, count: Chunks.sealedByteCount)
  private var index = 0
  private var isHeaderWritten = false

  /// An encryptor of the file that `header` begins.
  ///
  /// - Throws: ``AgeError/memoryUnavailable``.
  public init(_ header: consuming PreparedHeader) throws(AgeError) {
    let pending = try WipedBuffer.make(Chunks.plainByteCount)
    let payloadKey = try WipedBuffer.make(32)
    var prefix = [UInt8](repeating: 0, count: header.prefixByteCount)
    unsafe prefix.withUnsafeMutableBytes { prefix in
      unsafe payloadKey.withUnsafeMutableBytes { unsafe header.begin(prefix, payloadKey: $0) }
    }
    (self.prefix, self.payloadKey, self.pending) = (prefix, payloadKey, pending)
  }

  /// Takes more plaintext, any number of bytes, and appends the ciphertext that is ready to `output`.
  public mutating func push(_ plaintext: RawSpan, into output: inout [UInt8]) {
    writeHeader(into: &output)
    var rest = unsafe plaintext.pointer
    while rest.count > 0 {
      // A chunk is sealed only when more follows: until then it may be the final one.
      if pendingCount == 0, rest.count > Chunks.plainByteCount {
        unsafe seal(rest.part(0, Chunks.plainByteCount), isFinal: false, into: &output)
        unsafe rest = rest.part(Chunks.plainByteCount, rest.count - Chunks.plainByteCount)
      } else if pendingCount == Chunks.plainByteCount {
        sealPending(isFinal: false, into: &output)
      } else {
        let taken = min(rest.count, Chunks.plainByteCount - pendingCount)
        unsafe pending.withUnsafeMutableBytes {
          unsafe $0.part(pendingCount, taken).copyMemory(from: rest.part(0, taken))
        }
        pendingCount += taken
        unsafe rest = rest.part(taken, rest.count - taken)
      }
    }
  }

  /// Ends the file and appends the rest of its ciphertext to `output`.
  public consuming func finish(into output: inout [UInt8]) {
    writeHeader(into: &output)
    sealPending(isFinal: true, into: &output)
  }

  private mutating func writeHeader(into output: inout [UInt8]) {
    guard !isHeaderWritten else { return }
    isHeaderWritten = true
    output.append(contentsOf: prefix)
  }

  private mutating func sealPending(isFinal: Bool, into output: inout [UInt8]) {
    let pending = pending
    let count = pendingCount
    unsafe pending.withUnsafeBytes { unsafe seal($0.part(0, count), isFinal: isFinal, into: &output) }
    pendingCount = 0
  }

  private mutating func seal(_ plain: UnsafeRawBufferPointer, isFinal: Bool, into output: inout [UInt8]) {
    let count = plain.count + ChaCha20Poly1305.tagByteCount
    let index = index
    payloadKey.withBytes { key in
      unsafe sealed.withUnsafeMutableBytes {
        unsafe Chunks.seal(plain, index: index, isFinal: isFinal, key: key, into: $0.part(0, count))
      }
    }
    output.append(contentsOf: sealed[..<count])
    self.index += 1
  }
}
