/// SHA-1 of a stream of bytes (FIPS 180-4), for the checksums that end a pack and its index.
///
/// Plain, as these find damage only: the names of objects come from ``ObjectName/of(_:_:)``, which detects collisions.
package struct Checksum {
  package init() {}

  private static let blockSize = 64

  private var a: UInt32 = 0x6745_2301
  private var b: UInt32 = 0xEFCD_AB89
  private var c: UInt32 = 0x98BA_DCFE
  private var d: UInt32 = 0x1032_5476
  private var e: UInt32 = 0xC3D2_E1F0
  /// Bytes that do not fill a block yet.
  private var rest: [UInt8] = []
  private var count: UInt64 = 0

  /// Adds `bytes`.
  package mutating func add(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe add($0) } }

  /// Adds `bytes`.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    count += UInt64(bytes.count)
    var bytes = unsafe bytes[...]
    if !rest.isEmpty {
      let missing = unsafe bytes.prefix(Self.blockSize - rest.count)
      unsafe rest.append(contentsOf: missing)
      unsafe bytes = bytes.dropFirst(missing.count)
      guard rest.count == Self.blockSize else { return }
      let block = rest
      rest.removeAll(keepingCapacity: true)
      unsafe block.withUnsafeBytes { unsafe addBlocks($0) }
    }
    let whole = unsafe bytes.count / Self.blockSize * Self.blockSize
    unsafe addBlocks(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)))
    unsafe rest.append(contentsOf: bytes.dropFirst(whole))
  }

  /// The 20 bytes of the hash.
  package consuming func finish() -> ObjectName {
    let bits = count * 8
    var padding: [UInt8] = [0x80]
    padding += [UInt8](repeating: 0, count: (2 * Self.blockSize - 9 - rest.count) % Self.blockSize)
    padding += (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(56 - 8 * $0)) }
    add(padding)
    let words = [a, b, c, d, e]
    let digest = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) } }
    return ObjectName(bytes: digest) ?? .zero
  }

  /// Adds a whole number of blocks.
  private mutating func addBlocks(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 80) { schedule in
      for start in stride(from: 0, to: bytes.count, by: Self.blockSize) {
        // SAFETY: `start` + 64 is at most `bytes.count`, a multiple of 64, and all 80 words of the schedule are set before they are read.
        for index in 0..<16 {
          let word = unsafe bytes.loadUnaligned(fromByteOffset: start + 4 * index, as: UInt32.self)
          unsafe schedule[index] = UInt32(bigEndian: word)
        }
        for index in 16..<80 {
          let word = unsafe schedule[index - 3] ^ schedule[index - 8] ^ schedule[index - 14] ^ schedule[index - 16]
          unsafe schedule[index] = word << 1 | word >> 31
        }
        unsafe mix(schedule)
      }
    }
  }

  private mutating func mix(_ schedule: UnsafeMutableBufferPointer<UInt32>) {
    var s = Words(v: a, w: b, x: c, y: d, z: e)
    for index in 0..<20 { s.step((s.w & s.x) | (~s.w & s.y), 0x5A82_7999, unsafe schedule[index]) }
    for index in 20..<40 { s.step(s.w ^ s.x ^ s.y, 0x6ED9_EBA1, unsafe schedule[index]) }
    for index in 40..<60 {
      s.step((s.w & s.x) | (s.w & s.y) | (s.x & s.y), 0x8F1B_BCDC, unsafe schedule[index])
    }
    for index in 60..<80 { s.step(s.w ^ s.x ^ s.y, 0xCA62_C1D6, unsafe schedule[index]) }
    (a, b, c, d, e) = (a &+ s.v, b &+ s.w, c &+ s.x, d &+ s.y, e &+ s.z)
  }

  /// The five words while a block is mixed in.
  private struct Words {
    var v, w, x, y, z: UInt32

    mutating func step(_ mixed: UInt32, _ constant: UInt32, _ word: UInt32) {
      let next = (v << 5 | v >> 27) &+ mixed &+ z &+ constant &+ word
      (v, w, x, y, z) = (next, v, w << 30 | w >> 2, x, y)
    }
  }
}
