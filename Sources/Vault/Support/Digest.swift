internal import SecretMemory

/// SHA-256 of bytes, and random ones.
package enum Digest {
  static func sha256(_ bytes: [UInt8]) -> [UInt8] { unsafe sha256(bytes.span.bytes) }

  static func sha256(_ bytes: RawSpan) -> [UInt8] {
    let digest = SHA256.hash(bytes)
    return digest.indices.map { digest[$0] }
  }

  /// The SHA-256 of `bytes` as 64 hex digits: a name for what only its holder can tell.
  package static func hex(of bytes: [UInt8]) -> String { Hex.encode(sha256(bytes)) }

  /// Bytes that nobody can guess.
  package static func randomBytes(_ count: Int) throws(VaultError) -> [UInt8] {
    do {
      return try SecretBytes(randomCount: count).withBytes { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }
    } catch {
      throw .memoryUnavailable
    }
  }
}
