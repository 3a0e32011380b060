import NIOSSL
import TestSupport
import Testing
import Vault

@testable import PeerSync

@Suite("Certificate") struct CertificateTests {
  @Test func `openssl parses it, and its own signature verifies`() throws {
    let identity = try Identity()
    let der = try NodeCertificate.make(for: identity)
    let directory = try TemporaryDirectory()
    let file = try directory.write(der, to: "node.der")
    let text = try Program.check(["openssl", "x509", "-inform", "DER", "-in", file, "-noout", "-text"]).text
    for line in [
      "Version: 3 (0x2)", "Signature Algorithm: ED25519", "Issuer: CN = \(identity.node.text)",
      "Subject: CN = \(identity.node.text)", "Not After : Dec 31 23:59:59 9999 GMT", "CA:FALSE", "Digital Signature",
    ] {
      #expect(text.contains(line), "\(line)")
    }
    let pem = try Program.check(["openssl", "x509", "-inform", "DER", "-in", file]).output
    let authority = try directory.write(pem, to: "node.pem")
    let verdict = try Program.run([
      "openssl", "verify", "-check_ss_sig", "-partial_chain", "-CAfile", authority, authority,
    ])
    #expect(verdict.status == 0, "\(verdict.errors)")
  }

  @Test func `the node comes out again`() throws {
    let identity = try Identity()
    let certificate = try NIOSSLCertificate(bytes: try NodeCertificate.make(for: identity), format: .der)
    #expect(NodeCertificate.node(of: certificate) == identity.node)
  }

  @Test func `a planted key is not taken for the key`() throws {
    // The name holds what precedes a key, and the victim's key; the certificate's own key is another.
    let (attacker, victim) = (try Identity(), try Identity())
    let planted: [UInt8] =
      [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00] + victim.node.publicKey
    let name = DER.sequence(
      DER.set(DER.sequence(DER.identifier([0x55, 0x04, 0x03]), DER.value(0x04, planted))))
    let algorithm = DER.sequence(DER.identifier([0x2B, 0x65, 0x70]))
    let signed = DER.sequence(
      DER.value(0xA0, DER.integer(2)), DER.integer(1), algorithm, name,
      DER.sequence(DER.utcTime("000101000000Z"), DER.generalizedTime("99991231235959Z")), name,
      planted.prefix(12) + attacker.node.publicKey)
    let der = DER.sequence(signed, algorithm, DER.bitString(try attacker.signRaw(signed)))
    guard let certificate = try? NIOSSLCertificate(bytes: der, format: .der) else { return }
    #expect(NodeCertificate.node(of: certificate) == attacker.node)
  }
}

@Suite("TLS") struct TLSTests {
  /// Runs `openssl s_client` against a service that knows nobody.
  private func client(_ mesh: Mesh, _ arguments: [String], in directory: TemporaryDirectory) throws -> Program {
    try Program.run(
      ["timeout", "20", "openssl", "s_client", "-connect", mesh[0].address.description] + arguments,
      in: directory.path)
  }

  private func certificate(_ algorithm: [String], _ directory: TemporaryDirectory) throws {
    try Program.check(
      ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", "key.pem", "-out", "cert.pem", "-newkey"]
        + algorithm, in: directory.path)
  }

  @Test func `TLS 1.3 with Ed25519 works with openssl, and older versions are refused`() throws {
    let mesh = try Mesh(1)
    let directory = try TemporaryDirectory()
    try certificate(["ed25519"], directory)
    let common = ["-cert", "cert.pem", "-key", "key.pem", "-alpn", "polykey/1"]
    let modern = try client(mesh, common, in: directory)
    #expect(modern.text.contains("TLSv1.3"))
    #expect(
      modern.text.contains("Peer signature type: Ed25519") || modern.text.contains("Peer signature type: ed25519"))
    #expect(modern.text.contains("CN = \(mesh[0].node.text)"))
    let old = try client(mesh, common + ["-tls1_2"], in: directory)
    #expect(old.status != 0)
    #expect(old.errors.contains("protocol version"))
  }

  @Test(arguments: [["ed448"], ["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]])
  func `keys of other kinds are refused, and do no harm`(algorithm: [String]) throws {
    let mesh = try Mesh(1)
    let directory = try TemporaryDirectory()
    try certificate(algorithm, directory)
    let program = try client(
      mesh, ["-cert", "cert.pem", "-key", "key.pem", "-alpn", "polykey/1", "-ign_eof"], in: directory)
    #expect(program.errors.contains("alert"), "\(program.errors)")
    #expect(mesh[0].service.sessions.isEmpty)
    #expect(mesh[0].vault.state.read(\.questions) == 0)
  }

  @Test func `without a certificate, or without our protocol's name, nobody gets to a session`() throws {
    let mesh = try Mesh(1)
    let directory = try TemporaryDirectory()
    try certificate(["ed25519"], directory)
    _ = try client(mesh, ["-alpn", "polykey/1"], in: directory)
    // Until we end it: a client that leaves at once proves nothing.
    let own = ["-cert", "cert.pem", "-key", "key.pem", "-ign_eof"]
    _ = try client(mesh, own, in: directory)
    _ = try client(mesh, own + ["-alpn", "h2"], in: directory)
    #expect(mesh[0].vault.state.read(\.questions) == 0)
  }

  @Test func `a certificate with others behind it is refused`() throws {
    let mesh = try Mesh(1)
    let directory = try TemporaryDirectory()
    try certificate(["ed25519"], directory)
    let own = ["-cert", "cert.pem", "-key", "key.pem", "-alpn", "polykey/1", "-ign_eof"]
    let program = try client(mesh, own + ["-cert_chain", "cert.pem"], in: directory)
    #expect(program.errors.contains("alert"), "\(program.errors)")
    #expect(mesh[0].vault.state.read(\.questions) == 0)
  }

  @Test func `a resumed session, which has no certificate, is worth nothing`() throws {
    let mesh = try Mesh(1)
    let directory = try TemporaryDirectory()
    try certificate(["ed25519"], directory)
    let common = ["-cert", "cert.pem", "-key", "key.pem", "-alpn", "polykey/1", "-ign_eof"]
    _ = try client(mesh, common + ["-sess_out", "session.pem"], in: directory)
    #expect(mesh[0].vault.state.read(\.questions) == 1)
    // BoringSSL hands out tickets, which NIOSSL cannot forbid, and takes them.
    let again = try client(mesh, ["-alpn", "polykey/1", "-ign_eof", "-sess_in", "session.pem"], in: directory)
    #expect(again.text.contains("Reused, TLSv1.3"))
    #expect(mesh[0].vault.state.read(\.questions) == 1)
  }
}
