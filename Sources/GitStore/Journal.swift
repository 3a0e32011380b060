internal import CLibGit2
internal import Glibc

/// What was written since the last full sync, once more, in a file whose blocks are on the disk already.
///
/// Syncing a commit's files costs a journal transaction of the file system or two; writing the same bytes over old ones in one file
/// and syncing that costs one flush of the disk's cache, since no metadata changes. After a power loss recovery writes from it what
/// is missing. The file has two halves: while all that one half holds is being synced in full, the next commits go to the other.
///
/// A half holds records one behind the other, numbered upwards; see ``encode(number:objects:references:)``.
struct Journal {
  /// Where it is; git ignores it.
  static let path = "polykey/journal"
  /// Bytes of each half.
  static let halfSize = 512 * 1024

  /// One durable call's work.
  struct Record {
    let number: UInt64
    /// Loose objects' files.
    let objects: [[UInt8]]
    let references: [(name: String, value: [UInt8])]
  }

  private let root: Directory
  private let file: Descriptor
  private var number: UInt64 = 0
  private var generation = -1
  private var offset = 0

  /// Makes the file anew, all zero, with its blocks on the disk; what an older one held must be durable.
  init?(in root: Directory) throws(GitError) {
    guard let file = try root.openFile(Self.path, O_RDWR | O_CREAT, mode: 0o600) else { return nil }
    let zeros = [UInt8](repeating: 0, count: 64 * 1024)
    try root.truncate(file, to: 0)
    for _ in 0..<(2 * Self.halfSize / zeros.count) { try root.write(zeros, to: file) }
    try root.sync(Self.path)
    try root.sync(Directory.parent(of: Self.path))
    (self.root, self.file) = (root, file)
  }

  /// Adds a record and waits until it is on the disk.
  ///
  /// A new `generation` begins a half anew. Returns false, having done nothing, if there is no room.
  mutating func append(
    generation: Int, objects: [[UInt8]], references: [(name: String, value: [UInt8])]
  ) throws(GitError) -> Bool {
    if generation != self.generation {
      self.generation = generation
      offset = 0
    }
    let record = Self.encode(number: number + 1, objects: objects, references: references)
    guard offset + record.count <= Self.halfSize else { return false }
    let place = (generation & 1) * Self.halfSize + offset
    try root.write(record, to: file, at: place)
    try root.syncData(file)
    number += 1
    offset += record.count
    return true
  }

  /// The whole records of both halves, in order.
  static func records(in root: Directory) throws(GitError) -> [Record] {
    guard let bytes = try root.read(path, limit: 2 * halfSize) else { return [] }
    var records: [Record] = []
    for half in 0..<2 {
      var rest = bytes.dropFirst(half * halfSize).prefix(halfSize)
      var last: UInt64 = 0
      // What an older generation left behind the newest record has a lower number.
      while let (record, length) = decode(rest), record.number > last {
        records.append(record)
        last = record.number
        rest = rest.dropFirst(length)
      }
    }
    return records.sorted { $0.number < $1.number }
  }
}

extension Journal {
  private static let magic = [UInt8]("PKJ1".utf8)
  private static let headerSize = 4 + 4 + 4 + 8 + 4 + 4

  /// Encodes a record, little-endian.
  ///
  /// That is `PKJ1`, CRC-32 of all that follows, length of the whole, number (8 bytes), count of references, count of objects (4 bytes
  /// each); then for each reference its name and value, and each object's file, every one of them behind its length (4 bytes).
  private static func encode(
    number: UInt64, objects: [[UInt8]], references: [(name: String, value: [UInt8])]
  ) -> [UInt8] {
    var body: [UInt8] = []
    body.reserveCapacity(objects.reduce(1024) { $0 + $1.count + 4 })
    func append(_ value: some FixedWidthInteger) {
      unsafe withUnsafeBytes(of: value.littleEndian) { unsafe body.append(contentsOf: $0) }
    }
    func append(bytes: some Collection<UInt8>) {
      append(UInt32(bytes.count))
      body.append(contentsOf: bytes)
    }
    append(UInt32(0))
    append(number)
    append(UInt32(references.count))
    append(UInt32(objects.count))
    for reference in references {
      append(bytes: reference.name.utf8)
      append(bytes: reference.value)
    }
    for object in objects { append(bytes: object) }
    let length = UInt32(magic.count + 4 + body.count)
    for shift in 0..<4 { body[shift] = UInt8(truncatingIfNeeded: length >> UInt32(8 * shift)) }
    let sum = crc(body[...])
    return magic + (0..<4).map { UInt8(truncatingIfNeeded: sum >> UInt32(8 * $0)) } + body
  }

  private static func decode(_ bytes: ArraySlice<UInt8>) -> (record: Record, length: Int)? {
    var rest = bytes
    func number(_ count: Int) -> UInt64? {
      guard rest.count >= count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    }
    func block() -> [UInt8]? {
      guard let count = number(4).map({ Int($0) }), rest.count >= count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    guard bytes.count >= headerSize, rest.starts(with: magic) else { return nil }
    rest = rest.dropFirst(magic.count)
    guard let sum = number(4), let length = number(4).map({ Int($0) }), headerSize...bytes.count ~= length,
      UInt64(crc(bytes.dropFirst(8).prefix(length - 8))) == sum, let recordNumber = number(8),
      let referenceCount = number(4), let objectCount = number(4)
    else { return nil }
    var references: [(name: String, value: [UInt8])] = []
    for _ in 0..<referenceCount {
      guard let name = block(), let value = block() else { return nil }
      references.append((String(decoding: name, as: UTF8.self), value))
    }
    var objects: [[UInt8]] = []
    for _ in 0..<objectCount {
      guard let object = block() else { return nil }
      objects.append(object)
    }
    return (Record(number: recordNumber, objects: objects, references: references), length)
  }

  private static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    // SAFETY: reads `count` bytes of a buffer that outlives the call.
    unsafe bytes.withUnsafeBufferPointer { unsafe clibgit2_crc32($0.baseAddress, $0.count) }
  }
}
