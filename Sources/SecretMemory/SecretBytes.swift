internal import CLibSodium

/// libsodium's `sodium_init`: a lazy global runs once and is thread-safe.
let sodiumIsReady = sodium_init() >= 0

/// Key material in libsodium's guarded heap: locked in RAM, fenced by guard pages, wiped when freed.
///
/// Ownership: the sole owner of its allocation. It is not copyable, so a key has exactly one home.
@safe
package struct SecretBytes: ~Copyable, @unchecked Sendable {
  // SAFETY (Sendable): the bytes are written once in `init` and only read afterwards.
  private let base: UnsafeMutableRawPointer

  /// Length in bytes, at least 1.
  package let count: Int

  private static func allocate(_ count: Int) throws(SecretMemoryError) -> UnsafeMutableRawPointer {
    precondition(count > 0, "a secret has at least one byte")
    guard sodiumIsReady else { throw .libraryUnavailable }
    guard let base = unsafe sodium_malloc(count) else { throw .lockedMemoryExhausted(byteCount: count) }
    return unsafe base
  }

  /// A secret of `count` bytes, at least 1, that `initialize` fills.
  ///
  /// - Throws: `SecretMemoryError`, or what `initialize` throws.
  package init<E: Error>(
    count: Int, initialize: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws {
    let base = try unsafe Self.allocate(count)
    do {
      try unsafe initialize(UnsafeMutableRawBufferPointer(start: base, count: count))
    } catch {
      unsafe sodium_free(base)
      throw error
    }
    unsafe self.base = base
    self.count = count
  }

  /// A secret of `count` bytes, at least 1, from the kernel's random generator.
  package init(randomCount count: Int) throws(SecretMemoryError) {
    unsafe base = try Self.allocate(count)
    self.count = count
    unsafe randombytes_buf(base, count)
  }

  /// A copy of `bytes`, at least 1; the caller wipes the original.
  package init(copying bytes: RawSpan) throws(SecretMemoryError) {
    count = bytes.byteCount
    unsafe base = try Self.allocate(count)
    unsafe UnsafeMutableRawBufferPointer(start: base, count: count).copyMemory(from: bytes.pointer)
  }

  deinit { unsafe sodium_free(base) }

  /// Lends the bytes to `body`; the span cannot outlive the call.
  package borrowing func withBytes<R: ~Copyable, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    // SAFETY: `base` stays allocated and `count` bytes long until `deinit`.
    try unsafe body(UnsafeRawBufferPointer(start: base, count: count).bytes)
  }
}
