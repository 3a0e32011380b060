/// The names in a pack's index, version 2 (gitformat-pack(5)).
struct PackIndex {
  /// The names in ascending order.
  let names: [ObjectName]

  /// Reads an index file's bytes; nil unless it is a whole index of version 2.
  init?(parsing bytes: [UInt8]) {
    let tableStart = 8 + 4 * 256
    guard bytes.count >= tableStart + 40, bytes.starts(with: [0xff, 0x74, 0x4f, 0x63, 0, 0, 0, 2]) else { return nil }
    let count = bytes[(tableStart - 4)..<tableStart].reduce(0) { $0 << 8 | Int($1) }
    // Name, checksum and offset of each, then the two trailing checksums.
    guard bytes.count >= tableStart + count * 28 + 40 else { return nil }
    var names: [ObjectName] = []
    names.reserveCapacity(count)
    for index in 0..<count {
      let start = tableStart + index * ObjectName.byteCount
      guard let name = ObjectName(bytes: bytes[start..<(start + ObjectName.byteCount)]) else { return nil }
      names.append(name)
    }
    self.names = names
  }

  /// Whether the pack holds `name`.
  func contains(_ name: ObjectName) -> Bool {
    var low = 0
    var high = names.count
    while low < high {
      let middle = (low + high) / 2
      if names[middle] < name { low = middle + 1 } else { high = middle }
    }
    return low < names.count && names[low] == name
  }
}
