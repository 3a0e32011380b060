internal import SecretMemory

/// A secret of `count` bytes that `write` appends, all of them.
///
/// - Throws: ``SSHSignatureError/secretMemoryUnavailable``.
func secret(
  count: Int, _ write: (inout OutputSpan<UInt8>) -> Void
) throws(SSHSignatureError) -> SecretBytes {
  do {
    return try unsafe SecretBytes(count: count) { memory in
      // SAFETY: the memory is `count` bytes for this call; bytes need no initialization.
      let buffer = unsafe memory.bindMemory(to: UInt8.self)
      var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
      write(&output)
      let written = unsafe output.finalize(for: buffer)
      precondition(written == count, "the secret is as long as it was said to be")
    }
  } catch {
    throw .secretMemoryUnavailable
  }
}

extension SecretBytes {
  /// Lends the bytes to `body`, typed.
  borrowing func withSpan<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
    try withBytes { (bytes) throws(E) in
      // SAFETY: the memory is borrowed for both calls, and any byte is a UInt8.
      try unsafe bytes.withUnsafeBytes { (buffer) throws(E) in
        try unsafe body(buffer.bindMemory(to: UInt8.self).span)
      }
    }
  }
}

extension OutputSpan where Element == UInt8 {
  /// Appends bytes that stay the caller's secret; `self` must be of wiped memory.
  mutating func append(secret bytes: RawSpan) {
    for offset in 0..<bytes.byteCount {
      // SAFETY: any byte is a UInt8, and the load checks its bounds.
      append(unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
    }
  }
}
