import TestSupport
import Testing

@testable import Vault

@Suite("Identity") struct IdentityTests {
  @Test func `a recovery phrase brings the same identity back, whatever its case and spacing`() throws {
    let identity = try Identity()
    let phrase = try RecoveryPhrase.encode(identity)
    let words = unsafe phrase.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    #expect(words.split(separator: " ").count == 24)
    let typed = [UInt8]("  \(words.uppercased().replacing(" ", with: "\n\t"))\n".utf8)
    let again = try RecoveryPhrase.decode(try unsafe SecretText(copying: typed.span.bytes))
    #expect(again.node == identity.node)
    #expect(again.recipient == identity.recipient)
  }

  /// Source: BIP39's test vectors: the entropy 7f7f… (32 bytes).
  @Test func `a phrase of another implementation is read, and a wrong word is not`() throws {
    let words =
      "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful "
      + "legal winner thank year wave sausage worth title"
    let identity = try RecoveryPhrase.decode(try unsafe SecretText(copying: [UInt8](words.utf8).span.bytes))
    #expect(identity.withSecret { secret in (0..<32).allSatisfy { secret.byte(at: $0) == 0x7F } })
    for wrong in [
      words.replacing("title", with: "wave"), words + " wave", "legal", words.replacing("title", with: "titles"),
    ] {
      #expect(throws: VaultError.phraseMalformed) {
        _ = try RecoveryPhrase.decode(try unsafe SecretText(copying: [UInt8](wrong.utf8).span.bytes))
      }
    }
  }

  @Test func `node ids are read back, and nothing else is`() throws {
    let node = try Identity().node
    #expect(NodeID(node.text) == node)
    #expect(node.text.utf8.count == NodeID.length)
    #expect(NodeID(node.text.uppercased()) == nil)
    #expect(NodeID(String(node.text.dropLast())) == nil)
    #expect(NodeID(String(node.text.dropLast()) + "b") == nil)
  }
}
