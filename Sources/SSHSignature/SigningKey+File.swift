package import SecretMemory

/// The private key file that `ssh-keygen` writes, without a passphrase.
///
/// Source: OpenSSH, PROTOCOL.key.
private enum KeyFile {
  static let magic = "openssh-key-v1\u{0}"
  /// Of cipher and key derivation: no passphrase.
  static let none = "none"
  /// Bytes of a private key: seed and public key.
  static let keyPairCount = SigningKey.seedByteCount + VerifyingKey.byteCount
  /// What the private part is padded to.
  static let blockSize = 8
  /// Bytes of the longest file that is read.
  static let sizeLimit = 1 << 16
}

extension SigningKey {
  /// Lends the text of a private key file to `body`, in memory that is wiped afterwards.
  ///
  /// The same key and comment give the same text.
  /// - Throws: ``SSHSignatureError/invalidName`` for a comment with control characters or of more than 1,024 bytes.
  public func withPrivateKeyFile<R>(
    comment: String = "", _ body: (Span<UInt8>) -> R
  ) throws(SSHSignatureError) -> R {
    try privateKeyFile(comment: comment).withSpan(body)
  }

  /// The text of a private key file.
  ///
  /// - Returns: ASCII, ending with a newline.
  /// - Throws: As ``withPrivateKeyFile(comment:_:)``.
  package func privateKeyFile(comment: String = "") throws(SSHSignatureError) -> SecretBytes {
    let comment = comment.utf8
    guard comment.count <= 1024, comment.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .invalidName }
    var privateCount = 4 + 4 + VerifyingKey.blobCount + 4 + KeyFile.keyPairCount + 4 + comment.count
    let padding = (KeyFile.blockSize - privateCount % KeyFile.blockSize) % KeyFile.blockSize
    privateCount += padding
    let count =
      KeyFile.magic.utf8.count + 2 * (4 + KeyFile.none.utf8.count) + 4 + 4 + (4 + VerifyingKey.blobCount)
      + (4 + privateCount)
    let blob = try secret(count: count) { output in
      output.append(KeyFile.magic.utf8)
      output.append(string: KeyFile.none.utf8)
      output.append(string: KeyFile.none.utf8)
      output.append(uint32: 0)  // options of the key derivation
      output.append(uint32: 1)  // number of keys
      output.append(uint32: VerifyingKey.blobCount)
      verifyingKey.appendBlob(to: &output)
      output.append(uint32: privateCount)
      // The "checkint" shows whether decryption was right. Nothing is encrypted: any number will do.
      for _ in 0..<2 { output.append(verifyingKey.bytes.prefix(4)) }
      verifyingKey.appendBlob(to: &output)
      output.append(uint32: KeyFile.keyPairCount)
      key.withSeed { output.append(secret: $0) }
      verifyingKey.append(to: &output)
      output.append(string: comment)
      for byte in 0..<padding { output.append(UInt8(byte + 1)) }
    }
    return try blob.withSpan { (blob) throws(SSHSignatureError) in
      try secret(count: Armor.privateKey.encodedCount(count)) { Armor.privateKey.encode(blob, to: &$0) }
    }
  }

  /// Reads a private key file; the caller wipes the text.
  ///
  /// - Returns: The key and its comment, whose bytes that are not UTF-8 are replaced.
  /// - Throws: ``SSHSignatureError/encryptedKey``, ``SSHSignatureError/unsupportedKeyType``,
  ///   ``SSHSignatureError/malformedKey``, ``SSHSignatureError/secretMemoryUnavailable``.
  public static func parse(
    privateKeyFile text: Span<UInt8>
  ) throws(SSHSignatureError) -> (key: SigningKey, comment: String) {
    guard text.count <= KeyFile.sizeLimit, let content = Armor.privateKey.content(of: text),
      let count = Base64.decodedCount(text, content), count > 0
    else { throw .malformedKey }
    var isRight = false
    let blob = try secret(count: count) { isRight = Base64.decode(text, content, to: &$0) }
    guard isRight else { throw .malformedKey }
    return try blob.withSpan { (blob) throws(SSHSignatureError) in try parse(blob: blob) }
  }

  private static func parse(blob: Span<UInt8>) throws(SSHSignatureError) -> (key: SigningKey, comment: String) {
    var wire = Wire(0..<blob.count, malformed: .malformedKey)
    guard blob.holds(KeyFile.magic.utf8, in: try wire.bytes(KeyFile.magic.utf8.count)) else { throw .malformedKey }
    let cipher = try wire.string(blob)
    let derivation = try wire.string(blob)
    guard blob.holds(KeyFile.none.utf8, in: cipher), blob.holds(KeyFile.none.utf8, in: derivation) else {
      throw .encryptedKey
    }
    guard try wire.string(blob).isEmpty else { throw .malformedKey }
    guard try wire.uint32(blob) == 1 else { throw .unsupportedKeyType }
    let publicKey = try VerifyingKey(blob: blob, try wire.string(blob))
    let privatePart = try wire.string(blob)
    try wire.finish()

    guard privatePart.count.isMultiple(of: KeyFile.blockSize) else { throw .malformedKey }
    var inner = Wire(privatePart, malformed: .malformedKey)
    let check = try inner.uint32(blob)
    guard try inner.uint32(blob) == check, blob.holds(VerifyingKey.typeName.utf8, in: try inner.string(blob)),
      blob.holds(publicKey.bytes, in: try inner.string(blob))
    else { throw .malformedKey }
    let keyPair = try inner.string(blob)
    let comment = try inner.string(blob)
    let padding = inner.rest
    // "1, 2, 3 …" up to the block's end.
    guard padding.count < KeyFile.blockSize, blob.holds((0..<padding.count).map { UInt8($0 + 1) }, in: padding),
      keyPair.count == KeyFile.keyPairCount,
      blob.holds(publicKey.bytes, in: keyPair.dropFirst(SigningKey.seedByteCount))
    else { throw .malformedKey }
    let key = try unsafe SigningKey(seed: blob.extracting(keyPair.prefix(SigningKey.seedByteCount)).bytes)
    guard key.verifyingKey == publicKey else { throw .malformedKey }
    return (key, String(decoding: blob.copy(comment), as: UTF8.self))
  }
}
