/// A vault's id: the SHA-256 of its canonical genesis entry, 32 bytes, written as 64 hex digits.
package struct VaultID: Hashable, Sendable {
  package let bytes: [UInt8]

  /// The id of these 32 bytes.
  package init(bytes: [UInt8]) {
    precondition(bytes.count == 32, "a vault id has 32 bytes")
    self.bytes = bytes
  }

  /// The id that `text` writes in 64 lowercase hex digits; nil if it does not.
  package init?(hex text: some StringProtocol) {
    let digits = text.utf8.compactMap(Hex.value)
    guard digits.count == 64, text.utf8.count == 64 else { return nil }
    bytes = stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  package var hex: String { Hex.encode(bytes) }
}
