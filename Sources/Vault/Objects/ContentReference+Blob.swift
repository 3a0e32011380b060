internal import GitStore
internal import VirtualFS

/// A file's content is in an object of its own (behind the tar header), or in parts. The tag tells which:
/// 0 is the whole content inside its object, n > 0 a part of n bytes.
extension ContentReference {
  init(insideObject blob: ObjectName) { self.init(blob, tag: 0) }

  /// A part of `length` bytes of plaintext, 1...1 MiB.
  init(part blob: ObjectName, length: Int) { self.init(blob, tag: UInt32(length)) }

  private init(_ blob: ObjectName, tag: UInt32) {
    var words: (UInt64, UInt64, UInt32) = (0, 0, 0)
    for index in 0..<8 { words.0 = words.0 << 8 | UInt64(blob[index]) }
    for index in 8..<16 { words.1 = words.1 << 8 | UInt64(blob[index]) }
    for index in 16..<20 { words.2 = words.2 << 8 | UInt32(blob[index]) }
    self.init(words: words, tag: tag)
  }

  var isInsideObject: Bool { tag == 0 }

  var blob: ObjectName {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(20)
    for shift in stride(from: 56, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: words.0 >> UInt64(shift)))
    }
    for shift in stride(from: 56, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: words.1 >> UInt64(shift)))
    }
    for shift in stride(from: 24, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: words.2 >> UInt32(shift)))
    }
    return ObjectName(bytes: bytes) ?? .zero
  }
}
