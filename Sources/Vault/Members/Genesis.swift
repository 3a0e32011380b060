/// The entry that makes a vault; its SHA-256 is the vault's id.
struct Genesis: Hashable, Sendable {
  /// 32 random bytes, which make the id unique.
  var nonce: [UInt8]
  var owner: NodeID
  var recipient: String

  var encoded: [UInt8] {
    [UInt8]("polykey genesis\nnonce \(Hex.encode(nonce))\nowner \(owner)\nrecipient \(recipient)\n".utf8)
  }

  var vault: VaultID { VaultID(bytes: Digest.sha256(encoded)) }

  init(nonce: [UInt8], owner: NodeID, recipient: String) {
    self.nonce = nonce
    self.owner = owner
    self.recipient = recipient
  }

  /// Reads an entry; nil unless it is exactly what ``encoded`` would write.
  init?(_ text: String) {
    let fields = Fields(text)
    guard fields.title == "polykey genesis", let nonce = fields["nonce"].flatMap({ VaultID(hex: $0) }),
      let owner = fields["owner"].flatMap({ NodeID($0) }), let recipient = fields["recipient"]
    else { return nil }
    self.init(nonce: nonce.bytes, owner: owner, recipient: String(recipient))
    guard encoded.elementsEqual(text.utf8) else { return nil }
  }
}
