internal import SecretMemory

/// Decrypts one age file as a stream, in bounded memory: push ciphertext, receive plaintext.
///
/// Each piece of plaintext is authentic when released, but that the file is complete is known only when ``finish(emit:)``
/// has returned. After an error the decryptor is unusable.
public struct Decryptor: ~Copyable {
  private enum Stage {
    case header
    case nonce
    case payload
    case ended
  }

  private let identities: [any Identity]
  private var stage = Stage.header
  private var parser = HeaderParser()
  private var text: [UInt8] = []
  private var lineStart = 0
  // The file key and then, from the nonce on, the payload key.
  private let key: WipedBuffer
  private let sealed: WipedBuffer
  private let plain: WipedBuffer
  private var sealedCount = 0
  private var index = 0

  /// A decryptor with the given identities, which are tried in order.
  ///
  /// - Throws: ``AgeError/memoryUnavailable``.
  public init(identities: [any Identity]) throws(AgeError) {
    let key = try WipedBuffer.make(32)
    let sealed = try WipedBuffer.make(Chunks.sealedByteCount)
    let plain = try WipedBuffer.make(Chunks.plainByteCount)
    self.identities = identities
    self.key = key
    self.sealed = sealed
    self.plain = plain
  }

  /// Takes more ciphertext, any number of bytes, and lends the plaintext that is ready, in pieces of at most 64 KiB.
  ///
  /// - Parameters:
  ///   - ciphertext: The next bytes of the file.
  ///   - emit: Receives each piece; the memory is used again or wiped afterwards.
  /// - Throws: ``AgeError``, or what `emit` throws.
  public mutating func push(_ ciphertext: RawSpan, emit: (RawSpan) throws -> Void) throws {
    guard stage != .ended else { throw AgeError.unusable }
    do {
      var rest = unsafe ciphertext.pointer
      if stage == .header { unsafe rest = try takeHeader(rest) }
      if stage == .nonce { unsafe rest = try takeNonce(rest) }
      try unsafe takePayload(rest, emit)
    } catch {
      stage = .ended
      throw error
    }
  }

  /// Ends the file and lends the rest of its plaintext.
  ///
  /// - Parameter emit: Receives the last piece, if it is not empty.
  /// - Throws: ``AgeError``, or what `emit` throws.
  public consuming func finish(emit: (RawSpan) throws -> Void) throws {
    switch stage {
    case .ended: throw AgeError.unusable
    case .header, .nonce: throw AgeError.malformedHeader(.truncated)
    case .payload: break
    }
    guard sealedCount >= ChaCha20Poly1305.tagByteCount else { throw AgeError.truncated }
    let index = index
    let count = sealedCount - ChaCha20Poly1305.tagByteCount
    try unsafe sealed.withUnsafeBytes { sealed in
      try unsafe release(count, emit) { (output, key) throws(AgeError) in
        try unsafe Chunks.openLast(
          sealed.part(0, count + ChaCha20Poly1305.tagByteCount), index: index, key: key, into: output)
      }
    }
  }

  /// Takes bytes up to the header's end; returns those after it.
  private mutating func takeHeader(_ bytes: UnsafeRawBufferPointer) throws(AgeError) -> UnsafeRawBufferPointer {
    var start = 0
    while start < bytes.count {
      let lineFeed = unsafe bytes.lineFeed(from: start)
      let end = lineFeed.map { $0 + 1 } ?? bytes.count
      guard text.count + (end - start) <= HeaderParser.byteCountLimit else { throw .malformedHeader(.tooLong) }
      unsafe text.append(contentsOf: bytes.part(start, end - start))
      start = end
      guard lineFeed != nil else { break }
      let line = (start: lineStart, count: text.count - 1 - lineStart)
      lineStart = text.count
      let header = text
      let isComplete = try unsafe parser.take(line: header.span.bytes.pointer.part(line.start, line.count))
      if isComplete {
        try unwrap()
        stage = .nonce
        text.removeAll()
        break
      }
    }
    return unsafe bytes.part(start, bytes.count - start)
  }

  private func unwrap() throws(AgeError) {
    let header = unsafe text.span.bytes
    try unsafe key.withUnsafeMutableBytes { (key) throws(AgeError) in
      try unsafe parser.unwrap(
        covering: header.pointer, with: identities, into: key.part(0, KeySchedule.fileKeyByteCount))
    }
  }

  /// Takes bytes up to the nonce's end; returns those after it.
  private mutating func takeNonce(_ bytes: UnsafeRawBufferPointer) throws(AgeError) -> UnsafeRawBufferPointer {
    let taken = min(bytes.count, KeySchedule.payloadNonceByteCount - text.count)
    unsafe text.append(contentsOf: bytes.part(0, taken))
    if text.count == KeySchedule.payloadNonceByteCount {
      let nonce = text
      unsafe key.withUnsafeMutableBytes { key in
        let fileKey = unsafe UnsafeRawBufferPointer(key.part(0, KeySchedule.fileKeyByteCount)).bytes
        unsafe KeySchedule.payloadKey(fileKey: fileKey, nonce: nonce.span.bytes, into: key)
      }
      stage = .payload
    }
    return unsafe bytes.part(taken, bytes.count - taken)
  }

  private mutating func takePayload(_ bytes: UnsafeRawBufferPointer, _ emit: (RawSpan) throws -> Void) throws {
    var rest = unsafe bytes
    while rest.count > 0 {
      // A chunk is opened only when more follows: until then it may be the final one.
      if sealedCount == 0, rest.count > Chunks.sealedByteCount {
        try unsafe openInner(rest.part(0, Chunks.sealedByteCount), emit)
        unsafe rest = rest.part(Chunks.sealedByteCount, rest.count - Chunks.sealedByteCount)
      } else if sealedCount == Chunks.sealedByteCount {
        let sealed = sealed
        sealedCount = 0
        try unsafe sealed.withUnsafeBytes { try unsafe openInner($0, emit) }
      } else {
        let taken = min(rest.count, Chunks.sealedByteCount - sealedCount)
        unsafe sealed.withUnsafeMutableBytes {
          unsafe $0.part(sealedCount, taken).copyMemory(from: rest.part(0, taken))
        }
        sealedCount += taken
        unsafe rest = rest.part(taken, rest.count - taken)
      }
    }
  }

  private mutating func openInner(
    _ sealed: UnsafeRawBufferPointer, _ emit: (RawSpan) throws -> Void
  ) throws {
    let index = index
    self.index += 1
    try unsafe release(Chunks.plainByteCount, emit) { (output, key) throws(AgeError) in
      try unsafe Chunks.openInner(sealed, index: index, key: key, into: output)
    }
  }

  /// Opens a chunk of `count` plaintext bytes and lends it to `emit`.
  ///
  /// A chunk that is authentic in itself is released even if the file is then found too long or too short.
  private func release(
    _ count: Int, _ emit: (RawSpan) throws -> Void,
    _ open: (UnsafeMutableRawBufferPointer, RawSpan) throws(AgeError) -> Void
  ) throws {
    var fault: AgeError?
    try unsafe plain.withUnsafeMutableBytes { plain in
      let output = unsafe plain.part(0, count)
      do throws(AgeError) {
        try key.withBytes { (key) throws(AgeError) in try unsafe open(output, key) }
      } catch {
        guard error == .trailingData || error == .truncated else { throw error }
        fault = error
      }
      if count > 0 { try unsafe emit(UnsafeRawBufferPointer(output).bytes) }
    }
    if let fault { throw fault }
  }
}
