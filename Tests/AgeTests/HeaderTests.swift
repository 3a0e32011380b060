import Age
import SecretMemory
import Testing

/// Headers that break one rule each are refused for that rule, whole or streamed.
@Suite("Header") struct HeaderTests {
  let identity: X25519Identity
  let lines: [String]
  let payload: [UInt8]

  init() throws {
    identity = try X25519Identity()
    let file = try encrypt([1, 2, 3], to: [identity.recipient])
    let end = try #require(file.firstRange(of: [UInt8]("\n---".utf8)))
    let macEnd = try #require(file[end.upperBound...].firstIndex(of: 0x0A))
    lines = String(decoding: file[..<macEnd], as: UTF8.self).split(separator: "\n").map(String.init)
    payload = Array(file[(macEnd + 1)...])
    #expect(lines.count == 4)
  }

  private func error(_ lines: [String], with identities: [any Identity]? = nil) -> AgeError? {
    error([UInt8]((lines.joined(separator: "\n") + "\n").utf8) + payload, with: identities)
  }

  /// The error of the file, found the same whole and streamed in pieces of several sizes.
  private func error(_ file: [UInt8], with identities: [any Identity]? = nil) -> AgeError? {
    let identities = identities ?? [identity]
    var whole: AgeError?
    do throws(AgeError) { _ = try decrypt(file, with: identities) } catch { whole = error }
    for step in [1, 10, 100_000] {
      let streamed = stream(file, step: step, with: identities).error
      #expect(streamed == whole)
    }
    return whole
  }

  private func changed(_ line: Int, _ change: (inout String) -> Void) -> [String] {
    var lines = lines
    change(&lines[line])
    return lines
  }

  private func inserted(_ stanza: [String], at line: Int = 1) -> [String] {
    Array(lines[..<line]) + stanza + Array(lines[line...])
  }

  @Test func `the file is sound before it is changed`() { #expect(error(lines) == nil) }

  @Test(arguments: [
    "", "age", "age-encryption.org/", "age-encryption.org/v 1", "Age-encryption.org/v1", " age-encryption.org/v1",
  ])
  func `the version line is exact`(line: String) {
    #expect(error(changed(0) { $0 = line }) == .malformedHeader(.versionLine))
  }

  @Test(arguments: ["v2", "v11", "v1.1", "1"])
  func `other versions are told apart`(version: String) {
    #expect(error(changed(0) { $0 = "age-encryption.org/" + version }) == .unsupportedVersion)
  }

  @Test func `lines end with LF only`() {
    #expect(error(changed(0) { $0 += "\r" }) == .malformedHeader(.versionLine))
    #expect(error(changed(1) { $0 += "\r" }) == .malformedHeader(.stanzaLine))
    #expect(error(changed(2) { $0 += "\r" }) == .malformedHeader(.stanzaBody))
    #expect(error(changed(3) { $0 += "\r" }) == .malformedHeader(.macLine))
  }

  @Test(arguments: ["->", "-> ", "->X25519", "-> X25519  x", "-> X25519 ", "-> \u{7F}", "-> é", "--> x", "- x", "x"])
  func `a stanza begins with an arrow and arguments`(line: String) {
    #expect(error(changed(1) { $0 = line }) == .malformedHeader(.stanzaLine))
  }

  @Test(arguments: ["A", "AB=", "AB==", "AB", "AAB", "A B", "AA-", String(repeating: "A", count: 65)])
  func `a body is canonical base64 of at most 64 columns`(body: String) {
    // "AB" and "AAB" have bits set beyond the last byte.
    #expect(error(inserted(["-> other", body])) == .malformedHeader(.stanzaBody))
  }

  @Test func `a body ends with a short line`() {
    let full = String(repeating: "A", count: 64)
    #expect(error(inserted(["-> other", full])) == .malformedHeader(.stanzaBody))
    #expect(error(inserted(["-> other"])) == .malformedHeader(.stanzaBody))
    #expect(error(inserted(["-> other", full, "AAAA", "AAAA"])) == .malformedHeader(.stanzaLine))
    // Sound, so that only the MAC is wrong.
    #expect(error(inserted(["-> other", full, ""])) == .badHeaderMAC)
    #expect(error(inserted(["-> other ~!x", ""])) == .badHeaderMAC)
  }

  @Test func `the MAC line is exact and canonical`() {
    let bad: [(inout String) -> Void] = [
      { $0 = "---" }, { $0 += " " }, { $0.removeLast() }, { $0 += "A" }, { $0 = $0.replacing("--- ", with: "---") },
      { $0 = $0.replacing("--- ", with: "---  ") }, { $0 += "=" }, { $0 = $0.dropLast() + "B" },
      { $0 = "--- x" + $0.dropFirst(4) },
    ]
    for change in bad { #expect(error(changed(3, change)) == .malformedHeader(.macLine)) }
    #expect(error(changed(3) { $0 = "--- " + String(repeating: "A", count: 43) }) == .badHeaderMAC)
  }

  @Test func `there is a stanza`() { #expect(error([lines[0], lines[3]]) == .malformedHeader(.noStanza)) }

  @Test func `a header that does not end is refused, and in bounded memory`() {
    #expect(error([UInt8]()) == .malformedHeader(.truncated))
    #expect(error([UInt8]("age-encryption.org/v1\n-> x\n\n".utf8)) == .malformedHeader(.truncated))
    let stanzas = [UInt8]("age-encryption.org/v1\n-> ".utf8) + [UInt8](repeating: 0x41, count: 1 << 20)
    for step in [65_536, 10_000_000] {
      let streamed = stream(stanzas, step: step, with: [identity]).error
      #expect(streamed == .malformedHeader(.tooLong))
    }
    #expect(throws: AgeError.malformedHeader(.tooLong)) { try decrypt(stanzas, with: [identity]) }
  }

  @Test func `an X25519 stanza has a share of 32 bytes and a body of 32 bytes`() {
    let fault = AgeError.malformedHeader(.x25519Stanza)
    #expect(error(changed(1) { $0 += " more" }) == fault)
    #expect(error(changed(1) { $0 = "-> X25519" }) == fault)
    #expect(error(changed(1) { $0.removeLast() }) == fault)
    #expect(error(changed(1) { $0 += "A" }) == fault)
    #expect(error(changed(1) { $0 += "=" }) == fault)
    #expect(error(changed(2) { $0 = "AAAA" }) == fault)
    #expect(error(changed(2) { $0 = "" }) == fault)
    // Refused also after the stanza that matches.
    #expect(error(inserted(["-> X25519 AAAA", ""], at: 3)) == fault)
  }

  @Test func `a share of low order is refused`() {
    let share = String(repeating: "A", count: 43)
    #expect(error(changed(1) { $0 = "-> X25519 \(share)" }) == .malformedHeader(.lowOrderShare))
  }

  @Test func `types are told apart by case, and unknown ones skipped`() {
    #expect(error(changed(1) { $0 = $0.replacing("X25519", with: "x25519") }) == .noIdentityMatched)
    #expect(error([lines[0], "-> grease a b", "AAAA", lines[3]]) == .noIdentityMatched)
  }

  @Test func `a body under another key does not match`() throws {
    #expect(error(lines, with: [try X25519Identity()]) == .noIdentityMatched)
    #expect(error(lines, with: [try passphraseIdentity("x")]) == .noIdentityMatched)
    #expect(error(lines, with: []) == .noIdentityMatched)
    #expect(error(lines, with: [try X25519Identity(), identity]) == nil)
  }

  @Test func `an scrypt stanza is alone`() {
    let scrypt = ["-> scrypt AAAAAAAAAAAAAAAAAAAAAA 10", String(repeating: "A", count: 43)]
    #expect(error(inserted(scrypt)) == .malformedHeader(.scryptNotAlone))
    #expect(error(inserted(scrypt, at: 3)) == .malformedHeader(.scryptNotAlone))
    #expect(error([lines[0]] + scrypt + scrypt + [lines[3]]) == .malformedHeader(.scryptNotAlone))
  }

  @Test(arguments: [
    "", "10", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA 010", "AAAAAAAAAAAAAAAAAAAAAA 0",
    "AAAAAAAAAAAAAAAAAAAAAA +1",
    "AAAAAAAAAAAAAAAAAAAAAA 0x1", "AAAAAAAAAAAAAAAAAAAAAA 1e1", "AAAAAAAAAAAAAAAAAAAAAA -1",
    "AAAAAAAAAAAAAAAAAAAAAA 10 x",
    "AAAAAAAAAAAAAAAAAAAAAB 10", "AAAAAAAAAAAAAAAAAAAAA 10", "AAAAAAAAAAAAAAAAAAAAAAAA 10",
    "AAAAAAAAAAAAAAAAAAAAAA 18446744073709551626",
  ])
  func `an scrypt stanza has a salt of 16 bytes and a decimal work factor`(arguments: String) throws {
    let line = arguments.isEmpty ? "-> scrypt" : "-> scrypt \(arguments)"
    let header = [lines[0], line, String(repeating: "A", count: 43), lines[3]]
    #expect(error(header, with: [try passphraseIdentity("x")]) == .malformedHeader(.scryptStanza))
  }

  @Test func `the work factor is limited`() throws {
    let header = [lines[0], "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 23", String(repeating: "A", count: 43), lines[3]]
    #expect(error(header, with: [try passphraseIdentity("x")]) == .workFactorTooHigh(logN: 23))
    let cheap = [lines[0], "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 5", String(repeating: "A", count: 43), lines[3]]
    #expect(error(cheap, with: [try passphraseIdentity("x", limit: 4)]) == .workFactorTooHigh(logN: 5))
    #expect(error(cheap, with: [try passphraseIdentity("x", limit: 5)]) == .wrongPassphrase)
  }
}
