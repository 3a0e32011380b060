internal import SecretMemory

/// An SSH signature as `ssh-keygen -Y sign` writes it, taken apart.
///
/// Source: OpenSSH, PROTOCOL.sshsig.
public struct ArmoredSignature: Hashable, Sendable {
  /// The hash of the message that was signed.
  public enum Hash: Hashable, Sendable {
    case sha256
    case sha512

    fileprivate var name: String {
      switch self {
      case .sha256: "sha256"
      case .sha512: "sha512"
      }
    }
  }

  /// Bytes of the longest text that is read: a namespace needs no more.
  public static let sizeLimit = 4096

  /// Who claims to have signed: to be compared with who may.
  public let key: VerifyingKey
  /// What the signature is for: bytes, not empty.
  public let namespace: [UInt8]
  /// The hash of the message.
  public let hash: Hash
  /// Whether the text is broken into lines as OpenSSH breaks it: no other text, but for its last newline, then has these bytes.
  public let isCanonical: Bool
  private let signature: [UInt8]

  /// Reads the text of a signature; its last newline may be missing.
  ///
  /// - Throws: ``SSHSignatureError/malformedSignature``; ``SSHSignatureError/unsupportedSignature`` for a later version,
  ///   another key type, another hash, or something in the field that is reserved.
  public init(text: Span<UInt8>) throws(SSHSignatureError) {
    guard text.count <= Self.sizeLimit, let content = Armor.signature.content(of: text),
      let count = Base64.decodedCount(text, content)
    else { throw .malformedSignature }
    var isRight = false
    let blob = [UInt8](capacity: count) { (output: inout OutputSpan<UInt8>) in
      isRight = Base64.decode(text, content, to: &output)
    }
    guard isRight else { throw .malformedSignature }
    // Lines but the last are of one length, so the first tells.
    let first = (content.lowerBound..<content.upperBound).first { text[$0] == UInt8(ascii: "\n") }
    let isWhole = first == content.upperBound - 1
    let length = (first ?? content.upperBound) - content.lowerBound
    try self.init(blob: blob.span, isCanonical: isWhole ? length <= Armor.lineLength : length == Armor.lineLength)
  }

  private init(blob: Span<UInt8>, isCanonical: Bool) throws(SSHSignatureError) {
    self.isCanonical = isCanonical
    var wire = Wire(0..<blob.count, malformed: .malformedSignature)
    guard blob.holds(SSHSIG.magic.utf8, in: try wire.bytes(SSHSIG.magic.utf8.count)) else { throw .malformedSignature }
    // "Verifiers MUST reject signatures with versions greater than those they support."
    guard try wire.uint32(blob) == SSHSIG.version else { throw .unsupportedSignature }
    let keyBlob = try wire.string(blob)
    let namespace = try wire.string(blob)
    let reserved = try wire.string(blob)
    let hashName = try wire.string(blob)
    let signatureBlob = try wire.string(blob)
    try wire.finish()

    do throws(SSHSignatureError) {
      key = try VerifyingKey(blob: blob, keyBlob)
    } catch {
      throw error == .unsupportedKeyType ? .unsupportedSignature : .malformedSignature
    }
    guard !namespace.isEmpty else { throw .malformedSignature }
    self.namespace = blob.copy(namespace)
    // "reserved … should be ignored if present", but it is signed as empty here, so it must be.
    guard reserved.isEmpty else { throw .unsupportedSignature }
    if blob.holds(Hash.sha512.name.utf8, in: hashName) {
      hash = .sha512
    } else if blob.holds(Hash.sha256.name.utf8, in: hashName) {
      hash = .sha256
    } else {
      throw .unsupportedSignature
    }
    var inner = Wire(signatureBlob, malformed: .malformedSignature)
    guard blob.holds(VerifyingKey.typeName.utf8, in: try inner.string(blob)) else { throw .unsupportedSignature }
    let signature = try inner.string(blob)
    try inner.finish()
    guard signature.count == SSHSIG.signatureCount else { throw .malformedSignature }
    self.signature = blob.copy(signature)
  }

  /// As ``init(text:)-(Span<UInt8>)``, of an array.
  public init(text: [UInt8]) throws(SSHSignatureError) {
    try self.init(text: text.span)
  }

  /// Checks that ``key`` signed `message` for `namespace`.
  ///
  /// - Throws: ``SSHSignatureError/wrongNamespace``, ``SSHSignatureError/signatureMismatch``.
  public func verify(_ message: RawSpan, namespace: String) throws(SSHSignatureError) {
    guard self.namespace.elementsEqual(namespace.utf8) else { throw .wrongNamespace }
    let isRight =
      switch hash {
      case .sha256: isSigned(SHA256.hash(message).span)
      case .sha512: isSigned(SHA512.hash(message).span)
      }
    guard isRight else { throw .signatureMismatch }
  }

  private func isSigned(_ messageHash: Span<UInt8>) -> Bool {
    let signed = signedBytes(namespace: namespace, hashName: hash.name, hash: messageHash)
    return unsafe Ed25519.verify(signature.span.bytes, of: signed.span.bytes, publicKey: key.bytes.span.bytes)
  }
}

extension VerifyingKey {
  /// Checks that `signature` is the armored text of one that this key made of `message` for `namespace`.
  ///
  /// - Throws: ``SSHSignatureError/wrongKey`` for a signature by another key, and what reading and checking a signature
  ///   throws: see ``ArmoredSignature``.
  public func verify(
    _ signature: Span<UInt8>, of message: RawSpan, namespace: String
  ) throws(SSHSignatureError) {
    let signature = try ArmoredSignature(text: signature)
    guard signature.key == self else { throw .wrongKey }
    try signature.verify(message, namespace: namespace)
  }

  /// As ``verify(_:of:namespace:)-(Span<UInt8>,RawSpan,_)``, of arrays.
  public func verify(
    _ signature: [UInt8], of message: [UInt8], namespace: String
  ) throws(SSHSignatureError) {
    try unsafe verify(signature.span, of: message.span.bytes, namespace: namespace)
  }
}
