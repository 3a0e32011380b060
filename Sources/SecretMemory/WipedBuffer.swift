internal import CLibSodium
internal import Glibc

/// Plain memory for decrypted contents: of any size, wiped when freed, and when large kept out of core dumps.
///
/// Not locked and not guarded, unlike `SecretBytes`, so it costs no more than `malloc` when small.
/// From 128 KiB it has pages of its own, marked `MADV_DONTDUMP`; smaller ones rely on the process allowing no dumps.
///
/// Ownership: the object is the sole owner of its memory.
@safe
package final class WipedBuffer: @unchecked Sendable {
  // SAFETY (Sendable): the memory is written by the one owner that fills it, before the buffer is shared; afterwards
  // it is only read. `base`, `count` and `isMapped` never change.
  private let base: UnsafeMutableRawPointer
  private let isMapped: Bool

  /// Length in bytes; may be 0.
  package let count: Int

  private static let mappedFrom = 128 * 1024

  /// A buffer of `count` bytes, 0 or more, whose contents are not yet defined.
  ///
  /// - Throws: `SecretMemoryError.memoryExhausted`.
  package init(uninitializedCount count: Int) throws(SecretMemoryError) {
    precondition(count >= 0, "a buffer has no negative length")
    if count >= Self.mappedFrom {
      let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE
      guard let pages = unsafe mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe pages != MAP_FAILED
      else { throw .memoryExhausted(byteCount: count) }
      // Advice only: a kernel without it still gives correct memory.
      _ = unsafe madvise(pages, count, MADV_DONTDUMP)
      unsafe base = pages
      isMapped = true
    } else {
      guard let memory = unsafe malloc(max(count, 1)) else { throw .memoryExhausted(byteCount: count) }
      unsafe base = memory
      isMapped = false
    }
    self.count = count
  }

  /// A copy of `bytes`; the caller wipes the original.
  ///
  /// - Throws: `SecretMemoryError.memoryExhausted`.
  package convenience init(copying bytes: RawSpan) throws(SecretMemoryError) {
    try self.init(uninitializedCount: bytes.byteCount)
    unsafe UnsafeMutableRawBufferPointer(start: base, count: count).copyMemory(from: bytes.pointer)
  }

  deinit {
    unsafe sodium_memzero(base, count)
    if isMapped {
      unsafe munmap(base, count)
    } else {
      unsafe free(base)
    }
  }

  /// Lends the bytes to `body`; the span cannot outlive the call.
  package func withBytes<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    defer { withExtendedLifetime(self) {} }
    // SAFETY: `base` stays allocated and `count` bytes long while `self` lives.
    return try unsafe body(UnsafeRawBufferPointer(start: base, count: count).bytes)
  }

  /// Lends the bytes to `body`; the pointer must not leave it.
  package func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(self) {} }
    return try unsafe body(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// Lends the bytes to `body` to be written; the pointer must not leave it, and no one else may use the buffer then.
  package func withUnsafeMutableBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(self) {} }
    return try unsafe body(UnsafeMutableRawBufferPointer(start: base, count: count))
  }
}
