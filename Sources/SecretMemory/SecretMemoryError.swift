/// Why a cryptographic primitive or its memory could not be had.
package enum SecretMemoryError: Error, Hashable {
  /// libsodium could not be started.
  case libraryUnavailable
  /// The kernel would not give (RLIMIT_MEMLOCK or memory) that much locked memory.
  case lockedMemoryExhausted(byteCount: Int)
  /// There is not that much memory.
  case memoryExhausted(byteCount: Int)
  /// An X25519 result was all zero: the peer's point has low order.
  case lowOrderPoint
  /// An authentication tag did not verify.
  case authenticationFailed
}
