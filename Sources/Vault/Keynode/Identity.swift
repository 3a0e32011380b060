package import Age
internal import SSHSignature
package import SecretMemory

/// One node's whole identity: 32 secret bytes that are its X25519 age identity and seed the key that signs its commits.
///
/// Source: docs/format.md, "Identity".
package final class Identity: Sendable {
  /// Bytes of the secret.
  package static let secretSize = 32

  private let secret: SecretBytes
  /// Decrypts what is encrypted to ``recipient``.
  package let decryption: X25519Identity
  private let signing: SigningKey
  package let node: NodeID
  /// This node as the author of its commits, up to the date.
  let person: [UInt8]

  /// A new identity.
  package convenience init() throws(VaultError) {
    let secret: SecretBytes
    do {
      secret = try SecretBytes(randomCount: Identity.secretSize)
    } catch {
      throw .memoryUnavailable
    }
    try self.init(secret: secret)
  }

  /// The identity of these 32 secret bytes.
  package init(secret: consuming SecretBytes) throws(VaultError) {
    precondition(secret.count == Identity.secretSize, "an identity has 32 secret bytes")
    do {
      decryption = try Identity.decryption(secret)
      signing = try SigningKey.make(seed: try Identity.derive(secret, info: Identity.signingInfo))
    } catch {
      throw .memoryUnavailable
    }
    self.secret = secret
    node = NodeID(signing.verifyingKey)
    person = [UInt8]("\(node.short) <\(SignedCommit.principal(of: node))> ".utf8)
  }

  /// HKDF-SHA-256 without salt; 32 bytes.
  private static func derive(_ secret: borrowing SecretBytes, info: [UInt8]) throws -> SecretBytes {
    try secret.withBytes { input in
      try unsafe SecretBytes(count: 32) { output in
        unsafe HKDFSHA256.derive(from: input, salt: RawSpan(), info: info.span.bytes, into: output)
      }
    }
  }

  private static func decryption(_ secret: borrowing SecretBytes) throws -> X25519Identity {
    try secret.withBytes { try X25519Identity(secret: $0) }
  }

  private static let signingInfo = [UInt8]("polykey/v1/signing".utf8)
  private static let cacheInfo = [UInt8]("polykey/v1/cache".utf8)

  /// The age recipient that others encrypt to: `age1…`.
  package var recipient: String { decryption.recipient.description }

  /// The line `ssh-ed25519 AAAA… NODE-ID`.
  package var publicKeyLine: String { Identity.publicKeyLine(of: node) }

  /// The line of an allowed-signers file (ssh-keygen(1)) that makes git accept this node's commits.
  package var allowedSignersLine: String { Identity.allowedSignersLine(of: node) }

  /// The same for any node.
  package static func allowedSignersLine(of node: NodeID) -> String {
    "\(SignedCommit.principal(of: node)) namespaces=\"\(SignedCommit.namespace)\" \(publicKeyLine(of: node))"
  }

  private static func publicKeyLine(of node: NodeID) -> String {
    (try? node.verifyingKey.publicKeyLine(comment: node.text)) ?? ""
  }

  /// Lends the 32 secret bytes.
  package func withSecret<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R { try secret.withBytes(body) }

  /// An age identity that only this node can derive, for caches that nobody else may write.
  func cacheIdentity() throws(VaultError) -> X25519Identity {
    do {
      return try Identity.decryption(try Identity.derive(secret, info: Identity.cacheInfo))
    } catch {
      throw .memoryUnavailable
    }
  }

  /// An armored SSHSIG signature; git's `gpgsig`.
  func sign(_ message: [UInt8], namespace: String) throws(VaultError) -> [UInt8] {
    do {
      return try signing.sign(message, namespace: namespace)
    } catch {
      throw .memoryUnavailable
    }
  }

  /// The Ed25519 signature of `message` alone (RFC 8032), 64 bytes; for TLS, whose messages state their purpose themselves.
  package func signRaw(_ message: [UInt8]) throws(VaultError) -> [UInt8] { signing.signRaw(message) }

  /// Whether `signature` is the node's over `message`, in the one form that ``sign(_:namespace:)`` gives it, less the last newline, as git has it.
  ///
  /// In another form it would make another commit of the same: anybody could then fork a node's branch in its name.
  static func verify(_ signature: [UInt8], of message: [UInt8], namespace: String, by node: NodeID) -> Bool {
    do {
      let armored = try ArmoredSignature(text: signature)
      guard armored.key == node.verifyingKey, armored.hash == .sha512, armored.isCanonical, signature.last != 0x0A
      else { return false }
      try unsafe armored.verify(message.span.bytes, namespace: namespace)
      return true
    } catch {
      return false
    }
  }

  /// The signing key as an unencrypted OpenSSH private key file.
  package func openSSHPrivateKey() throws(VaultError) -> SecretText {
    do {
      let file = try signing.privateKeyFile(comment: node.text)
      return try file.withBytes { bytes throws(VaultError) in try SecretText(copying: bytes) }
    } catch {
      throw .memoryUnavailable
    }
  }
}
