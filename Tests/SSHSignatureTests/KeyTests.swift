import Foundation
import SSHSignature
import TestSupport
import Testing

@Suite("Keys") struct KeyTests {
  @Test(arguments: 0...9 as ClosedRange<UInt8>)
  func `ssh-keygen reads our private key file and agrees on the fingerprint`(seed: UInt8) throws {
    let keygen = try SSHKeygen(seed: seed)
    let line = try Program.check(["ssh-keygen", "-y", "-f", keygen.directory("key")]).text
    #expect(try line == keygen.key.verifyingKey.publicKeyLine(comment: "a comment"))
    let listing = try Program.check(["ssh-keygen", "-l", "-f", keygen.directory("key")]).text
    #expect(listing == "256 \(keygen.key.verifyingKey.fingerprint) a comment (ED25519)")
  }

  @Test(arguments: ["", "x", "me@host", "ünï çödé and spaces", String(repeating: "c", count: 255)])
  func `private key files of ssh-keygen are read`(comment: String) throws {
    let directory = try TemporaryDirectory()
    try Program.check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", directory("key")])
    let text = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory("key"))))
    let read = try SigningKey.parse(privateKeyFile: text.span)
    #expect(read.comment == comment)
    let line = try String(contentsOfFile: directory("key.pub"), encoding: .utf8)
    #expect(try read.key.verifyingKey.publicKeyLine(comment: comment) + (comment.isEmpty ? " \n" : "\n") == line)
    let publicKey = try VerifyingKey.parse(publicKeyLine: line)
    #expect(publicKey.key == read.key.verifyingKey && publicKey.comment == comment)
  }

  @Test(arguments: 0...16)
  func `private key files are read as they were written, for each length of padding`(count: Int) throws {
    let key = try SigningKey.random()
    let comment = String(repeating: "c", count: count)
    let text = try key.withPrivateKeyFile(comment: comment) { text in text.indices.map { text[$0] } }
    let read = try SigningKey.parse(privateKeyFile: text.span)
    #expect(read.key.verifyingKey == key.verifyingKey && read.comment == comment)
    #expect(try read.key.sign([1], namespace: "n") == key.sign([1], namespace: "n"))
    #expect(text.split(separator: 0x0A).allSatisfy { $0.count <= 70 })
  }

  @Test func `encrypted keys and other kinds are refused as such`() throws {
    let directory = try TemporaryDirectory()
    for (name, options, error): (String, [String], SSHSignatureError) in [
      ("encrypted", ["-t", "ed25519", "-N", "passphrase", "-a", "1"], .encryptedKey),
      ("rsa", ["-t", "rsa", "-b", "1024", "-N", ""], .unsupportedKeyType),
      ("ecdsa", ["-t", "ecdsa", "-N", ""], .unsupportedKeyType),
      ("pem", ["-t", "rsa", "-b", "1024", "-m", "PEM", "-N", ""], .malformedKey),
    ] {
      try Program.check(["ssh-keygen", "-q", "-f", directory(name)] + options)
      let text = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory(name))))
      #expect(throws: error) { _ = try SigningKey.parse(privateKeyFile: text.span) }
      if name == "encrypted" || name == "pem" { continue }
      let line = try String(contentsOfFile: directory(name + ".pub"), encoding: .utf8)
      #expect(throws: SSHSignatureError.unsupportedKeyType) { _ = try VerifyingKey.parse(publicKeyLine: line) }
    }
  }

  @Test func `public key lines out of form are refused`() throws {
    let key = try SSHKeygen().key.verifyingKey
    let line = try key.publicKeyLine()
    #expect(try VerifyingKey.parse(publicKeyLine: line + " a  b ").comment == "a  b ")
    let parts = line.split(separator: " ")
    for bad in [
      "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519  \(parts[1])", "\(parts[0])\t\(parts[1])", line + "\n\n",
      line + "\r\n",
      line + "=", String(line.dropLast()), line + "AAAA", "ssh-ed25519 \(parts[1].dropLast(4))", line + " a\u{7}",
    ] {
      #expect(throws: SSHSignatureError.malformedKey) { _ = try VerifyingKey.parse(publicKeyLine: bad) }
    }
    for bad in ["", " " + line, "ssh-rsa \(parts[1])", "command=\"x\" " + line] {
      #expect(throws: SSHSignatureError.self) { _ = try VerifyingKey.parse(publicKeyLine: bad) }
    }
    #expect(throws: SSHSignatureError.invalidName) { _ = try key.publicKeyLine(comment: "a\nb") }
    #expect(throws: SSHSignatureError.malformedKey) { _ = try VerifyingKey(bytes: [1, 2, 3]) }
    #expect(throws: SSHSignatureError.malformedKey) {
      _ = try unsafe SigningKey(seed: ([1, 2, 3] as [UInt8]).span.bytes)
    }
  }

  @Test func `names that an allowed signers line cannot hold are refused`() throws {
    let key = try SSHKeygen().key.verifyingKey
    for name in ["", "a b", "a\"", "a,b", "*", "?", "!a", "#a", "a\n", "ü"] {
      #expect(throws: SSHSignatureError.invalidName) { _ = try key.allowedSignersLine(principal: name) }
      #expect(throws: SSHSignatureError.invalidName) {
        _ = try key.allowedSignersLine(principal: "a", namespaces: ["git", name])
      }
    }
    #expect(throws: SSHSignatureError.invalidName) { _ = try key.allowedSignersLine(principal: "a", namespaces: []) }
  }

  @Test func `keys are equal by their bytes`() throws {
    let bytes = (0..<32).map { UInt8($0 * 7) }
    let key = try VerifyingKey(bytes: bytes)
    #expect(key.bytes == bytes)
    for index in bytes.indices {
      var other = bytes
      other[index] ^= 1
      #expect(try VerifyingKey(bytes: other) != key)
    }
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `mutated files and lines never crash`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let key = try SSHKeygen().key
    let line = try Array(key.verifyingKey.publicKeyLine(comment: "comment").utf8)
    let text = try key.withPrivateKeyFile(comment: "comment") { text in text.indices.map { text[$0] } }
    for _ in 0..<1000 {
      var changed = text
      mutate(&changed, using: &random)
      // Both halves of the key are checked against each other: what is read is the same key.
      if let read = try? SigningKey.parse(privateKeyFile: changed.span) {
        #expect(read.key.verifyingKey == key.verifyingKey)
      }
      changed = line
      mutate(&changed, using: &random)
      _ = try? VerifyingKey.parse(publicKeyLine: String(decoding: changed, as: UTF8.self))
    }
  }
}
