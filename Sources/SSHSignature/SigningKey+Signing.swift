internal import SecretMemory

/// The parts of a signature that do not change: see ``ArmoredSignature``.
enum SSHSIG {
  static let magic = "SSHSIG"
  static let version: UInt32 = 1
  static let hashName = "sha512"
  static let signatureCount = 64
}

extension SigningKey {
  /// Signs `message` as `ssh-keygen -Y sign` does: the armored text, with a newline at its end.
  ///
  /// Ed25519 is deterministic: the same message gives the same text.
  /// - Parameters:
  ///   - message: Any bytes.
  ///   - namespace: The signature's purpose, as "git" or "file"; not empty.
  /// - Returns: The text, of ASCII.
  /// - Throws: ``SSHSignatureError/invalidName`` for an empty namespace.
  ///
  /// Source: OpenSSH, PROTOCOL.sshsig.
  public func sign(_ message: RawSpan, namespace: String) throws(SSHSignatureError) -> [UInt8] {
    guard !namespace.isEmpty else { throw .invalidName }
    let hash = SHA512.hash(message)
    let signed = signedBytes(namespace: namespace.utf8, hashName: SSHSIG.hashName, hash: hash.span)
    let signature = unsafe key.sign(signed.span.bytes)

    let signatureCount = 4 + VerifyingKey.typeName.utf8.count + 4 + SSHSIG.signatureCount
    let count =
      SSHSIG.magic.utf8.count + 4 + (4 + VerifyingKey.blobCount) + (4 + namespace.utf8.count) + 4
      + (4 + SSHSIG.hashName.utf8.count) + (4 + signatureCount)
    let blob = [UInt8](capacity: count) { (output: inout OutputSpan<UInt8>) in
      output.append(SSHSIG.magic.utf8)
      output.append(uint32: Int(SSHSIG.version))
      output.append(uint32: VerifyingKey.blobCount)
      verifyingKey.appendBlob(to: &output)
      output.append(string: namespace.utf8)
      output.append(uint32: 0)  // "reserved"
      output.append(string: SSHSIG.hashName.utf8)
      output.append(uint32: signatureCount)
      output.append(string: VerifyingKey.typeName.utf8)
      output.append(string: signature.span)
    }
    return [UInt8](capacity: Armor.signature.encodedCount(count)) { (output: inout OutputSpan<UInt8>) in
      Armor.signature.encode(blob.span, to: &output)
    }
  }

  /// As ``sign(_:namespace:)-(RawSpan,_)``, of an array.
  public func sign(_ message: [UInt8], namespace: String) throws(SSHSignatureError) -> [UInt8] {
    try unsafe sign(message.span.bytes, namespace: namespace)
  }
}

extension SigningKey {
  /// The Ed25519 signature of `message` itself, 64 bytes, without SSHSIG's frame around it.
  ///
  /// Only for messages that cannot be taken for another protocol's, as TLS's (RFC 8446, 4.4.3) and X.509's cannot.
  package func signRaw(_ message: [UInt8]) -> [UInt8] {
    let signature = unsafe key.sign(message.span.bytes)
    return [UInt8](capacity: SSHSIG.signatureCount) { (output: inout OutputSpan<UInt8>) in
      for index in 0..<SSHSIG.signatureCount { output.append(signature[index]) }
    }
  }
}

/// What Ed25519 signs for a message with this hash.
func signedBytes(namespace: some Collection<UInt8>, hashName: String, hash: Span<UInt8>) -> [UInt8] {
  let count = SSHSIG.magic.utf8.count + 16 + namespace.count + hashName.utf8.count + hash.count
  return [UInt8](capacity: count) { (output: inout OutputSpan<UInt8>) in
    output.append(SSHSIG.magic.utf8)
    output.append(string: namespace)
    output.append(uint32: 0)  // "reserved"
    output.append(string: hashName.utf8)
    output.append(string: hash)
  }
}
