package import SSHSignature

/// The name of a keynode: its Ed25519 public key, 32 bytes, as 52 characters of lowercase unpadded base32 (RFC 4648).
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Characters in a node id.
  package static let length = 52

  /// The 52 characters.
  package let text: String

  /// The id of a node with this Ed25519 public key of 32 bytes.
  package init(_ key: VerifyingKey) {
    verifyingKey = key
    text = Base32.encode(key.bytes)
  }

  /// A node id as it is written; nil if it is not one.
  package init?(_ text: some StringProtocol) {
    guard text.utf8.count == NodeID.length, let bytes = Base32.decode(text.utf8),
      let key = try? VerifyingKey(bytes: bytes)
    else { return nil }
    self.init(key)
  }

  /// The id of the node with this Ed25519 public key; nil unless it has 32 bytes.
  package init?(publicKey bytes: [UInt8]) {
    guard let key = try? VerifyingKey(bytes: bytes) else { return nil }
    self.init(key)
  }

  /// The 32 bytes of the Ed25519 public key.
  package var publicKey: [UInt8] { verifyingKey.bytes }

  /// The Ed25519 public key.
  let verifyingKey: VerifyingKey

  /// The first 8 characters, for people.
  package var short: String { String(text.prefix(8)) }

  package var description: String { text }

  package static func < (a: NodeID, b: NodeID) -> Bool { a.text < b.text }
}

/// RFC 4648 base32 in lower case and without padding.
package enum Base32 {
  private static let alphabet = [UInt8]("abcdefghijklmnopqrstuvwxyz234567".utf8)

  package static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 8 + 4) / 5)
    var bits: UInt32 = 0
    var count = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      count += 8
      while count >= 5 {
        count -= 5
        text.append(alphabet[Int(bits >> UInt32(count) & 31)])
      }
      bits &= (1 << UInt32(count)) - 1
    }
    if count > 0 { text.append(alphabet[Int(bits << UInt32(5 - count) & 31)]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes that `text` stands for; nil if it has other characters or bits that should be zero are not.
  package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for character in text {
      let value: UInt8
      switch character {
      case 0x61...0x7A: value = character - 0x61
      case 0x32...0x37: value = character - 0x32 + 26
      default: return nil
      }
      bits = bits << 5 | UInt32(value)
      count += 5
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        bits &= (1 << UInt32(count)) - 1
      }
    }
    return bits == 0 && count < 5 ? bytes : nil
  }
}
