import GitStore
import TestSupport
import Testing

@Suite("Pack bombs") struct PackBombTests {
  /// An entry's first bytes.
  private static func header(_ type: UInt8, _ size: Int) -> [UInt8] {
    var bytes = [type << 4 | UInt8(size & 15)]
    var rest = size >> 4
    while rest > 0 {
      bytes[bytes.count - 1] |= 0x80
      bytes.append(UInt8(rest & 0x7F))
      rest >>= 7
    }
    return bytes
  }

  private static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var (a, b) = (1, 0)
    for byte in bytes {
      a = (a + Int(byte)) % 65_521
      b = (b + a) % 65_521
    }
    let sizes = [bytes.count & 255, bytes.count >> 8, ~bytes.count & 255, (~bytes.count >> 8) & 255]
    return [0x78, 1, 1] + sizes.map { UInt8($0) } + bytes + [b >> 8, b & 255, a >> 8, a & 255].map { UInt8($0) }
  }

  private static func pack(_ count: Int, _ entries: [UInt8]) -> [UInt8] {
    let start =
      Array("PACK".utf8) + [0, 0, 0, 2] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + entries
    return start + PackWriterTests.checksum(start)
  }

  private static func size(_ value: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  @Test func `a false count or size is refused by its header alone`() throws {
    #expect(throws: GitError.packTooLarge) { try PackReaderTests.read(Array(Self.pack(0xFFFF_FFFF, []).prefix(12))) }
    for (type, size) in [(3, 5 << 20), (2, 17 << 20), (1, 2 << 20), (4, 2 << 20), (7, 17 << 20), (3, 1 << 60)] {
      let start = Self.pack(1, Self.header(UInt8(type), size)).dropLast(20)
      #expect(throws: GitError.packTooLarge) { try PackReaderTests.read(Array(start)) }
    }
    for bytes in [[0x00], [0x50], [0x60, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]] as [[UInt8]] {
      #expect(throws: GitError.packMalformed) { try PackReaderTests.read(Array(Self.pack(1, bytes))) }
    }
    let later = Array("PACK".utf8) + [0, 0, 0, 3, 0, 0, 0, 0]
    for start in [later, Array("KCAP".utf8) + [0, 0, 0, 2, 0, 0, 0, 0]] {
      #expect(throws: GitError.packMalformed) { try PackReaderTests.read(start + PackWriterTests.checksum(start)) }
    }
    // Numbers in more bytes than any number needs.
    let long = [0xB0] + [UInt8](repeating: 0x80, count: 9) + [0]
    #expect(throws: GitError.packTooLarge) { try PackReaderTests.read(Self.pack(1, long + Self.stored([]))) }
    // The least number that there is, as a distance.
    let far = [0x60] + [UInt8](repeating: 0xFE, count: 7) + [0xFF, 0]
    #expect(throws: GitError.packMalformed) { try PackReaderTests.read(Self.pack(1, far + Self.stored([]))) }
  }

  @Test func `a stream that inflates to more or less than it says is refused at that byte`() throws {
    // 8 MiB of zeros in 8 KB.
    let zeros = try Program.check([
      "python3", "-c", "import sys,zlib; sys.stdout.buffer.write(zlib.compress(bytes(8<<20)))",
    ])
    .output
    for size in [0, 10, 65_536, 1 << 20, 4 << 20] {
      #expect(throws: GitError.packMalformed) { try PackReaderTests.read(Self.pack(1, Self.header(3, size) + zeros)) }
    }
    #expect(throws: GitError.packMalformed) {
      try PackReaderTests.read(Self.pack(1, Self.header(3, 5) + Self.stored([1, 2, 3, 4])))
    }
    var limits = PackLimits()
    limits.blobSize = 8 << 20
    #expect(try PackReaderTests.read(Self.pack(1, Self.header(3, 8 << 20) + zeros), limits: limits).count == 1)
    // Many of them are too large together.
    limits.inflatedSize = 12 << 20
    #expect(throws: GitError.packTooLarge) {
      try PackReaderTests.read(Self.pack(3, Self.header(3, 8 << 20) + zeros + Self.header(3, 8 << 20)), limits: limits)
    }
    limits.packSize = 1000
    #expect(throws: GitError.packTooLarge) {
      try PackReaderTests.read(Self.pack(1, Self.header(3, 8 << 20) + zeros), by: 100, limits: limits)
    }
  }

  /// Each delta copies its base twice.
  @Test func `deltas that double are stopped by the size of one object, chains by their depth`() throws {
    var object = NewObject(kind: .blob, bytes: [UInt8](repeating: 1, count: 1000))
    var entries = Self.header(3, 1000) + Self.stored(object.bytes)
    for _ in 0..<30 {
      let count = object.bytes.count
      let copy: [UInt8] = [0xF0, UInt8(count & 255), UInt8(count >> 8 & 255), UInt8(count >> 16)]
      let delta = Self.size(count) + Self.size(2 * count) + copy + copy
      entries += Self.header(7, delta.count) + object.name.bytes + Self.stored(delta)
      if count > 4 << 20 { break }
      object = NewObject(kind: .blob, bytes: object.bytes + object.bytes)
    }
    #expect(throws: GitError.packTooLarge) { try PackReaderTests.read(Self.pack(31, entries)) }

    // A small delta of a large base, again and again, is counted with the base.
    let base = NewObject(kind: .blob, bytes: [UInt8](repeating: 2, count: 1 << 20))
    var many: [UInt8] = []
    for index in 0..<20 {
      let delta = Self.size(1 << 20) + Self.size(2) + [2, UInt8(index), 7]
      many += Self.header(7, delta.count) + base.name.bytes + Self.stored(delta)
    }
    var limits = PackLimits()
    #expect(try PackReaderTests.read(Self.pack(20, many), bases: [base]).count == 20)
    limits.inflatedSize = 10 << 20
    #expect(throws: GitError.packTooLarge) {
      try PackReaderTests.read(Self.pack(20, many), limits: limits, bases: [base])
    }

    // So it is by what few bytes may become; more bytes may become more.
    limits = PackLimits()
    (limits.inflatedLeast, limits.inflatedPerByte) = (10 << 20, 64)
    #expect(throws: GitError.packTooLarge) {
      try PackReaderTests.read(Self.pack(20, many), limits: limits, bases: [base])
    }
    limits.inflatedPerByte = 16 << 10
    #expect(try PackReaderTests.read(Self.pack(20, many), limits: limits, bases: [base]).count == 20)

    // Each is the one before, and a byte.
    var last = NewObject(kind: .blob, bytes: [0])
    var chain = Self.header(3, 1) + Self.stored(last.bytes)
    for index in 0..<129 {
      let count = last.bytes.count
      let delta = Self.size(count) + Self.size(count + 1) + [0x90, UInt8(count), 1, UInt8(index)]
      chain += Self.header(7, delta.count) + last.name.bytes + Self.stored(delta)
      last = NewObject(kind: .blob, bytes: last.bytes + [UInt8(index)])
    }
    #expect(throws: GitError.packTooLarge) { try PackReaderTests.read(Self.pack(130, chain)) }
    limits = PackLimits()
    limits.deltaDepth = 129
    #expect(try PackReaderTests.read(Self.pack(130, chain), limits: limits).last?.name == last.name)
  }

  @Test func `deltas that leave their bounds are refused`() throws {
    let base = NewObject(kind: .blob, bytes: Array(0..<100))
    let deltas: [[UInt8]] = [
      [], [100], [100, 1], [100, 1, 0], [99, 1, 1, 5], [100, 1, 1], [100, 1, 2, 5], [100, 1, 1, 5, 1, 5],
      [100, 2, 1, 5], [100, 1, 0x90], [100, 1, 0x91, 100, 1], [100, 2, 0x91, 99, 2], [100, 1, 0x88, 1],
      [100, 1, 0x80], [100, 0x80, 0x80, 4, 0x80], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1, 1, 5],
      [100, 101, 0x90, 101],
    ]
    for delta in deltas {
      let entry = Self.header(7, delta.count) + base.name.bytes + Self.stored(delta)
      #expect(throws: GitError.packMalformed, "\(delta)") {
        try PackReaderTests.read(Self.pack(1, entry), bases: [base])
      }
    }
    let sound: [UInt8] = [100, 3, 0x91, 98, 2, 1, 5]
    let entry = Self.header(7, sound.count) + base.name.bytes + Self.stored(sound)
    #expect(try PackReaderTests.read(Self.pack(1, entry), bases: [base]).map(\.bytes) == [[98, 99, 5]])
    // A base before the pack, inside another entry, of itself; the same object twice.
    for distance in [[0], [1], [13], [0x80, 0]] as [[UInt8]] {
      let delta = Self.header(6, sound.count) + distance + Self.stored(sound)
      #expect(throws: GitError.packMalformed) {
        try PackReaderTests.read(Self.pack(2, Self.header(3, 100) + Self.stored(base.bytes) + delta))
      }
    }
    #expect(throws: GitError.packMalformed) {
      try PackReaderTests.read(Self.pack(2, entry + entry), bases: [base])
    }
  }
}
