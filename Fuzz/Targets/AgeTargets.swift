import SecretMemory

@testable import Age

extension FuzzTarget {
  /// An age file, as a whole and as a stream; the first byte says whether the rest is the file, or how to change one of ours.
  static let age = FuzzTarget(
    "age", seeds: { [[0, 0x20] + Files.files[1], [1, 0xFF, 0, 0, 0, 0], [3, 7, 0, 0xC0, 1, 0, 0xC1, 9]] },
    read: { bytes in
      var choices = Choices(bytes)
      let flags = choices.byte()
      let size = Int(choices.byte()) * 16 + 1
      var file: [UInt8]
      var original: [UInt8] = []
      if flags & 1 == 0 {
        file = [UInt8](choices.rest)
      } else {
        original = Files.files[Int(flags >> 1) % Files.files.count]
        file = original
        while !choices.isEmpty, !file.isEmpty {
          let offset = (choices.number() << 8 | Int(choices.byte())) % file.count
          let change = choices.byte()
          if change == 0 { file.removeSubrange(offset...) } else { file[offset] ^= change }
        }
      }
      let whole = Files.decrypted(file)
      require(flags & 1 == 0 || (whole != nil) == (file == original), "only what was encrypted decrypts")
      let streamed = Files.streamed(file, size)
      require(streamed == whole, "a stream ends as the whole does")
      let prefix = try unsafe AgeFile.decryptPrefix(file.span.bytes, count: 100, with: Files.identities)
        .withBytes { unsafe [UInt8]($0.pointer) }
      if let whole { require(whole.starts(with: prefix), "a prefix is one of the whole") }
    })

  /// A header's text.
  static let ageHeader = FuzzTarget(
    "age-header",
    seeds: {
      let body = [UInt8](repeating: 9, count: 100)
      let stanza = Stanza(arguments: [[UInt8]("X25519".utf8), [UInt8]("a".utf8)], body: body)
      return [Files.header([stanza]), Files.header([Stanza(arguments: [[UInt8]("x".utf8)], body: []), stanza])]
    },
    read: { bytes in
      let (header, count) = try unsafe bytes.withUnsafeBytes { (bytes) throws(AgeError) in
        try unsafe HeaderParser.parse(beginningOf: bytes)
      }
      let written = Files.header(header.stanzas)
      require(written.dropLast(44).elementsEqual(bytes[..<count].dropLast(44)), "a header has one form")
    })

  /// Armor, as a whole and in pieces.
  static let ageArmor = FuzzTarget(
    "age-armor",
    seeds: { unsafe [[7] + Armor.encode([UInt8](1...100).span.bytes), [0] + Armor.encode([UInt8]().span.bytes)] },
    read: { bytes in
      let text = [UInt8](bytes.dropFirst())
      var decoder = ArmorDecoder()
      var streamed: [UInt8]? = []
      var output: [UInt8] = []
      do throws(AgeError) {
        for piece in pieces(text, of: Int(bytes.first ?? 0)) {
          try unsafe decoder.push(piece.span.bytes, into: &output)
        }
        try decoder.finish(into: &output)
        streamed = output
      } catch {
        streamed = nil
      }
      let whole = try? unsafe Armor.decode(text.span.bytes)
      require(whole == streamed, "armor means the same in pieces")
      guard let whole else { return }
      require(try unsafe Armor.decode(Armor.encode(whole.span.bytes).span.bytes) == whole, "armor is read as written")
    })

  /// Files of identities and of recipients.
  static let ageKeys = FuzzTarget(
    "age-keys",
    seeds: {
      let identity = try Files.identity()
      let secret = try identity.withEncoded { unsafe [UInt8]($0.pointer) }
      return [[UInt8]("# a comment\r\n\n".utf8) + secret, [UInt8]("\(identity.recipient)\n".utf8)]
    },
    read: { bytes in
      _ = try? unsafe KeyFile.identities(in: bytes.span.bytes)
      for recipient in try unsafe KeyFile.recipients(in: bytes.span.bytes) {
        require(try X25519Recipient("\(recipient)") == recipient, "a recipient is read as written")
      }
    })
}

private enum Files {
  static func identity() throws(AgeError) -> X25519Identity {
    try unsafe X25519Identity(secret: [UInt8](repeating: 7, count: 32).span.bytes)
  }

  static let identities: [any Identity] = {
    do {
      return try unsafe [identity(), ScryptIdentity(passphrase: [UInt8]("fuzz".utf8).span.bytes, logNLimit: 4)]
    } catch { preconditionFailure("no identity can be made: \(error)") }
  }()

  /// Of contents around the bounds of chunks.
  static let files: [[UInt8]] = {
    do {
      let recipients: [any Recipient] = [try identity().recipient]
      return try [0, 100, 65_535, 65_536, 65_537, 131_072].map {
        try unsafe AgeFile.encrypt([UInt8](repeating: 5, count: $0).span.bytes, to: recipients)
      }
    } catch { preconditionFailure("nothing can be encrypted: \(error)") }
  }()

  static func decrypted(_ file: [UInt8]) -> [UInt8]? {
    try? unsafe AgeFile.decrypt(file.span.bytes, with: identities).withBytes { unsafe [UInt8]($0.pointer) }
  }

  static func streamed(_ file: [UInt8], _ size: Int) -> [UInt8]? {
    var plaintext: [UInt8] = []
    do {
      var decryptor = try Decryptor(identities: identities)
      for piece in pieces(file, of: size) {
        try unsafe decryptor.push(piece.span.bytes) { unsafe plaintext.append(contentsOf: $0.pointer) }
      }
      try decryptor.finish { unsafe plaintext.append(contentsOf: $0.pointer) }
      return plaintext
    } catch {
      return nil
    }
  }

  /// A header with a MAC of zeros.
  static func header(_ stanzas: [Stanza]) -> [UInt8] {
    var text = [UInt8]("age-encryption.org/v1\n".utf8)
    for stanza in stanzas { stanza.append(to: &text) }
    return text + [UInt8]("--- \(String(repeating: "A", count: 43))\n".utf8)
  }
}
