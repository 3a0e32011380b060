internal import NIOSSL
internal import Vault

/// The certificate that a node shows in TLS: X.509 v3, self-signed, Ed25519.
///
/// Its key is all that peers look at; they ignore names, dates and extensions, and TLS itself proves possession of the
/// key. The rest is as RFC 5280 and RFC 8410 want it, so that any TLS library can parse it.
enum NodeCertificate {
  /// id-Ed25519, 1.3.101.112 (RFC 8410).
  private static let ed25519 = DER.sequence(DER.identifier([0x2B, 0x65, 0x70]))

  /// What stands before the 32 bytes of a key in its SubjectPublicKeyInfo.
  private static let keyPrefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]

  /// The certificate of `identity`, in DER; the same bytes each time.
  static func make(for identity: Identity) throws(VaultError) -> [UInt8] {
    // The common name is for people who look at a connection with openssl.
    let name = DER.sequence(
      DER.set(DER.sequence(DER.identifier([0x55, 0x04, 0x03]), DER.utf8String(identity.node.text))))
    // RFC 5280, 4.1.2.5: "99991231235959Z" says that there is no well-defined expiration date.
    let validity = DER.sequence(DER.utcTime("000101000000Z"), DER.generalizedTime("99991231235959Z"))
    let basicConstraints = DER.sequence(
      DER.identifier([0x55, 0x1D, 0x13]), DER.yes, DER.octetString(DER.sequence()))
    let keyUsage = DER.sequence(
      DER.identifier([0x55, 0x1D, 0x0F]), DER.yes, DER.octetString(DER.bitString([0x80], unused: 7)))
    let signed = DER.sequence(
      DER.value(0xA0, DER.integer(2)), DER.integer(1), ed25519, name, validity, name,
      keyPrefix + identity.node.publicKey, DER.value(0xA3, DER.sequence(basicConstraints, keyUsage)))
    return DER.sequence(signed, ed25519, DER.bitString(try identity.signRaw(signed)))
  }

  /// The node whose certificate this is; nil if its key is not an Ed25519 key.
  static func node(of certificate: NIOSSLCertificate) -> NodeID? {
    // `extractPublicKey` traps on a key that BoringSSL does not know. It knows this one: TLS 1.3 parses the leaf's key,
    // and ends the handshake if it cannot, before it asks whether to trust it (tls13_both.cc).
    guard let key = try? certificate.extractPublicKey().toSPKIBytes(), key.starts(with: keyPrefix),
      key.count == keyPrefix.count + 32
    else { return nil }
    return NodeID(publicKey: [UInt8](key.dropFirst(keyPrefix.count)))
  }
}
