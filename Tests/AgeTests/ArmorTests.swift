import Age
import TestSupport
import Testing

@Suite("Armor") struct ArmorTests {
  static let begin = "-----BEGIN AGE ENCRYPTED FILE-----"
  static let end = "-----END AGE ENCRYPTED FILE-----"
  static let full = String(repeating: "A", count: 64)

  private func fault(_ text: String) -> ArmorFault? {
    do throws(AgeError) {
      _ = try unarmor([UInt8](text.utf8))
      return nil
    } catch .malformedArmor(let fault) {
      return fault
    } catch {
      Issue.record("another error")
      return nil
    }
  }

  @Test(arguments: [0, 1, 2, 3, 47, 48, 49, 95, 96, 97, 1000])
  func `comes back whole and streamed`(count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let file = generator.bytes(count)
    let text = armor(file)
    #expect(try unarmor(text) == file)
    #expect(unsafe Armor.isArmored(text.span.bytes))
    var encoder = ArmorEncoder()
    var decoder = ArmorDecoder()
    var streamedText: [UInt8] = []
    var streamedFile: [UInt8] = []
    for byte in file {
      let one = [byte]
      unsafe encoder.push(one.span.bytes, into: &streamedText)
    }
    encoder.finish(into: &streamedText)
    #expect(streamedText == text)
    for character in text {
      let one = [character]
      try unsafe decoder.push(one.span.bytes, into: &streamedFile)
    }
    try decoder.finish(into: &streamedFile)
    #expect(streamedFile == file)
  }

  @Test(arguments: [
    "\(begin)\n\(full)\nAAAA\n\(end)\n", "\(begin)\r\n\(full)\r\nAAAA\r\n\(end)\r\n", "\(begin)\nAAAA\n\(end)",
    " \n\t\r\n\(begin)\n\(full)\n\(end)\n\n \t\n", "\(begin)\n\(end)\n",
  ])
  func `line ends and outer whitespace are free`(text: String) { #expect(fault(text) == nil) }

  @Test(
    arguments: [
      ("", .truncated), ("\n", .truncated), ("x\n", .beginLine), (" \(begin)\n", .beginLine),
      ("\(begin) \n", .beginLine),
      ("\(begin.lowercased())\n", .beginLine), ("garbage\n\(begin)\n\(end)\n", .beginLine),
      ("\(begin)\n\n\(end)\n", .bodyLine),
      ("\(begin)\nAAAA \n\(end)\n", .bodyLine), ("\(begin)\n AAAA\n\(end)\n", .bodyLine),
      ("\(begin)\nAAA\n\(end)\n", .bodyLine),
      ("\(begin)\nAB==\n\(end)\n", .bodyLine), ("\(begin)\nAAB=\n\(end)\n", .bodyLine),
      ("\(begin)\nA===\n\(end)\n", .bodyLine),
      ("\(begin)\n\(full)AAAA\n\(end)\n", .bodyLine), ("\(begin)\nheader: x\n\n\(end)\n", .bodyLine),
      ("\(begin)\nAAAA\nAAAA\n\(end)\n", .endLine), ("\(begin)\nAAAA\n\n\(end)\n", .endLine),
      ("\(begin)\nAAAA\n\(end) \n", .endLine),
      ("\(begin)\nAAAA\n\(end)\nx", .trailingData), ("\(begin)\nAAAA\n", .truncated),
      ("\(begin)\n\(full)\n", .truncated),
      (String(repeating: "\n", count: 1025) + "\(begin)\n\(end)\n", .beginLine),
      ("\(begin)\n\(end)\n" + String(repeating: "\n", count: 1025), .trailingData),
    ] as [(String, ArmorFault)])
  func `the rest is strict`(text: String, expected: ArmorFault) { #expect(fault(text) == expected) }

  @Test func `a line without end is refused in bounded memory`() {
    #expect(fault(String(repeating: " ", count: 5000)) == .beginLine)
    #expect(fault("\(Self.begin)\n" + String(repeating: "A", count: 5000)) == .bodyLine)
  }

  @Test func `a binary file is not armored`() {
    let binary = [UInt8]("age-encryption.org/v1\n".utf8)
    #expect(!(unsafe Armor.isArmored(binary.span.bytes)))
    let isEmptyArmored = Armor.isArmored(RawSpan())
    #expect(!isEmptyArmored)
  }
}
