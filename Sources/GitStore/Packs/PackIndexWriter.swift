internal import CLibGit2

/// Writes a pack's index, version 2 (gitformat-pack(5), "pack-*.idx files").
package enum PackIndexWriter {
  /// Where a pack has an object.
  package struct Entry: Sendable {
    package let name: ObjectName
    /// Bytes before it in the pack.
    package let offset: UInt64
    /// CRC-32 of the entry's bytes.
    package let checksum: UInt32

    package init(name: ObjectName, offset: UInt64, checksum: UInt32) {
      self.name = name
      self.offset = offset
      self.checksum = checksum
    }
  }

  /// Gives the index of the pack with these entries, in any order, and this checksum to `sink`, in pieces of at most 64 KiB.
  package static func write(
    _ entries: [Entry], pack: ObjectName, to sink: ([UInt8]) throws(GitError) -> Void
  ) throws(GitError) {
    let entries = entries.sorted { $0.name < $1.name }
    let sum = PlainSHA1()
    var buffer: [UInt8] = []
    func pass() throws(GitError) {
      sum.add(buffer)
      try sink(buffer)
      buffer.removeAll(keepingCapacity: true)
    }
    func add(_ value: some FixedWidthInteger) throws(GitError) {
      unsafe withUnsafeBytes(of: value.bigEndian) { unsafe buffer.append(contentsOf: $0) }
      if buffer.count > 65_000 { try pass() }
    }
    try add(UInt32(0xFF74_4F63))
    try add(UInt32(2))
    var counts = [UInt32](repeating: 0, count: 256)
    for entry in entries { counts[Int(entry.name[0])] += 1 }
    var total: UInt32 = 0
    for count in counts {
      total += count
      try add(total)
    }
    for entry in entries {
      entry.name.append(to: &buffer)
      if buffer.count > 65_000 { try pass() }
    }
    for entry in entries { try add(entry.checksum) }
    // What does not fit 31 bits is the number of a row in a table of 64 bits.
    let far = entries.lazy.map(\.offset).filter { $0 >= 1 << 31 }
    var row: UInt32 = 0
    for entry in entries {
      if entry.offset < 1 << 31 {
        try add(UInt32(entry.offset))
      } else {
        try add(1 << 31 | row)
        row += 1
      }
    }
    for offset in far { try add(offset) }
    pack.append(to: &buffer)
    try pass()
    sum.finish().append(to: &buffer)
    try sink(buffer)
  }
}
