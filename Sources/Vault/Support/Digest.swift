internal import SecretMemory

/// SHA-256 of bytes that are no secret.
enum Digest {
  static func sha256(_ bytes: [UInt8]) -> [UInt8] { unsafe sha256(bytes.span.bytes) }

  static func sha256(_ bytes: RawSpan) -> [UInt8] {
    let digest = SHA256.hash(bytes)
    return digest.indices.map { digest[$0] }
  }
}
