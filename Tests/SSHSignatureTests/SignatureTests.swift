import SSHSignature
import TestSupport
import Testing

@Suite("Signatures") struct SignatureTests {
  @Test(arguments: ["git", "file", "x-y.z"])
  func `are byte for byte those of ssh-keygen, and each accepts the other's`(namespace: String) throws {
    let keygen = try SSHKeygen()
    var random = SeededGenerator(seed: 1)
    for count in [0, 1, 2, 3, 300, 70_000] {
      let message = random.bytes(count)
      let ours = try keygen.key.sign(message, namespace: namespace)
      let theirs = try keygen.sign(message, namespace: namespace)
      #expect(String(decoding: ours, as: UTF8.self) == String(decoding: theirs, as: UTF8.self))
      #expect(try keygen.verifies(ours, of: message, namespace: namespace))
      try keygen.key.verifyingKey.verify(theirs, of: message, namespace: namespace)
      #expect(try !keygen.verifies(ours, of: message + [0], namespace: namespace))
    }
  }

  @Test func `over SHA-256 are accepted`() throws {
    let keygen = try SSHKeygen()
    let text = try keygen.sign([1, 2, 3], namespace: "git", options: ["-O", "hashalg=sha256"])
    try keygen.key.verifyingKey.verify(text, of: [1, 2, 3], namespace: "git")
    let signature = try ArmoredSignature(text: text)
    #expect(signature.hash == .sha256 && signature.namespace == Array("git".utf8))
    #expect(signature.key == keygen.key.verifyingKey)
  }

  @Test func `by other kinds of keys are refused`() throws {
    let keygen = try SSHKeygen()
    for type in ["rsa", "ecdsa"] {
      try Program.check(["ssh-keygen", "-q", "-t", type, "-N", "", "-f", keygen.directory(type)])
      let text = try Program.check(
        ["ssh-keygen", "-Y", "sign", "-f", keygen.directory(type), "-n", "git"], input: [1]
      ).output
      #expect(throws: SSHSignatureError.unsupportedSignature) { try ArmoredSignature(text: text) }
    }
  }

  @Test func `hold for one message, namespace and key`() throws {
    let key = try SSHKeygen().key
    let other = try SigningKey.random()
    let text = try key.sign([1, 2, 3], namespace: "git")
    let verifying = key.verifyingKey
    #expect(throws: SSHSignatureError.signatureMismatch) { try verifying.verify(text, of: [1, 2], namespace: "git") }
    #expect(throws: SSHSignatureError.wrongNamespace) { try verifying.verify(text, of: [1, 2, 3], namespace: "file") }
    #expect(throws: SSHSignatureError.wrongNamespace) { try verifying.verify(text, of: [1, 2, 3], namespace: "gi") }
    #expect(throws: SSHSignatureError.wrongKey) {
      try other.verifyingKey.verify(text, of: [1, 2, 3], namespace: "git")
    }
    #expect(throws: SSHSignatureError.invalidName) { try key.sign([], namespace: "") }
  }

  @Test func `with any bit of the text changed are refused`() throws {
    let key = try SSHKeygen().key
    let text = try key.sign([1, 2, 3], namespace: "git")
    for index in text.indices {
      for bit in 0..<8 {
        var changed = text
        changed[index] ^= 1 << UInt8(bit)
        guard (try? key.verifyingKey.verify(changed, of: [1, 2, 3], namespace: "git")) == nil else {
          Issue.record("accepted with bit \(bit) of byte \(index) changed")
          return
        }
      }
    }
  }

  @Test func `out of form are refused`() throws {
    let key = try SSHKeygen().key
    let text = String(decoding: try key.sign([1], namespace: "git"), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let variants = [
      "", "\n", " " + text, "\n" + text, text + "\n", text + "x", text + text, text.replacing("\n", with: "\r\n"),
      lines.dropFirst().joined(separator: "\n"), lines.dropLast(2).joined(separator: "\n"),
      text.replacing("=", with: ""), text.replacing(lines[2], with: lines[2] + " "),
      text.replacing(lines[1], with: lines[1].dropLast()), text.replacing(lines[1], with: "\(lines[1])\n"),
      "\(lines[0])\n\(lines[lines.count - 2])\n", text.replacing(lines[3], with: "=" + lines[3]),
    ]
    for variant in variants {
      #expect(throws: SSHSignatureError.malformedSignature) { try ArmoredSignature(text: Array(variant.utf8)) }
    }
    let long = [UInt8](repeating: UInt8(ascii: "A"), count: ArmoredSignature.sizeLimit + 1)
    #expect(throws: SSHSignatureError.malformedSignature) { try ArmoredSignature(text: long) }
  }

  @Test func `without the last newline, or in lines of another length, are read`() throws {
    let key = try SSHKeygen().key
    let text = String(decoding: try key.sign([1], namespace: "git"), as: UTF8.self)
    try key.verifyingKey.verify(Array(text.dropLast().utf8), of: [1], namespace: "git")
    let lines = text.split(separator: "\n")
    let content = Array(lines.dropFirst().dropLast().joined().utf8)
    for length in [1, 64, 76] {
      let folded = stride(from: 0, to: content.count, by: length).map { start in
        String(decoding: content[start..<min(start + length, content.count)], as: UTF8.self)
      }
      let variant = ([String(lines[0])] + folded + [String(lines[lines.count - 1])]).joined(separator: "\n")
      try key.verifyingKey.verify(Array(variant.utf8), of: [1], namespace: "git")
    }
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `mutated never crash and never verify`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let key = try SSHKeygen().key
    let text = try key.sign([1, 2, 3], namespace: "git")
    for _ in 0..<2000 {
      var changed = text
      mutate(&changed, using: &random)
      // The last newline, and where lines end, are not signed.
      if changed.filter({ $0 != 0x0A }) == text.filter({ $0 != 0x0A }) { continue }
      #expect(throws: SSHSignatureError.self) {
        try key.verifyingKey.verify(changed, of: [1, 2, 3], namespace: "git")
      }
    }
  }
}

/// One to three random changes of base 64 text or bytes.
func mutate(_ bytes: inout [UInt8], using random: inout SeededGenerator) {
  let alphabet = Array("ABCDwxyz0189+/=\n-".utf8)
  for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
    let index = Int.random(in: bytes.indices, using: &random)
    let end = min(index + Int.random(in: 1...80, using: &random), bytes.count)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
    case 1: bytes[index] = alphabet[Int.random(in: alphabet.indices, using: &random)]
    case 2: bytes.removeSubrange(index..<end)
    case 3: bytes.insert(contentsOf: bytes[index..<end], at: index)
    default: bytes.insert(alphabet[Int.random(in: alphabet.indices, using: &random)], at: index)
    }
  }
}
