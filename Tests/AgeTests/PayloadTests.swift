import Age
import SecretMemory
import TestSupport
import Testing

@Suite("Payload") struct PayloadTests {
  static let sizes = [0, 1, 16, 1536, 65_535, 65_536, 65_537, 131_072, 131_073, 200_000]
  static let sealed = 65_552

  let identity: X25519Identity

  init() throws { identity = try X25519Identity() }

  private func plaintext(_ size: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: UInt64(size) + 7)
    return generator.bytes(size)
  }

  /// The payload's first byte: after the MAC line and the nonce.
  private func payloadStart(of file: [UInt8]) throws -> Int {
    let mac = try #require(file.firstRange(of: [UInt8]("\n--- ".utf8)))
    return mac.upperBound + 43 + 1 + 16
  }

  /// The error of `file`, the same whole and streamed.
  private func error(_ file: [UInt8]) -> AgeError? {
    var whole: AgeError?
    do throws(AgeError) { _ = try decrypt(file, with: [identity]) } catch { whole = error }
    let streamed = stream(file, step: 50_000, with: [identity]).error
    #expect(streamed == whole)
    return whole
  }

  @Test(arguments: sizes)
  func `comes back whole, streamed and mixed`(size: Int) throws {
    let plaintext = plaintext(size)
    let files = [
      try encrypt(plaintext, to: [identity.recipient]),
      try streamEncrypt(plaintext, step: 65_536, to: [identity.recipient]),
      try streamEncrypt(plaintext, step: 70_001, to: [identity.recipient]),
      try streamEncrypt(plaintext, step: 999, to: [identity.recipient]),
    ]
    for file in files {
      #expect(file.count == files[0].count)
      #expect(try decrypt(file, with: [identity]) == plaintext)
      for step in [1009, 65_552, 300_000] {
        let streamed = stream(file, step: step, with: [identity])
        #expect(streamed.error == nil)
        #expect(streamed.plaintext == plaintext)
      }
    }
  }

  @Test(arguments: sizes)
  func `slices are gathered wherever they are cut`(size: Int) throws {
    let plaintext = plaintext(size)
    for cut in [0, size / 3, size / 2] {
      let first = Array(plaintext[..<cut])
      let second = Array(plaintext[cut..<(size - cut / 2)])
      let third = Array(plaintext[(size - cut / 2)...])
      let header = try PreparedHeader(to: identity.recipient)
      let count = header.encryptedByteCount(of: size)
      let file = unsafe header.encrypt(first.span.bytes, second.span.bytes, third.span.bytes)
      #expect(file.count == count)
      #expect(try decrypt(file, with: [identity]) == plaintext)
    }
  }

  @Test(arguments: sizes)
  func `a prefix is what the contents begin with`(size: Int) throws {
    let plaintext = plaintext(size)
    let file = try encrypt(plaintext, to: [identity.recipient])
    for count in [0, 1, 512, 65_536, 65_537, 1 << 20] {
      #expect(try decryptPrefix(file, count, with: [identity]) == Array(plaintext.prefix(count)))
    }
  }

  @Test func `contents are lent, or nothing is`() throws {
    struct Refusal: Error {}
    var file = try encrypt([4, 5, 6], to: [identity.recipient])
    let contents = try unsafe AgeFile.withDecrypted(file.span.bytes, with: [identity]) { unsafe [UInt8]($0.pointer) }
    #expect(contents == [4, 5, 6])
    #expect(throws: Refusal.self) {
      try unsafe AgeFile.withDecrypted(file.span.bytes, with: [identity]) { _ in throw Refusal() }
    }
    file[file.count - 1] ^= 1
    #expect(throws: AgeError.payloadTampered(chunk: 0)) {
      try unsafe AgeFile.withDecrypted(file.span.bytes, with: [identity]) { _ in Issue.record("released") }
    }
  }

  @Test func `a prefix needs and authenticates its own chunks only`() throws {
    let plaintext = plaintext(200_000)
    var file = try encrypt(plaintext, to: [identity.recipient])
    let start = try payloadStart(of: file)
    file[start + Self.sealed + 5] ^= 1
    #expect(try decryptPrefix(file, 512, with: [identity]) == Array(plaintext.prefix(512)))
    #expect(throws: AgeError.payloadTampered(chunk: 1)) { try decryptPrefix(file, 65_537, with: [identity]) }
    let cut = Array(file[..<(start + Self.sealed + 1)])
    #expect(try decryptPrefix(cut, 65_536, with: [identity]) == Array(plaintext.prefix(65_536)))
    file[start] ^= 1
    #expect(throws: AgeError.payloadTampered(chunk: 0)) { try decryptPrefix(file, 1, with: [identity]) }
  }

  @Test func `a changed chunk is named`() throws {
    let file = try encrypt(plaintext(200_000), to: [identity.recipient])
    let start = try payloadStart(of: file)
    for chunk in 0..<4 {
      var changed = file
      changed[start + chunk * Self.sealed + 100] ^= 0x80
      #expect(error(changed) == .payloadTampered(chunk: chunk))
    }
  }

  @Test func `chunks cannot change places`() throws {
    let file = try encrypt(plaintext(131_072), to: [identity.recipient])
    let start = try payloadStart(of: file)
    let swapped = Array(file[..<start] + file[(start + Self.sealed)...] + file[start..<(start + Self.sealed)])
    #expect(error(swapped) == .payloadTampered(chunk: 0))
  }

  @Test func `a file cut between chunks is truncated`() throws {
    let file = try encrypt(plaintext(200_000), to: [identity.recipient])
    let start = try payloadStart(of: file)
    #expect(error(Array(file[..<start])) == .truncated)
    for chunks in 1..<4 {
      let end = start + chunks * Self.sealed
      #expect(error(Array(file[..<end])) == .truncated)
      #expect(error(Array(file[..<(end + 15)])) == .truncated)
      #expect(error(Array(file[..<(end + 100)])) == .payloadTampered(chunk: chunks))
    }
  }

  @Test(arguments: [65_536, 131_072])
  func `bytes after the final chunk are found`(size: Int) throws {
    let file = try encrypt(plaintext(size), to: [identity.recipient])
    #expect(error(file + [0]) == .trailingData)
    #expect(error(file + [UInt8](repeating: 0, count: 70_000)) == .trailingData)
  }

  @Test func `an authentic chunk is released before the stream fails`() throws {
    let plaintext = plaintext(131_072)
    var file = try encrypt(plaintext, to: [identity.recipient])
    file[file.count - 1] ^= 1
    let streamed = stream(file, step: 4096, with: [identity])
    #expect(streamed.error == .payloadTampered(chunk: 1))
    #expect(streamed.plaintext == Array(plaintext.prefix(65_536)))
  }

  @Test func `after an error a decryptor is unusable`() throws {
    var decryptor = try Decryptor(identities: [identity])
    let garbage: [UInt8] = [1, 10]
    for expected in [AgeError.malformedHeader(.versionLine), .unusable] {
      var caught: (any Error)?
      do { try unsafe decryptor.push(garbage.span.bytes) { _ in } } catch { caught = error }
      #expect(caught as? AgeError == expected)
    }
    let last = errorOfFinishing(decryptor)
    #expect(last as? AgeError == .unusable)
  }

  @Test func `what a receiver throws comes through`() throws {
    struct Refusal: Error {}
    let file = try encrypt([1], to: [identity.recipient])
    var decryptor = try Decryptor(identities: [identity])
    try unsafe decryptor.push(file.span.bytes) { _ in }
    let error = errorOfFinishing(decryptor) { _ in throw Refusal() }
    #expect(error is Refusal)
  }
}

/// Malformed files never crash and never pass.
@Suite("Mutations") struct MutationTests {
  let identity: X25519Identity
  let file: [UInt8]

  init() throws {
    identity = try X25519Identity()
    var generator = SeededGenerator(seed: 1)
    file = try encrypt(generator.bytes(100), to: [X25519Identity().recipient, identity.recipient])
  }

  private func isRefused(_ file: [UInt8]) -> Bool {
    let isRefused = (try? decrypt(file, with: [identity])) == nil
    let isStreamRefused = stream(file, step: 33, with: [identity]).error != nil
    return isRefused && isStreamRefused
  }

  @Test func `the file is sound before it is changed`() { #expect(!isRefused(file)) }

  @Test func `any changed byte is noticed`() {
    var generator = SeededGenerator(seed: 2)
    for index in file.indices {
      for change in [1, 0x20, 0x80, UInt8.random(in: 1...255, using: &generator)] {
        var changed = file
        changed[index] ^= change
        #expect(isRefused(changed), "byte \(index) changed by \(change)")
      }
    }
  }

  @Test func `any missing end is noticed`() {
    for count in file.indices { #expect(isRefused(Array(file[..<count])), "cut to \(count)") }
  }

  @Test func `any inserted, removed or doubled stretch is noticed`() {
    var generator = SeededGenerator(seed: 3)
    for round in 0..<2000 {
      let start = Int.random(in: 0..<file.count, using: &generator)
      let end = min(file.count, start + Int.random(in: 1...80, using: &generator))
      var changed = file
      switch round % 3 {
      case 0: changed.insert(contentsOf: generator.bytes(end - start), at: start)
      case 1: changed.removeSubrange(start..<end)
      default: changed.insert(contentsOf: file[start..<end], at: end)
      }
      #expect(isRefused(changed), "round \(round)")
    }
  }

  @Test func `armor with any changed character is refused or the same file`() throws {
    let text = armor(file)
    for index in text.indices {
      for change in [UInt8(1), 0x20] {
        var changed = text
        changed[index] ^= change
        if let decoded = try? unarmor(changed) { #expect(decoded == file || isRefused(decoded), "character \(index)") }
      }
    }
    for count in 0..<(text.count - 1) { #expect((try? unarmor(Array(text[..<count]))) == nil, "cut to \(count)") }
  }
}
