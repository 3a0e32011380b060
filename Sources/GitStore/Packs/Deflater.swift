internal import CLibGit2

/// The owner of one zlib compressor at level 1, used again for each stream.
@safe
final class Deflater {
  /// Kept at one address, which zlib compares with the one that it was set up at.
  private let stream: UnsafeMutablePointer<z_stream>

  init() throws(GitError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let status = unsafe deflateInit_(stream, 1, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw .library(status) }
  }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// `bytes` as a zlib stream of fewer than `limit` bytes; nil if it is not that small.
  func compress(_ bytes: [UInt8], below limit: Int) -> [UInt8]? {
    guard limit > 1, bytes.count <= Int(UInt32.max), unsafe deflateReset(stream) == Z_OK else { return nil }
    var isWhole = false
    let room = limit - 1
    let output = unsafe [UInt8](unsafeUninitializedCapacity: room) { output, count in
      // SAFETY: both buffers outlive the call, which reads and writes no more than it is told; zlib does not write to its input.
      isWhole = unsafe bytes.withUnsafeBufferPointer { input in
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = output.baseAddress
        unsafe stream.pointee.avail_out = UInt32(min(room, Int(UInt32.max)))
        return unsafe deflate(stream, Z_FINISH) == Z_STREAM_END
      }
      count = Int(unsafe stream.pointee.total_out)
    }
    return isWhole ? output : nil
  }
}
