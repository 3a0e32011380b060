internal import CLibGit2

/// The bytes of a loose object's file: a zlib stream (RFC 1950) whose deflate blocks are all stored (RFC 1951, 3.2.4).
///
/// Not compressed, since most of what we write is encrypted and compressing the rest costs more than half a commit's time;
/// consolidating compresses it. Every git reads this form.
enum LooseFormat {
  private static let blockLimit = 65_535

  /// The file's bytes for an object.
  static func encode(_ kind: ObjectKind, _ bytes: [UInt8]) -> [UInt8] {
    let header = Array("\(kind.word) \(bytes.count)\0".utf8)
    let total = header.count + bytes.count
    let blocks = (total + blockLimit - 1) / blockLimit
    var file: [UInt8] = []
    file.reserveCapacity(2 + 5 * blocks + total + 4)
    // CMF: deflate, 32 KiB window. FLG: fastest, and the check bits that make the pair a multiple of 31.
    file += [0x78, 0x01]
    var offset = 0
    while offset < total {
      let length = min(blockLimit, total - offset)
      let size = UInt16(length)
      file.append(offset + length == total ? 1 : 0)
      file += [UInt8(truncatingIfNeeded: size), UInt8(size >> 8), UInt8(truncatingIfNeeded: ~size), UInt8(~size >> 8)]
      if offset == 0 {
        file += header
        file += bytes[..<(length - header.count)]
      } else {
        file += bytes[(offset - header.count)..<(offset - header.count + length)]
      }
      offset += length
    }
    let sum = adler(bytes, after: adler(header, after: 1))
    for shift: UInt32 in [24, 16, 8, 0] { file.append(UInt8(truncatingIfNeeded: sum >> shift)) }
    return file
  }

  /// The kind and size that a loose object's header tells, and the header's length; nil if the file does not begin as one.
  static func header(of file: [UInt8]) -> (kind: ObjectKind, size: Int, length: Int)? {
    let (start, _) = inflate(file, limit: 40)
    guard let end = start.firstIndex(of: 0), let space = start[..<end].firstIndex(of: UInt8(ascii: " ")),
      let kind = ObjectKind.allCases.first(where: { $0.word.utf8.elementsEqual(start[..<space]) }),
      let size = Int(String(decoding: start[(space + 1)..<end], as: UTF8.self)), size >= 0
    else { return nil }
    return (kind, size, end + 1)
  }

  /// The object in a loose object's file, compressed or not; nil if it is damaged (the caller checks the name).
  static func decode(_ file: [UInt8]) -> (kind: ObjectKind, bytes: [UInt8])? {
    // Deflate shrinks at most 1,032 times, so a larger claim is false and gets no memory.
    guard let header = header(of: file), header.size / 1032 <= file.count else { return nil }
    let total = header.length + header.size
    let (bytes, isWhole) = inflate(file, limit: total)
    guard isWhole, bytes.count == total else { return nil }
    return (header.kind, Array(bytes[header.length...]))
  }

  private static func inflate(_ file: [UInt8], limit: Int) -> (bytes: [UInt8], isWhole: Bool) {
    var isWhole = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { output, count in
      // SAFETY: both buffers outlive the call, which writes at most `limit` bytes and tells how many.
      isWhole = unsafe file.withUnsafeBufferPointer { input in
        unsafe clibgit2_inflate(input.baseAddress, input.count, output.baseAddress, limit, &count) == 1
      }
    }
    return (bytes, isWhole)
  }

  private static func adler(_ bytes: [UInt8], after sum: UInt32) -> UInt32 {
    // SAFETY: reads `count` bytes of a buffer that outlives the call.
    unsafe bytes.withUnsafeBufferPointer { unsafe clibgit2_adler32(sum, $0.baseAddress, $0.count) }
  }
}
