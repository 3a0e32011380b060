import Synchronization

/// Bytes of content on the heap, wiped when freed; at most ``FileContent/partSize`` bytes.
///
/// Shared by reference and copied on write: bytes may be changed only while the file system holds the only reference.
@safe
public final class Block: @unchecked Sendable {
  // SAFETY (Sendable): bytes and count change only while `isExclusive` holds, that is while no other reference exists.
  private let base: UnsafeMutableRawPointer
  /// Bytes of room.
  public let capacity: Int
  /// Bytes in use, 0...capacity; all bytes from here to `capacity` are zero.
  public private(set) var count: Int
  /// Loans that ended: orders the last reader's reads before the next writer's writes.
  private let loans = Atomic<Int>(0)

  /// Bytes of room of all blocks that exist in the process, for tests of bounded memory.
  static let liveBytes = Atomic<Int>(0)

  /// A block of `count` bytes that `fill` writes.
  public init<E: Error>(count: Int, fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void) throws(E) {
    capacity = max(count, 1)
    self.count = count
    unsafe base = .allocate(byteCount: max(count, 1), alignment: 16)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
    Block.liveBytes.wrappingAdd(capacity, ordering: .relaxed)
    try unsafe fill(UnsafeMutableRawBufferPointer(start: base, count: count))
  }

  /// An empty block with room for `capacity` bytes.
  init(capacity: Int) {
    precondition(capacity > 0 && capacity <= FileContent.partSize, "a block holds one part")
    self.capacity = capacity
    count = 0
    unsafe base = .allocate(byteCount: capacity, alignment: 16)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
    Block.liveBytes.wrappingAdd(capacity, ordering: .relaxed)
  }

  deinit {
    unsafe Block.wipe(UnsafeMutableRawBufferPointer(start: base, count: capacity))
    unsafe base.deallocate()
    Block.liveBytes.wrappingSubtract(capacity, ordering: .relaxed)
  }

  /// Lends the bytes in use; the pointer is dead when `body` returns.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    defer { loans.wrappingAdd(1, ordering: .releasing) }
    return try unsafe body(UnsafeRawBufferPointer(start: base, count: count))
  }

  @inline(never)
  private static func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }
}

// What follows changes a block: only for the holder of the only reference.
extension Block {
  /// Whether `block` is the only reference, so that its bytes may be changed.
  static func isExclusive(_ block: inout Block) -> Bool {
    guard isKnownUniquelyReferenced(&block) else { return false }
    _ = block.loans.load(ordering: .acquiring)
    return true
  }

  /// A block of the same bytes with room for `capacity` bytes, at least `count`.
  func copy(capacity: Int) -> Block {
    let copy = Block(capacity: capacity)
    unsafe withBytes { (bytes: UnsafeRawBufferPointer) in unsafe copy.write(bytes, at: 0) }
    return copy
  }

  /// Puts `bytes` at `offset`; together they fit in `capacity`.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    precondition(offset >= 0 && offset <= capacity - bytes.count, "bytes fit in the block")
    guard let source = bytes.baseAddress, unsafe !bytes.isEmpty else { return }
    unsafe (base + offset).copyMemory(from: source, byteCount: bytes.count)
    count = max(count, offset + bytes.count)
  }

  /// Makes the bytes of `range` zero as far as they are in use.
  func zero(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<count)
    unsafe (base + range.lowerBound).initializeMemory(as: UInt8.self, repeating: 0, count: range.count)
  }

  /// Forgets the bytes from `count` on.
  func truncate(to count: Int) {
    guard count < self.count else { return }
    zero(count..<self.count)
    self.count = count
  }

  /// Whether all bytes are zero.
  var isZero: Bool {
    unsafe withBytes { (bytes: UnsafeRawBufferPointer) in
      let words = bytes.count / 8
      for i in 0..<words where unsafe bytes.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self) != 0 { return false }
      for i in (words * 8)..<bytes.count where unsafe bytes[i] != 0 { return false }
      return true
    }
  }

  /// The room for `count` bytes in a block that had `old`: twice as much, so that appending costs O(1) a byte.
  static func room(for count: Int, from old: Int) -> Int {
    guard count > old else { return old }
    return min(FileContent.partSize, max(count, old * 2, 64))
  }
}
