/// Reads a pack (gitformat-pack(5), version 2) from a stream that nobody vouches for.
///
/// Holds one object and its base at a time, 8 MiB of those before, and some 80 bytes for each object so far. After an error every
/// further call throws the same.
package final class PackStreamReader {
  /// Finds the base of a delta among what the receiver has, which includes all that was delivered; nil if it is not there.
  package typealias FindBase = (ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8])?
  /// Takes the next object.
  package typealias Deliver = (NewObject) throws(GitError) -> Void

  private enum State {
    case header
    case entryHeader
    /// Of a delta whose base is in the pack.
    case distance
    /// Of a delta whose base is named.
    case baseName
    case content
    case trailer
    case end
  }

  private let limits: PackLimits
  private let findBase: FindBase
  private let deliver: Deliver
  private let inflater: Inflater
  private var state = State.header
  private var failure: GitError?
  private let checksum = PlainSHA1()
  /// Bytes of the pack that were taken.
  private var offset = 0
  /// Bytes of objects so far, as ``PackLimits/inflatedSize`` counts them.
  package private(set) var inflated = 0
  /// Objects still to come.
  private var missing = 0
  /// The bytes so far of what `state` says.
  private var part: [UInt8] = []
  private var entry = Entry()
  private var content: [UInt8] = []
  private var known = PackedObjects()
  private var recent = RecentObjects(limit: 8 << 20)

  /// The entry that is being read.
  private struct Entry {
    var offset = 0
    var type = PackEntryType.blob
    /// Bytes of the content, inflated.
    var size = 0
    var base: ObjectName?
    /// Deltas between it and a whole object.
    var depth = 0
  }

  /// Begins a pack.
  ///
  /// - Throws: ``GitError/library(_:)`` if zlib has no memory.
  package init(
    limits: PackLimits = PackLimits(), findBase: @escaping FindBase = { _ in nil }, deliver: @escaping Deliver
  ) throws(GitError) {
    inflater = try Inflater()
    self.limits = limits
    self.findBase = findBase
    self.deliver = deliver
  }

  /// Whether the pack's last byte was taken and all was well.
  package var isComplete: Bool { state == .end && failure == nil }

  /// Objects delivered so far.
  package var objectCount: Int { known.count }

  /// Objects that the pack says it has; 0 before its header is read.
  package var totalCount: Int { known.count + missing }

  /// Bytes of the pack taken so far.
  package var byteCount: Int { offset }

  /// Takes the next bytes of the pack, any number of them, and delivers each object that they complete.
  ///
  /// - Throws: ``GitError/packMalformed``, ``GitError/packTooLarge``; what the closures throw.
  package func feed(_ bytes: [UInt8]) throws(GitError) {
    if let failure { throw failure }
    do throws(GitError) {
      guard bytes.count <= limits.packSize - offset else { throw .packTooLarge }
      var place = 0
      while place < bytes.count {
        let isChecked = state != .trailer
        let count = try take(bytes, from: place)
        // SAFETY: `take` tells how many of the bytes after `place` it took.
        if isChecked {
          unsafe bytes.withUnsafeBytes { unsafe checksum.add(.init(rebasing: $0[place..<place + count])) }
        }
        place += count
        offset += count
      }
    } catch {
      failure = error
      throw error
    }
  }

  /// Ends the pack.
  ///
  /// - Throws: ``GitError/packMalformed`` if it is not complete; the error of an earlier call.
  package func finish() throws(GitError) {
    if let failure { throw failure }
    guard state == .end else { throw .packMalformed }
  }

  // MARK: Steps

  /// Takes some of `bytes` from `place` on, as the state wants them, and returns how many.
  private func take(_ bytes: [UInt8], from place: Int) throws(GitError) -> Int {
    switch state {
    case .header:
      guard let (header, count) = collect(PackHeader.size, bytes, place) else { return bytes.count - place }
      try begin(header)
      return count
    case .entryHeader:
      if part.isEmpty { entry = Entry(offset: offset) }
      part.append(bytes[place])
      guard part.count <= 9 else { throw .packTooLarge }
      if bytes[place] & 0x80 == 0 { try beginEntry() }
      return 1
    case .distance:
      part.append(bytes[place])
      guard part.count <= 8 else { throw .packMalformed }
      if bytes[place] & 0x80 == 0 { try findBaseBefore() }
      return 1
    case .baseName:
      guard let (name, count) = collect(ObjectName.byteCount, bytes, place) else { return bytes.count - place }
      entry.base = ObjectName(bytes: name)
      state = .content
      return count
    case .content:
      guard let (count, isEnd) = inflater.take(bytes, from: place, into: &content, limit: entry.size) else {
        throw .packMalformed
      }
      if isEnd { try endEntry() }
      return count
    case .trailer:
      guard let (sum, count) = collect(ObjectName.byteCount, bytes, place) else { return bytes.count - place }
      guard ObjectName(bytes: sum) == checksum.finish() else { throw .packMalformed }
      state = .end
      return count
    case .end: throw .packMalformed
    }
  }

  /// Gathers `size` bytes; nil, having taken all, while some are missing.
  private func collect(_ size: Int, _ bytes: [UInt8], _ place: Int) -> (bytes: [UInt8], count: Int)? {
    let count = min(size - part.count, bytes.count - place)
    part += bytes[place..<(place + count)]
    guard part.count == size else { return nil }
    defer { part = [] }
    return (part, count)
  }

  private func begin(_ header: [UInt8]) throws(GitError) {
    guard header.starts(with: PackHeader.encode(objectCount: 0).prefix(8)) else { throw .packMalformed }
    missing = header.suffix(4).reduce(0) { $0 << 8 | Int($1) }
    guard missing <= limits.objectCount else { throw .packTooLarge }
    state = missing > 0 ? .entryHeader : .trailer
  }

  /// Type and size: 3 and 4 bits, then 7 bits more a byte.
  private func beginEntry() throws(GitError) {
    guard let type = PackEntryType(rawValue: part[0] >> 4 & 7) else { throw .packMalformed }
    entry.type = type
    entry.size = part.dropFirst().reversed().reduce(0) { $0 << 7 | Int($1 & 0x7F) } << 4 | Int(part[0] & 15)
    part = []
    guard entry.size <= type.kind.map(limits.size(of:)) ?? limits.deltaSize else { throw .packTooLarge }
    try count(entry.size)
    content = []
    content.reserveCapacity(min(entry.size, 1 << 16))
    inflater.restart()
    switch type {
    case .offsetDelta: state = .distance
    case .namedDelta: state = .baseName
    case .commit, .tree, .blob, .tag: state = .content
    }
  }

  /// The distance to the base's entry: big-endian, 7 bits a byte, and each further byte adds one to what is before it.
  private func findBaseBefore() throws(GitError) {
    let distance = part.dropFirst().reduce(Int(part[0] & 0x7F)) { ($0 + 1) << 7 | Int($1 & 0x7F) }
    part = []
    guard let base = known.name(at: entry.offset - distance) else { throw .packMalformed }
    entry.base = base
    state = .content
  }

  private func count(_ bytes: Int) throws(GitError) {
    let allowed = min(limits.inflatedSize, limits.inflatedLeast + limits.inflatedPerByte * offset)
    guard bytes <= allowed - inflated else { throw .packTooLarge }
    inflated += bytes
  }

  private func endEntry() throws(GitError) {
    guard content.count == entry.size else { throw .packMalformed }
    let object = try completed()
    guard let name = ObjectName.checked(object.kind, object.bytes),
      known.add(name, offset: entry.offset, depth: entry.depth)
    else { throw .packMalformed }
    content = []
    recent.add(name, object.kind, object.bytes)
    missing -= 1
    state = missing > 0 ? .entryHeader : .trailer
    try deliver(NewObject(kind: object.kind, bytes: object.bytes, name: name))
  }

  /// The entry's object: its content, or what that makes of the base.
  private func completed() throws(GitError) -> (kind: ObjectKind, bytes: [UInt8]) {
    if let kind = entry.type.kind { return (kind, content) }
    guard let name = entry.base, let sizes = Delta.sizes(of: content) else { throw .packMalformed }
    entry.depth = 1 + (known.depth(of: name) ?? 0)
    guard entry.depth <= limits.deltaDepth else { throw .packTooLarge }
    var found = recent[name]
    if found == nil { found = try findBase(name) }
    guard let base = found else { throw .packMalformed }
    guard sizes.target <= limits.size(of: base.kind) else { throw .packTooLarge }
    try count(max(sizes.target, base.bytes.count))
    guard let bytes = Delta.apply(content, to: base.bytes) else { throw .packMalformed }
    return (base.kind, bytes)
  }
}

/// Where the objects of a pack are, as far as it was read.
private struct PackedObjects {
  private var numbers: [ObjectName: UInt32] = [:]
  private var names: [ObjectName] = []
  /// Ascending.
  private var offsets: [Int] = []
  private var depths: [UInt16] = []

  var count: Int { names.count }

  /// Notes the next object; false if the pack has it already, which git refuses where it is a delta's base.
  mutating func add(_ name: ObjectName, offset: Int, depth: Int) -> Bool {
    guard numbers.updateValue(UInt32(names.count), forKey: name) == nil else { return false }
    names.append(name)
    offsets.append(offset)
    depths.append(UInt16(clamping: depth))
    return true
  }

  func depth(of name: ObjectName) -> Int? { numbers[name].map { Int(depths[Int($0)]) } }

  /// The object whose entry begins at `offset`.
  func name(at offset: Int) -> ObjectName? {
    var range = 0..<offsets.count
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      if offsets[middle] == offset { return names[middle] }
      range = offsets[middle] < offset ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
    }
    return nil
  }
}
