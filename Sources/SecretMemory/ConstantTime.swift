internal import CLibSodium

/// Comparison whose duration tells nothing about the contents.
package enum ConstantTime {
  /// Whether both hold the same bytes; lengths are not secret, and unequal ones are never equal.
  package static func areEqual(_ left: RawSpan, _ right: RawSpan) -> Bool {
    guard left.byteCount == right.byteCount else { return false }
    guard let a = unsafe left.pointer.baseAddress, let b = unsafe right.pointer.baseAddress else { return true }
    return unsafe sodium_memcmp(a, b, left.byteCount) == 0
  }
}
