/// Compares the rows of trees' bytes in place, as making a ``Tree`` of each would cost more than all the rest of packing it.
enum TreeRows {
  /// A row of one tree that is not in another.
  struct Change {
    let object: ObjectName
    let isDirectory: Bool
    /// For a directory the other tree's one of the same name.
    let counterpart: ObjectName?
  }

  private struct Row {
    let isDirectory: Bool
    /// Whether it is a commit of another repository (a gitlink).
    let isLink: Bool
    /// The name's bytes; after them NUL and the 20 bytes of the object.
    let name: Range<Int>
    var object: Range<Int> { (name.upperBound + 1)..<end }
    var end: Int { name.upperBound + 1 + ObjectName.byteCount }
  }

  /// The files and subtrees of `bytes` that are not in `other` under the same name, in order; what is no row ends the comparison.
  static func changes(in bytes: [UInt8], from other: [UInt8]) -> [Change] {
    unsafe bytes.withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in unsafe changes(mine, theirs) }
    }
  }

  private static func changes(_ mine: UnsafeRawBufferPointer, _ theirs: UnsafeRawBufferPointer) -> [Change] {
    var changes: [Change] = []
    var place = 0
    var otherPlace = 0
    while let row = unsafe row(mine, at: place) {
      // Rows of the other tree that stand before this one are passed.
      var counterpart: Row?
      while let other = unsafe Self.row(theirs, at: otherPlace) {
        let order = unsafe compare(other, theirs, row, mine)
        if order > 0 { break }
        otherPlace = other.end
        if order == 0 {
          counterpart = other
          break
        }
      }
      place = row.end
      guard !row.isLink else { continue }
      if let other = counterpart {
        let old = unsafe UnsafeRawBufferPointer(rebasing: theirs[other.object])
        let isEqual = unsafe UnsafeRawBufferPointer(rebasing: mine[row.object]).elementsEqual(old)
        if isEqual && row.isDirectory == other.isDirectory { continue }
        if !row.isDirectory || !other.isDirectory { counterpart = nil }
      }
      guard let object = unsafe object(mine, row) else { continue }
      let old = counterpart.flatMap { unsafe Self.object(theirs, $0) }
      changes.append(Change(object: object, isDirectory: row.isDirectory, counterpart: old))
    }
    return changes
  }

  private static func row(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Row? {
    var place = start
    while place < bytes.count, unsafe bytes[place] != UInt8(ascii: " ") { place += 1 }
    let name = place + 1
    place = name
    while place < bytes.count, unsafe bytes[place] != 0 { place += 1 }
    guard place + ObjectName.byteCount < bytes.count else { return nil }
    let mode = unsafe bytes[start]
    // 40000 is the only mode with a 4 first, 160000 the only one with 16.
    let isLink = unsafe mode == UInt8(ascii: "1") && bytes[start + 1] == UInt8(ascii: "6")
    return Row(isDirectory: mode == UInt8(ascii: "4"), isLink: isLink, name: name..<place)
  }

  private static func object(_ bytes: UnsafeRawBufferPointer, _ row: Row) -> ObjectName? {
    unsafe ObjectName(bytes: bytes[row.object])
  }

  /// Git's order, below, at or above 0: names as bytes, a directory's as if it ended in `/`.
  private static func compare(
    _ one: Row, _ bytes: UnsafeRawBufferPointer, _ other: Row, _ others: UnsafeRawBufferPointer
  ) -> Int {
    let count = min(one.name.count, other.name.count)
    for index in 0..<count {
      let difference =
        unsafe Int(bytes[one.name.lowerBound + index]) - Int(others[other.name.lowerBound + index])
      if difference != 0 { return difference }
    }
    func next(_ row: Row, _ bytes: UnsafeRawBufferPointer) -> Int {
      if row.name.count > count { return Int(unsafe bytes[row.name.lowerBound + count]) }
      return row.isDirectory ? Int(UInt8(ascii: "/")) : 0
    }
    return unsafe next(one, bytes) - next(other, others)
  }
}
