/// One object as changes of another, the base (gitformat-pack(5), "Deltified representation").
enum Delta {
  /// Bytes that one instruction to insert can hold.
  private static let insertLimit = 127
  /// Bytes that one instruction to copy can copy.
  private static let copyLimit = 0xFF_FFFF
  /// Shorter runs of equal bytes are inserted, not copied.
  private static let shortestCopy = 8

  // MARK: Writing

  /// The delta that makes `target` of `base`, in fewer than `limit` bytes; nil if it is not that small.
  ///
  /// What the two begin and end with alike is copied. In between, if both have the same length, so is what is alike at the same place:
  /// trees of which some names changed. It takes one pass, and finds less than git's own search.
  static func make(from base: [UInt8], to target: [UInt8], below limit: Int) -> [UInt8]? {
    guard !base.isEmpty, !target.isEmpty, base.count <= Int(UInt32.max) else { return nil }
    var delta: [UInt8] = []
    appendSize(base.count, to: &delta)
    appendSize(target.count, to: &delta)
    let shortest = min(base.count, target.count)
    let prefix = equalBytes(base, target, from: 0, to: shortest)
    let suffix = equalEnd(base, target, limit: shortest - prefix)
    appendCopy(0, prefix, to: &delta)
    var place = prefix
    let end = target.count - suffix
    if base.count == target.count {
      var pending = place
      while place < end, delta.count < limit {
        let equal = equalBytes(base, target, from: place, to: end)
        if equal >= shortestCopy {
          appendInsert(target[pending..<place], to: &delta)
          appendCopy(place, equal, to: &delta)
          pending = place + equal
        }
        // The byte that ended the run differs.
        place += equal + 1
      }
      place = pending
    }
    guard delta.count + end - place < limit else { return nil }
    appendInsert(target[place..<end], to: &delta)
    appendCopy(base.count - suffix, suffix, to: &delta)
    return delta.count < limit ? delta : nil
  }

  private static func appendSize(_ size: Int, to delta: inout [UInt8]) {
    var size = size
    while size > 0x7F {
      delta.append(UInt8(truncatingIfNeeded: size) | 0x80)
      size >>= 7
    }
    delta.append(UInt8(size))
  }

  private static func appendCopy(_ offset: Int, _ count: Int, to delta: inout [UInt8]) {
    var offset = offset
    var rest = count
    while rest > 0 {
      let count = min(rest, copyLimit)
      let head = delta.count
      delta.append(0x80)
      for index in 0..<4 {
        let byte = UInt8(truncatingIfNeeded: offset >> (8 * index))
        if byte != 0 {
          delta[head] |= 1 << UInt8(index)
          delta.append(byte)
        }
      }
      // "Size zero is automatically converted to 0x10000."
      for index in 0..<3 where count != 0x1_0000 {
        let byte = UInt8(truncatingIfNeeded: count >> (8 * index))
        if byte != 0 {
          delta[head] |= 0x10 << UInt8(index)
          delta.append(byte)
        }
      }
      offset += count
      rest -= count
    }
  }

  private static func appendInsert(_ bytes: ArraySlice<UInt8>, to delta: inout [UInt8]) {
    var rest = bytes
    while !rest.isEmpty {
      let part = rest.prefix(insertLimit)
      delta.append(UInt8(part.count))
      delta += part
      rest = rest.dropFirst(part.count)
    }
  }

  /// How many bytes from `start` on, and before `end`, are equal at the same places.
  private static func equalBytes(_ one: [UInt8], _ other: [UInt8], from start: Int, to end: Int) -> Int {
    unsafe one.withUnsafeBytes { one in
      unsafe other.withUnsafeBytes { other in
        var place = start
        // SAFETY: `end` is at most the count of both, and eight bytes are read only where that many are left.
        while place + 8 <= end,
          unsafe one.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            == other.loadUnaligned(fromByteOffset: place, as: UInt64.self)
        {
          place += 8
        }
        while place < end, unsafe one[place] == other[place] { place += 1 }
        return place - start
      }
    }
  }

  /// How many bytes, at most `limit`, are equal at both ends.
  private static func equalEnd(_ one: [UInt8], _ other: [UInt8], limit: Int) -> Int {
    unsafe one.withUnsafeBytes { one in
      unsafe other.withUnsafeBytes { other in
        var count = 0
        // SAFETY: `limit` is at most the count of both, and eight bytes are read only where that many are left.
        while count + 8 <= limit,
          unsafe one.loadUnaligned(fromByteOffset: one.count - count - 8, as: UInt64.self)
            == other.loadUnaligned(fromByteOffset: other.count - count - 8, as: UInt64.self)
        {
          count += 8
        }
        while count < limit, unsafe one[one.count - count - 1] == other[other.count - count - 1] { count += 1 }
        return count
      }
    }
  }

  // MARK: Reading

  /// The sizes, in bytes, of base and target that a delta tells, and where its instructions begin; nil if it does not begin so.
  static func sizes(of delta: [UInt8]) -> (base: Int, target: Int, start: Int)? {
    var place = 0
    guard let base = takeSize(delta, &place), let target = takeSize(delta, &place) else { return nil }
    return (base, target, place)
  }

  /// What `delta` makes of `base`; nil if anything in it is not exact: sizes, bounds, an instruction that is reserved or cut.
  ///
  /// The caller has found the target's size (``sizes(of:)``) to be acceptable.
  static func apply(_ delta: [UInt8], to base: [UInt8]) -> [UInt8]? {
    guard let (baseSize, targetSize, start) = sizes(of: delta), baseSize == base.count else { return nil }
    var target: [UInt8] = []
    target.reserveCapacity(targetSize)
    var place = start
    while place < delta.count {
      let instruction = delta[place]
      place += 1
      if instruction & 0x80 != 0 {
        var values = (offset: 0, count: 0)
        for index in 0..<7 where instruction & (1 << UInt8(index)) != 0 {
          guard place < delta.count else { return nil }
          let byte = Int(delta[place])
          place += 1
          if index < 4 { values.offset |= byte << (8 * index) } else { values.count |= byte << (8 * (index - 4)) }
        }
        if values.count == 0 { values.count = 0x1_0000 }
        guard values.offset + values.count <= base.count, values.count <= targetSize - target.count else { return nil }
        target += base[values.offset..<(values.offset + values.count)]
      } else {
        // "Instruction 0x00 is reserved for future expansion."
        let count = Int(instruction)
        guard count > 0, count <= delta.count - place, count <= targetSize - target.count else { return nil }
        target += delta[place..<(place + count)]
        place += count
      }
    }
    return target.count == targetSize ? target : nil
  }

  private static func takeSize(_ delta: [UInt8], _ place: inout Int) -> Int? {
    var size = 0
    for shift in stride(from: 0, to: 42, by: 7) {
      guard place < delta.count else { return nil }
      let byte = delta[place]
      place += 1
      size |= Int(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return size }
    }
    return nil
  }
}
