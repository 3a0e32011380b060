import SecretMemory
import TestSupport
import Testing

@testable import Age

@Suite("Keys") struct KeyTests {
  // 32 equal bytes, so that the text has no surprise; `age-keygen` says what their recipient is.
  static let bytes = [UInt8](repeating: 0x42, count: 32)
  let secret: String
  let recipient: String

  init() throws {
    let identity = try unsafe X25519Identity(secret: Self.bytes.span.bytes)
    secret = try identity.text
    recipient = try Program.check(["age-keygen", "-y"], input: [UInt8](secret.utf8)).text
  }

  /// `text` with the character at `offset` after its prefix replaced.
  private func replacing(_ text: String, _ offset: Int, _ change: (Character) -> Character) -> String {
    var characters = Array(text)
    let index = (characters.lastIndex(of: "1") ?? 0) + 1 + offset
    characters[index] = change(characters[index])
    return String(characters)
  }

  private func fault(_ body: () throws -> Void) -> KeyFault? {
    do {
      try body()
      return nil
    } catch AgeError.malformedKey(let fault) {
      return fault
    } catch {
      Issue.record("another error")
      return nil
    }
  }

  @Test func `text and bytes stand for each other`() throws {
    let identity = try X25519Identity.parse(secret)
    #expect(identity.withSecret { unsafe [UInt8]($0.pointer) } == Self.bytes)
    #expect(identity.recipient.description == recipient)
    #expect(try identity.text == secret)
    #expect(try identity.encoded().withBytes { $0.byteCount } == secret.utf8.count)
    #expect(try X25519Recipient(recipient) == identity.recipient)
    #expect(try unsafe X25519Identity(secret: Self.bytes.span.bytes).recipient == identity.recipient)
    let again = try identity.recipient.withPublicKey { try X25519Recipient(publicKey: $0) }
    #expect(again == identity.recipient)
    #expect(Set([again, identity.recipient]).count == 1)
  }

  @Test func `new identities differ and survive their text`() throws {
    for _ in 0..<20 {
      let identity = try X25519Identity()
      #expect(try X25519Identity.parse(identity.text).recipient == identity.recipient)
      #expect(try X25519Recipient(identity.recipient.description) == identity.recipient)
    }
    #expect(try X25519Identity().recipient != X25519Identity().recipient)
  }

  @Test func `any mistyped character is noticed`() {
    for (text, parse) in [
      (secret, { _ = try X25519Identity.parse($0) }), (recipient, { _ = try X25519Recipient($0) }),
    ] as [(String, (String) throws -> Void)] {
      let bytes = [UInt8](text.utf8)
      for index in bytes.indices {
        for change in [UInt8(1), 2, 0x20] {
          var changed = bytes
          changed[index] ^= change
          #expect(fault { try parse(String(decoding: changed, as: UTF8.self)) } != nil, "character \(index)")
        }
        #expect(fault { try parse(String(decoding: bytes[..<index], as: UTF8.self)) } != nil, "cut to \(index)")
      }
      #expect(fault { try parse(text + "q") } != nil)
      #expect(fault { try parse(text + "\n") } != nil)
      #expect(fault { try parse(" " + text) } != nil)
    }
  }

  @Test func `the reason is told`() {
    #expect(fault { _ = try X25519Recipient("") } == .unknownKind)
    #expect(fault { _ = try X25519Recipient("age1") } == .notBech32)
    #expect(fault { _ = try X25519Recipient("ssh-ed25519 AAAA") } == .unknownKind)
    #expect(fault { _ = try X25519Recipient(secret) } == .unknownKind)
    #expect(fault { _ = try X25519Identity.parse(recipient) } == .unknownKind)
    // Keys are in the case that age writes; a mixed case is not Bech32 at all.
    #expect(fault { _ = try X25519Identity.parse(secret.lowercased()) } == .unknownKind)
    #expect(fault { _ = try X25519Recipient(recipient.uppercased()) } == .unknownKind)
    let lower: (Character) -> Character = { Character($0.lowercased()) }
    let upper: (Character) -> Character = { Character($0.uppercased()) }
    #expect(fault { _ = try X25519Identity.parse(replacing(secret, 0, lower)) } == .notBech32)
    #expect(fault { _ = try X25519Recipient(replacing(recipient, 0, upper)) } == .notBech32)
    #expect(fault { _ = try X25519Recipient(replacing(recipient, 5) { _ in "b" }) } == .notBech32)
    #expect(fault { _ = try X25519Recipient(replacing(recipient, 5) { $0 == "q" ? "p" : "q" }) } == .checksum)
    let short = [UInt8](repeating: 1, count: 31)
    #expect(fault { _ = try unsafe X25519Identity(secret: short.span.bytes) } == .length)
    #expect(fault { _ = try unsafe X25519Recipient(publicKey: short.span.bytes) } == .length)
  }

  @Test func `key files have comments and blank lines, and LF or CRLF`() throws {
    let other = try X25519Identity()
    let file = [UInt8]("# a comment\n\n\(secret)\r\n\r\n#\n\(try other.text)".utf8)
    let identities = try unsafe KeyFile.identities(in: file.span.bytes)
    #expect(identities.map(\.recipient.description) == [recipient, other.recipient.description])
    let recipients = [UInt8]("# x\n\(recipient)\n".utf8)
    #expect(try unsafe KeyFile.recipients(in: recipients.span.bytes).map(\.description) == [recipient])
  }

  @Test func `a bad line of a key file is named by its number`() {
    let file = [UInt8]("# x\n\n \(secret)\n".utf8)
    #expect(throws: AgeError.malformedKeyFile(line: 3, .unknownKind)) {
      _ = try unsafe KeyFile.identities(in: file.span.bytes)
    }
    let empty = [UInt8]("# nothing\n".utf8)
    #expect(throws: AgeError.noKeys) { _ = try unsafe KeyFile.identities(in: empty.span.bytes) }
  }

  @Test func `a recipient of low order is refused`() throws {
    let zero = [UInt8](repeating: 0, count: 32)
    let recipient = try unsafe X25519Recipient(publicKey: zero.span.bytes)
    #expect(throws: AgeError.malformedKey(.lowOrder)) { try encrypt([1], to: [recipient]) }
  }
}

@Suite("Passphrases") struct PassphraseTests {
  @Test func `open for the same passphrase only`() throws {
    let file = try encrypt([1, 2], to: [passphraseRecipient("correct horse")])
    #expect(try decrypt(file, with: [passphraseIdentity("correct horse")]) == [1, 2])
    #expect(try decrypt(file, with: [passphraseIdentity("x"), passphraseIdentity("correct horse")]) == [1, 2])
    #expect(throws: AgeError.wrongPassphrase) { try decrypt(file, with: [passphraseIdentity("battery")]) }
    #expect(throws: AgeError.noIdentityMatched) { try decrypt(file, with: [X25519Identity()]) }
  }

  @Test func `are not empty`() {
    #expect(throws: AgeError.emptyPassphrase) { _ = try passphraseIdentity("") }
    #expect(throws: AgeError.emptyPassphrase) { _ = try passphraseRecipient("") }
  }

  @Test func `are the only recipient`() throws {
    let passphrase = try passphraseRecipient("x")
    let key = try X25519Identity().recipient
    for recipients in [[], [passphrase, key], [passphrase, passphrase]] as [[any Recipient]] {
      #expect(throws: AgeError.unusableRecipients) { try encrypt([1], to: recipients) }
    }
  }
}

@Suite("Prepared headers") struct PreparedHeaderTests {
  @Test func `a pool gives each header once, and makes more when empty`() throws {
    let identity = try X25519Identity()
    let pool = HeaderPool(for: identity.recipient, capacity: 3)
    #expect(pool.count == 0)
    try pool.refill()
    #expect(pool.count == 3)
    let contents: [UInt8] = [1, 2, 3]
    var files: Set<[UInt8]> = []
    for _ in 0..<5 {
      let header = try pool.take()
      let file = unsafe header.encrypt(contents.span.bytes)
      #expect(try decrypt(file, with: [identity]) == contents)
      files.insert(Array(file.prefix(180)))
    }
    #expect(files.count == 5)
    #expect(pool.count == 0)
  }

  @Test func `two copies of a process encrypt under two payload keys`() throws {
    let identity = try X25519Identity()
    // As a snapshot of a virtual machine that runs twice has them.
    let parts = try PreparedHeader.Parts(to: [identity.recipient])
    let contents = [UInt8](repeating: 0, count: 1000)
    let files = [0, 1].map { _ in unsafe PreparedHeader(parts).encrypt(contents.span.bytes) }
    #expect(files[0].starts(with: parts.header) && files[1].starts(with: parts.header))
    let (first, second) = (files[0].dropFirst(parts.header.count), files[1].dropFirst(parts.header.count))
    #expect(first.prefix(16) != second.prefix(16))
    #expect(zip(first.dropFirst(16), second.dropFirst(16)).count { $0 == $1 } < 30)
    var streams: [[UInt8]] = []
    for _ in 0..<2 {
      var encryptor = try Encryptor(PreparedHeader(parts))
      var stream: [UInt8] = []
      unsafe encryptor.push(contents.span.bytes, into: &stream)
      encryptor.finish(into: &stream)
      streams.append(stream)
    }
    #expect(Set((files + streams).map { Array($0.dropFirst(parts.header.count)) }).count == 4)
    for file in files + streams { #expect(try decrypt(file, with: [identity]) == contents) }
  }
}
