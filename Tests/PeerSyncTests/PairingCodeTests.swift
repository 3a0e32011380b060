import TestSupport
import Testing
import Vault

@testable import PeerSync

@Suite("Pairing code") struct PairingCodeTests {
  static let node = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"
  static let token = "aebagbafaydqqcikbmga2dqpca"

  @Test func `text and parts`() throws {
    let text = "polykey:\(Self.token).\(Self.node)@192.0.2.7:4117,[2001:db8::1]:4117,home.example:80"
    let code = try PairingCode(text)
    #expect(code.token == [UInt8](1...16))
    #expect(code.node.text == Self.node)
    #expect(code.addresses.map(\.host) == ["192.0.2.7", "2001:db8::1", "home.example"])
    #expect(code.text == text)
    #expect(try PairingCode(" \n\(text)\n") == code)
  }

  @Test(arguments: [
    ("", PairingCode.Part.form), ("polykey:", .form), ("polykey:a.b", .form), ("polykey:a@b.c:1", .form),
    ("Polykey:\(token).\(node)@h:1", .form), ("polykey:\(token.uppercased()).\(node)@h:1", .token),
    ("polykey:\(token.dropLast()).\(node)@h:1", .token), ("polykey:\(token.dropLast())b.\(node)@h:1", .token),
    ("polykey:\(token)a.\(node)@h:1", .token), ("polykey:\(token).\(node.dropLast())@h:1", .node),
    ("polykey:\(token).\(node.uppercased())@h:1", .node), ("polykey:\(token).\(node)@", .address),
    ("polykey:\(token).\(node)@h", .address), ("polykey:\(token).\(node)@h:0", .address),
    ("polykey:\(token).\(node)@h:65536", .address), ("polykey:\(token).\(node)@h:1,", .address),
    ("polykey:\(token).\(node)@::1:4117", .address), ("polykey:\(token).\(node)@[::1:4117", .address),
    ("polykey:\(token).\(node)@h:1 ,i:2", .address), ("polykey:\(token).\(node)@h:+1", .address),
    ("polykey:\(token).\(node)@" + (0..<9).map { "h:\($0 + 1)" }.joined(separator: ","), .address),
  ])
  func `what is wrong with a code is said`(text: String, part: PairingCode.Part) {
    #expect(throws: PeerSyncError.pairingCodeMalformed(part)) { try PairingCode(text) }
  }

  @Test(arguments: [1, 2, 3]) func `a changed code is another or none, and never a crash`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let text = [UInt8]("polykey:\(Self.token).\(Self.node)@192.0.2.7:4117,[2001:db8::1]:4117".utf8)
    for _ in 0..<2000 {
      var bytes = text
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let index = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[index] = UInt8.random(in: 0x20...0x7E, using: &generator)
        case 1: bytes.remove(at: index)
        default: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &generator), at: index)
        }
      }
      let changed = String(decoding: bytes, as: UTF8.self)
      guard let code = try? PairingCode(changed) else { continue }
      #expect(try PairingCode(code.text) == code)
    }
  }
}
