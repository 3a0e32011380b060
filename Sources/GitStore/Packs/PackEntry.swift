/// How a pack writes one object (gitformat-pack(5), "pack-*.pack files have the following format").
struct PackEntryEncoder {
  private let deflater: Deflater

  init() throws(GitError) { deflater = try Deflater() }

  /// Where a delta's base is.
  enum Base {
    /// Known by name, perhaps not in this pack.
    case named(ObjectName)
    /// In this pack, this many bytes before the new entry.
    case before(Int)
  }

  /// The entry of a whole object.
  ///
  /// Blobs are not compressed, as most are ciphertext; the others are where it makes them smaller.
  func encode(_ kind: ObjectKind, _ bytes: [UInt8]) -> [UInt8] {
    var entry: [UInt8] = []
    Self.appendHeader(PackEntryType(kind), bytes.count, to: &entry)
    if kind != .blob, let packed = deflater.compress(bytes, below: StoredStream.size(of: bytes.count)) {
      entry += packed
    } else {
      StoredStream.append(bytes, to: &entry)
    }
    return entry
  }

  /// The entry of an object as changes of another of its kind; nil if that takes half of its bytes or more.
  func delta(_ bytes: [UInt8], against base: (place: Base, bytes: [UInt8])) -> [UInt8]? {
    guard let delta = Delta.make(from: base.bytes, to: bytes, below: bytes.count / 2) else { return nil }
    var entry: [UInt8] = []
    switch base.place {
    case .named(let name):
      Self.appendHeader(PackEntryType.namedDelta, delta.count, to: &entry)
      name.append(to: &entry)
    case .before(let distance):
      Self.appendHeader(PackEntryType.offsetDelta, delta.count, to: &entry)
      Self.appendDistance(distance, to: &entry)
    }
    // Names' bytes, which compression makes no smaller.
    StoredStream.append(delta, to: &entry)
    return entry
  }

  private static func appendHeader(_ type: PackEntryType, _ size: Int, to entry: inout [UInt8]) {
    var rest = size >> 4
    entry.append(type.rawValue << 4 | UInt8(size & 15) | (rest > 0 ? 0x80 : 0))
    while rest > 0 {
      entry.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    }
  }

  /// Appends a distance: big-endian, 7 bits a byte, and each further byte adds one to what is before it.
  private static func appendDistance(_ distance: Int, to entry: inout [UInt8]) {
    var bytes = [UInt8(distance & 0x7F)]
    var rest = distance >> 7
    while rest > 0 {
      rest -= 1
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    entry += bytes.reversed()
  }
}

/// What an entry's first byte says that it is.
enum PackEntryType: UInt8 {
  case commit = 1
  case tree = 2
  case blob = 3
  case tag = 4
  case offsetDelta = 6
  case namedDelta = 7

  init(_ kind: ObjectKind) {
    switch kind {
    case .commit: self = .commit
    case .tree: self = .tree
    case .blob: self = .blob
    case .tag: self = .tag
    }
  }

  /// The object's kind; nil for a delta, which has its base's.
  var kind: ObjectKind? {
    switch self {
    case .commit: .commit
    case .tree: .tree
    case .blob: .blob
    case .tag: .tag
    case .offsetDelta, .namedDelta: nil
    }
  }
}

/// How a pack begins: the mark, version 2, and the count of objects.
enum PackHeader {
  static let size = 12

  static func encode(objectCount: Int) -> [UInt8] {
    Array("PACK".utf8) + [0, 0, 0, 2] + (0..<4).map { UInt8(truncatingIfNeeded: objectCount >> (24 - 8 * $0)) }
  }
}
