/// An object that a receiver of a pack has, or gets earlier in the same pack: a tree may be written as changes of it.
package struct DeltaBase: Sendable {
  package let name: ObjectName
  package let bytes: [UInt8]

  package init(name: ObjectName, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}

/// Writes a pack (gitformat-pack(5), version 2) as a stream.
///
/// Holds one object at a time, and at most 64 KiB that the sink has not got yet. A pack that names bases which are not in it is a thin
/// one: git takes it with `index-pack --fix-thin`.
package final class PackStreamWriter {
  /// Takes the next bytes of the pack, 1...65,536.
  package typealias Sink = ([UInt8]) throws(GitError) -> Void

  private static let chunkSize = 1 << 16

  private let sink: Sink
  private let encoder: PackEntryEncoder
  private var missing: Int
  private let checksum = PlainSHA1()
  private var buffer: [UInt8]
  /// Bytes that the pack has so far.
  package private(set) var byteCount: Int

  /// Begins a pack of exactly `objectCount` objects, 0...4,294,967,295.
  ///
  /// - Throws: ``GitError/library(_:)`` if zlib has no memory.
  package init(objectCount: Int, sink: @escaping Sink) throws(GitError) {
    precondition(0...Int(UInt32.max) ~= objectCount, "a pack counts its objects in 32 bits")
    encoder = try PackEntryEncoder()
    self.sink = sink
    missing = objectCount
    buffer = PackHeader.encode(objectCount: objectCount)
    byteCount = buffer.count
    checksum.add(buffer)
  }

  /// Adds an object, a tree as a delta against `base` if that takes less than half of its bytes.
  ///
  /// - Throws: What the sink throws; the pack cannot be continued then.
  package func add(_ kind: ObjectKind, _ bytes: [UInt8], base: DeltaBase? = nil) throws(GitError) {
    precondition(missing > 0, "the pack has all of its objects")
    missing -= 1
    if kind == .tree, let base, let delta = encoder.delta(bytes, against: (.named(base.name), base.bytes)) {
      try write(delta)
    } else {
      try write(encoder.encode(kind, bytes))
    }
  }

  /// Ends the pack, which has all of its objects, and returns its checksum.
  ///
  /// - Throws: What the sink throws.
  @discardableResult
  package func finish() throws(GitError) -> ObjectName {
    precondition(missing == 0, "the pack lacks objects")
    let sum = checksum.finish()
    buffer += sum.bytes
    try flush(downTo: 0)
    return sum
  }

  private func write(_ bytes: [UInt8]) throws(GitError) {
    checksum.add(bytes)
    byteCount += bytes.count
    buffer += bytes
    try flush(downTo: Self.chunkSize - 1)
  }

  /// Passes on what is in the buffer until at most `limit` bytes are left.
  private func flush(downTo limit: Int) throws(GitError) {
    guard buffer.count > limit else { return }
    var start = 0
    while buffer.count - start > limit {
      let end = min(buffer.count, start + Self.chunkSize)
      try sink(Array(buffer[start..<end]))
      start = end
    }
    buffer.removeFirst(start)
  }
}
