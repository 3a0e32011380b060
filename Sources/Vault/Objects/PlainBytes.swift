internal import SecretMemory
internal import VirtualFS

/// A piece of plaintext on its way into an object: borrowed content, a header, or zeros.
struct PlainBytes {
  private enum Source {
    case block(Block)
    case buffer(WipedBuffer)
    case zeros
  }

  private let source: Source
  let count: Int

  init(_ block: Block) {
    source = .block(block)
    count = block.count
  }

  /// The first `count` bytes of `buffer`.
  init(_ buffer: WipedBuffer, count: Int) {
    source = .buffer(buffer)
    self.count = count
  }

  /// A copy of bytes that are no secret.
  init(copying bytes: [UInt8]) throws(VaultError) {
    do {
      self.init(try unsafe WipedBuffer(copying: bytes.span.bytes), count: bytes.count)
    } catch {
      throw .memoryUnavailable
    }
  }

  /// At most 1 MiB of zeros.
  init(zeros count: Int) {
    precondition(count <= PlainBytes.zeros.count, "zeros come in parts")
    source = .zeros
    self.count = count
  }

  private static let zeros = unsafe Block(count: FileContent.partSize) {
    unsafe $0.initializeMemory(as: UInt8.self, repeating: 0)
  }

  var isEmpty: Bool { count == 0 }

  func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    switch source {
    case .block(let block):
      return try unsafe block.withBytes { bytes throws(E) in try unsafe body(bytes) }
    case .buffer(let buffer):
      return try unsafe buffer.withUnsafeBytes { bytes throws(E) in
        try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
      }
    case .zeros:
      return try unsafe PlainBytes.zeros.withBytes { bytes throws(E) in
        try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
      }
    }
  }
}
