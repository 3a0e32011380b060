import SecretMemory

/// The bytes that `text` writes in hexadecimal; spaces are skipped.
func hex(_ text: String) -> [UInt8] {
  let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// The hexadecimal of `bytes`, lower case.
func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// `count` bytes that `fill` writes.
func filled<E: Error>(
  _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void
) throws(E) -> [UInt8] {
  var bytes = [UInt8](repeating: 0xEE, count: count)
  var span = bytes.mutableSpan
  let result: Result<Void, E> = unsafe span.withUnsafeMutableBytes { buffer in
    do throws(E) { return .success(try unsafe fill(buffer)) } catch { return .failure(error) }
  }
  try result.get()
  return bytes
}

extension InlineArray<32, UInt8> {
  var array: [UInt8] { indices.map { self[$0] } }
}

extension InlineArray<64, UInt8> {
  var array: [UInt8] { indices.map { self[$0] } }
}

extension RawSpan {
  var array: [UInt8] { unsafe [UInt8](pointer) }
}
