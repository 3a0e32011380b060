@testable import SSHSignature

extension FuzzTarget {
  /// A signature; the first byte says whether the rest is its text, or what is within.
  static let sshSignature = FuzzTarget(
    "ssh-signature",
    seeds: {
      let text = try unsafe SigningKey(seed: [UInt8](repeating: 7, count: 32).span.bytes).sign(
        [1, 2], namespace: "git")
      return [[0] + text, [1] + Texts.content(text, Armor.signature)]
    },
    read: { bytes in
      let rest = [UInt8](bytes.dropFirst())
      let text = bytes.first == 0 ? rest : Texts.armored(rest, Armor.signature)
      let signature = try ArmoredSignature(text: text)
      require(!signature.namespace.isEmpty, "a signature is for something")
      try unsafe signature.verify([9].span.bytes, namespace: "git")
      preconditionFailure("broken: nobody can sign what was never signed")
    })

  /// A private key's file, or what is within; and a public key's line.
  static let sshKey = FuzzTarget(
    "ssh-key",
    seeds: {
      let key = try unsafe SigningKey(seed: [UInt8](repeating: 7, count: 32).span.bytes)
      let text = try key.withPrivateKeyFile(comment: "c") { span in span.indices.map { span[$0] } }
      let line = try key.verifyingKey.publicKeyLine(comment: "a comment")
      return [[0] + text, [1] + Texts.content(text, Armor.privateKey), [2] + [UInt8](line.utf8)]
    },
    read: { bytes in
      let rest = [UInt8](bytes.dropFirst())
      if bytes.first == 2 {
        let (key, comment) = try VerifyingKey.parse(publicKeyLine: String(decoding: rest, as: UTF8.self))
        let line = try key.publicKeyLine(comment: comment)
        require(try VerifyingKey.parse(publicKeyLine: line).key == key, "a public key is read as written")
        return
      }
      let text = bytes.first == 0 ? rest : Texts.armored(rest, Armor.privateKey)
      let (key, comment) = try SigningKey.parse(privateKeyFile: text.span)
      let again = try key.withPrivateKeyFile(comment: comment) { span in span.indices.map { span[$0] } }
      require(
        try SigningKey.parse(privateKeyFile: again.span).key.verifyingKey == key.verifyingKey,
        "a key is read as written")
    })
}

private enum Texts {
  static func armored(_ bytes: [UInt8], _ armor: Armor) -> [UInt8] {
    [UInt8](capacity: armor.encodedCount(bytes.count)) { (output: inout OutputSpan<UInt8>) in
      armor.encode(bytes.span, to: &output)
    }
  }

  static func content(_ text: [UInt8], _ armor: Armor) -> [UInt8] {
    guard let content = armor.content(of: text.span), let count = Base64.decodedCount(text.span, content) else {
      return []
    }
    return [UInt8](capacity: count) { (output: inout OutputSpan<UInt8>) in
      _ = Base64.decode(text.span, content, to: &output)
    }
  }
}
