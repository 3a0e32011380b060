internal import SecretMemory

/// An Ed25519 public key, as OpenSSH writes it.
public struct VerifyingKey: Hashable, Sendable {
  /// Bytes of a key.
  public static let byteCount = 32

  static let typeName = "ssh-ed25519"
  /// Bytes of ``blob``: two strings.
  static let blobCount = 4 + 11 + 4 + byteCount

  // Four words and not an array: a key is copied and compared without allocations.
  private let words: SIMD4<UInt64>

  /// The key of these 32 bytes.
  ///
  /// - Throws: ``SSHSignatureError/malformedKey`` for another count. Bytes that are no point verify no signature.
  public init(bytes: [UInt8]) throws(SSHSignatureError) {
    guard bytes.count == VerifyingKey.byteCount else { throw .malformedKey }
    self.init(bytes.span)
  }

  /// The key of bytes that are 32.
  init(_ bytes: Span<UInt8>) {
    var words = SIMD4<UInt64>()
    for index in 0..<VerifyingKey.byteCount { words[index / 8] |= UInt64(bytes[index]) << UInt64(index % 8 * 8) }
    self.words = words
  }

  /// The key's 32 bytes.
  public var bytes: [UInt8] {
    [UInt8](capacity: VerifyingKey.byteCount) { (output: inout OutputSpan<UInt8>) in append(to: &output) }
  }

  /// Appends the 32 bytes.
  func append(to output: inout OutputSpan<UInt8>) {
    for index in 0..<4 {
      for shift: UInt64 in stride(from: 0, to: 64, by: 8) {
        output.append(UInt8(truncatingIfNeeded: words[index] >> shift))
      }
    }
  }

  /// Appends the key as SSH sends it: the strings of its type's name and its bytes.
  ///
  /// Source: RFC 8709, section 4.
  func appendBlob(to output: inout OutputSpan<UInt8>) {
    output.append(string: VerifyingKey.typeName.utf8)
    output.append(uint32: VerifyingKey.byteCount)
    append(to: &output)
  }

  var blob: [UInt8] {
    [UInt8](capacity: VerifyingKey.blobCount) { (output: inout OutputSpan<UInt8>) in appendBlob(to: &output) }
  }

  /// The key that `range` of `source` sends.
  ///
  /// - Throws: ``SSHSignatureError/unsupportedKeyType``, ``SSHSignatureError/malformedKey``.
  init(blob source: Span<UInt8>, _ range: Range<Int>) throws(SSHSignatureError) {
    var wire = Wire(range, malformed: .malformedKey)
    let type = try wire.string(source)
    guard source.holds(VerifyingKey.typeName.utf8, in: type) else { throw .unsupportedKeyType }
    let key = try wire.string(source)
    try wire.finish()
    try self.init(bytes: source.copy(key))
  }

  /// What `ssh-keygen -l` prints: "SHA256:" and the hash of the key in base 64 without padding.
  public var fingerprint: String {
    let hash = unsafe SHA256.hash(blob.span.bytes)
    let text = [UInt8](capacity: Base64.encodedCount(hash.count)) { (output: inout OutputSpan<UInt8>) in
      Base64.encode(hash.span, to: &output)
    }
    return "SHA256:" + String(decoding: text.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
  }
}
