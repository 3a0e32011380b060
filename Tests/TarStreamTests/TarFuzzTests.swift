import TarStream
import TestSupport
import Testing

@Suite("Mutated archives") struct TarFuzzTests {
  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func `never crash the readers, and what is read can be written`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let headers = try members.filter { $0.extendedAttributes.count < 2 }.map { try $0.encodedHeader() }
    for _ in 0..<500 {
      var archive = headers[Int.random(in: headers.indices, using: &random)]
      archive += headers[Int.random(in: headers.indices, using: &random)]
      for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&archive, using: &random) }
      for offset in stride(from: 0, to: archive.count, by: 512) where Bool.random(using: &random) {
        // Blocks of records are hit as well, which is one more mutation.
        if offset == 0 || Int.random(in: 0..<3, using: &random) == 0 {
          archive = repairingChecksum(of: archive, at: offset)
        }
      }
      for member in (try? readAll(archive, chunkSize: Int.random(in: 1...2000, using: &random)).map(\.member)) ?? [] {
        let header = try member.encodedHeader()
        #expect(try TarMember.parseMember(prefix: header) == .member(member, headerLength: header.count))
      }
      _ = try? TarMember.parseMember(prefix: archive)
    }
  }

  private func mutate(_ archive: inout [UInt8], using random: inout SeededGenerator) {
    guard !archive.isEmpty else { return }
    let index = Int.random(in: archive.indices, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: archive[index] = UInt8.random(in: 0...255, using: &random)
    case 1: archive[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 2: archive.removeSubrange(index..<min(index + Int.random(in: 1...600, using: &random), archive.count))
    case 3: archive.insert(contentsOf: random.bytes(Int.random(in: 1...8, using: &random)), at: index)
    case 4:
      // Digits and types, where headers and records are most sensitive.
      let digits = Array("0123456789 =\n-.xgLKS\u{0}".utf8)
      archive[index / 512 * 512 + min(index % 512, 156) % (archive.count - index / 512 * 512)] =
        digits[Int.random(in: digits.indices, using: &random)]
    default:
      let offset = index / 512 * 512
      let block = archive[offset..<min(offset + 512, archive.count)]
      archive.insert(contentsOf: block, at: offset)
    }
  }
}
