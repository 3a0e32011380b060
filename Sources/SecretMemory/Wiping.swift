internal import CLibSodium

/// Overwrites `buffer` with zeros in a way that the optimiser may not drop.
package func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
  guard let base = buffer.baseAddress else { return }
  unsafe sodium_memzero(base, buffer.count)
}

/// Lends `body` zeroed stack memory for short-lived key material, and wipes it before returning.
///
/// For keys that live for one call only: the guarded heap of `SecretBytes` costs several system calls.
///
/// - Parameters:
///   - byteCount: At most 1024, so that it fits on any stack; aligned to 16.
///   - body: Uses the memory, which must not leave it.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws.
@inline(__always)
package func withWipedScratch<R: ~Copyable, E: Error>(
  _ byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
) throws(E) -> R {
  precondition(byteCount <= 1024, "scratch is for keys only")
  let result: Result<R, E> = unsafe withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 16) { scratch in
    unsafe scratch.initializeMemory(as: UInt8.self, repeating: 0)
    defer { unsafe wipe(scratch) }
    do throws(E) {
      return .success(try unsafe body(scratch))
    } catch {
      return .failure(error)
    }
  }
  return try result.get()
}

extension UnsafeMutableRawBufferPointer {
  /// The `count` bytes from `offset`, as a buffer of their own; traps outside the bounds.
  package func part(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: self[offset..<(offset + count)])
  }
}

extension UnsafeRawBufferPointer {
  /// The `count` bytes from `offset`, as a buffer of their own; traps outside the bounds.
  package func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: self[offset..<(offset + count)])
  }
}
