internal import SecretMemory

/// A short secret text (a passphrase, a recovery phrase, an identity file) in memory that is wiped when freed.
package struct SecretText: Sendable {
  private let buffer: WipedBuffer
  /// Bytes.
  package let count: Int

  /// A text of at most `limit` bytes; `fill` writes it and returns its length.
  package init(
    limit: Int, fill: (UnsafeMutableRawBufferPointer) -> Int
  ) throws(VaultError) {
    do {
      buffer = try WipedBuffer(uninitializedCount: limit)
    } catch {
      throw .memoryUnavailable
    }
    count = unsafe buffer.withUnsafeMutableBytes(fill)
    precondition(0...limit ~= count, "a text fits its memory")
  }

  /// A copy of `bytes`; the caller wipes the original.
  package init(copying bytes: RawSpan) throws(VaultError) {
    do {
      buffer = try WipedBuffer(copying: bytes)
    } catch {
      throw .memoryUnavailable
    }
    count = bytes.byteCount
  }

  /// Lends the bytes; the pointer is dead when `body` returns.
  package func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe buffer.withUnsafeBytes { bytes throws(E) in
      try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }
  }

  /// Lends the bytes.
  package func withBytes<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try buffer.withBytes { bytes throws(E) in try body(bytes.extracting(first: count)) }
  }

  /// Whether both hold the same bytes; how long that takes tells only whether the lengths differ.
  package func hasSameBytes(as other: SecretText) -> Bool {
    withBytes { mine in other.withBytes { ConstantTime.areEqual(mine, $0) } }
  }
}

extension RawSpan {
  /// The byte at `offset`; traps outside the bounds.
  func byte(at offset: Int) -> UInt8 { unsafe withUnsafeBytes { unsafe $0[offset] } }
}
