internal import CLibGit2

/// The owner of one zlib decompressor, used again for each stream.
@safe
final class Inflater {
  /// Kept at one address, which zlib compares with the one that it was set up at.
  private let stream: UnsafeMutablePointer<z_stream>
  private let room: UnsafeMutablePointer<UInt8>
  private static let roomSize = 1 << 16

  init() throws(GitError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    unsafe room = .allocate(capacity: Self.roomSize)
    let status = unsafe inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw .library(status) }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
    unsafe room.deallocate()
  }

  /// Forgets the stream so far: another one begins.
  func restart() { _ = unsafe inflateReset(stream) }

  /// Takes the stream's next bytes, `input` from `start` on, and appends to `output` what they hold.
  ///
  /// `output` grows as the bytes come, and to at most `limit` bytes.
  ///
  /// - Returns: How many bytes were the stream's, and whether it ended with them; nil if it is damaged, or holds more than `limit`.
  func take(
    _ input: [UInt8], from start: Int, into output: inout [UInt8], limit: Int
  ) -> (consumed: Int, isEnd: Bool)? {
    var consumed = 0
    while true {
      // One byte of room more than is allowed, to see a stream that holds more.
      let space = min(Self.roomSize, limit - output.count + 1)
      let rest = min(input.count - start - consumed, Int(UInt32.max))
      // SAFETY: the input outlives the call, which reads `rest` bytes of it, writes at most `space` of `room`, and does not write to the input.
      let status = unsafe input.withUnsafeBufferPointer { input in
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
          mutating: input.baseAddress.map { unsafe $0 + start + consumed })
        unsafe stream.pointee.avail_in = UInt32(rest)
        unsafe stream.pointee.next_out = room
        unsafe stream.pointee.avail_out = UInt32(space)
        return unsafe inflate(stream, Z_NO_FLUSH)
      }
      consumed += rest - Int(unsafe stream.pointee.avail_in)
      let produced = space - Int(unsafe stream.pointee.avail_out)
      guard produced <= limit - output.count else { return nil }
      unsafe output.append(contentsOf: UnsafeBufferPointer(start: room, count: produced))
      switch status {
      case Z_STREAM_END: return (consumed, true)
      case Z_OK, Z_BUF_ERROR: if produced < space { return (consumed, false) }
      default: return nil
      }
    }
  }
}
