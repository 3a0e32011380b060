internal import CLibSodium

extension RawSpan {
  /// The first byte, as libsodium takes it.
  var c: UnsafePointer<UInt8> { unsafe pointer.c }
}

extension UnsafeRawBufferPointer {
  /// The first byte, as libsodium takes it.
  var c: UnsafePointer<UInt8> {
    guard let baseAddress else { return unsafe UnsafePointer(polykey_nowhere()) }
    // SAFETY: libsodium only ever sees bytes.
    return unsafe baseAddress.assumingMemoryBound(to: UInt8.self)
  }
}

extension UnsafeMutableRawBufferPointer {
  /// The first byte, as libsodium takes it.
  var c: UnsafeMutablePointer<UInt8> {
    guard let baseAddress else { return unsafe polykey_nowhere() }
    // SAFETY: libsodium only ever sees bytes.
    return unsafe baseAddress.assumingMemoryBound(to: UInt8.self)
  }
}
