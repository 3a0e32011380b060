internal import CLibGit2

/// A zlib stream (RFC 1950) whose deflate blocks are all stored (RFC 1951, 3.2.4): what cannot be compressed costs a copy only.
enum StoredStream {
  private static let blockLimit = 65_535

  /// The stream of `head` followed by `bytes`, appended to `output`.
  static func append(_ bytes: [UInt8], after head: [UInt8] = [], to output: inout [UInt8]) {
    let total = head.count + bytes.count
    output.reserveCapacity(output.count + size(of: total))
    // CMF: deflate, 32 KiB window. FLG: fastest, and the check bits that make the pair a multiple of 31.
    output += [0x78, 0x01]
    var offset = 0
    repeat {
      let length = min(blockLimit, total - offset)
      let size = UInt16(length)
      output.append(offset + length == total ? 1 : 0)
      output += [
        UInt8(truncatingIfNeeded: size), UInt8(size >> 8), UInt8(truncatingIfNeeded: ~size), UInt8(~size >> 8),
      ]
      let end = offset + length
      if offset < head.count { output += head[offset..<min(end, head.count)] }
      if end > head.count { output += bytes[(max(offset, head.count) - head.count)..<(end - head.count)] }
      offset = end
    } while offset < total
    let sum = adler(bytes, after: adler(head, after: 1))
    for shift: UInt32 in [24, 16, 8, 0] { output.append(UInt8(truncatingIfNeeded: sum >> shift)) }
  }

  /// What a stream holds from byte `start` on, `count` bytes; nil if it is not a whole one of stored blocks, or holds another number.
  ///
  /// Its checksum is not looked at: whoever reads an object compares its name.
  static func content(of stream: [UInt8], from start: Int, count: Int) -> [UInt8]? {
    guard stream.count == size(of: start + count), stream.starts(with: [0x78, 0x01]) else { return nil }
    let total = start + count
    var isSound = true
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { output, filled in
      unsafe stream.withUnsafeBytes { stream in
        var (place, done) = (2, 0)
        repeat {
          let length = min(blockLimit, total - done)
          let (low, high) = (unsafe stream[place + 1], unsafe stream[place + 2])
          isSound =
            unsafe stream[place] == (done + length == total ? 1 : 0) && Int(low) | Int(high) << 8 == length
            && stream[place + 3] == ~low && stream[place + 4] == ~high
          guard isSound else { return }
          // SAFETY: by the size of the stream, which was compared above, it has all of this block; and `output` has `count` bytes.
          let skipped = min(length, max(0, start - done))
          let target = UnsafeMutableRawBufferPointer(output)
          unsafe UnsafeMutableRawBufferPointer(rebasing: target[max(0, done + skipped - start)...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: stream[(place + 5 + skipped)..<(place + 5 + length)]))
          (place, done) = (place + 5 + length, done + length)
        } while done < total
      }
      filled = isSound ? count : 0
    }
    return isSound ? bytes : nil
  }

  /// Bytes of the stream of `count` bytes.
  static func size(of count: Int) -> Int { 2 + 5 * max(1, (count + blockLimit - 1) / blockLimit) + count + 4 }

  private static func adler(_ bytes: [UInt8], after sum: UInt32) -> UInt32 {
    // SAFETY: reads `count` bytes of a buffer that outlives the call; for none it returns `sum`, as no null pointer is given.
    if bytes.isEmpty { return sum }
    return unsafe bytes.withUnsafeBufferPointer { unsafe clibgit2_adler32(sum, $0.baseAddress, $0.count) }
  }
}
