internal import CLibGit2
internal import Glibc

/// Writes a pack and its index as files, neither synced.
///
/// Holds one object at a time, 256 KiB of the pack, and some 40 bytes for each object; for a tree 60 more.
final class PackFileWriter {
  private static let bufferSize = 1 << 18
  /// Deltas between a tree and a whole one, at most; git's own default.
  private static let depthLimit = 50

  private let root: Directory
  private let directory: String
  private let file: Descriptor
  private let encoder: PackEntryEncoder
  private var buffer: [UInt8]
  private var checksum = PlainSHA1()
  private var offset = 0
  private let promised: Int
  private var entries: [PackIndexWriter.Entry] = []
  /// Where the trees are.
  private var trees: [ObjectName: (offset: Int, depth: Int)] = [:]

  /// Begins a pack in `directory`, which has no other under construction, for `objectCount` objects.
  ///
  /// If fewer come, ``finish()`` reads the pack once more.
  init(in root: Directory, directory: String, objectCount: Int) throws(GitError) {
    guard objectCount <= Int(UInt32.max) else { throw .packTooLarge }
    let path = "\(directory)/\(Self.temporary)"
    guard let file = try root.openFile(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o444) else { throw .io(EEXIST) }
    (self.root, self.directory, self.file) = (root, directory, file)
    encoder = try PackEntryEncoder()
    promised = objectCount
    buffer = PackHeader.encode(objectCount: objectCount)
    offset = buffer.count
  }

  private static let temporary = "pack.new"

  /// Objects written so far.
  var count: Int { entries.count }

  /// Whether the tree was written.
  func hasTree(_ name: ObjectName) -> Bool { trees[name] != nil }

  /// Adds an object, a tree perhaps as changes of `base`, if that was written and is no end of a long chain.
  func add(
    _ name: ObjectName, _ kind: ObjectKind, _ bytes: [UInt8], base: (name: ObjectName, bytes: [UInt8])? = nil
  ) throws(GitError) {
    var entry: [UInt8]?
    var depth = 0
    if let base, let place = trees[base.name], place.depth < Self.depthLimit {
      entry = encoder.delta(bytes, against: (.before(offset - place.offset), base.bytes))
      if entry != nil { depth = place.depth + 1 }
    }
    let encoded = entry ?? encoder.encode(kind, bytes)
    if kind == .tree { trees[name] = (offset, depth) }
    // SAFETY: reads `count` bytes of a buffer that outlives the call.
    let sum = unsafe encoded.withUnsafeBufferPointer { unsafe clibgit2_crc32($0.baseAddress, $0.count) }
    entries.append(PackIndexWriter.Entry(name: name, offset: UInt64(offset), checksum: sum))
    offset += encoded.count
    buffer += encoded
    if buffer.count > Self.bufferSize { try flush() }
  }

  private func flush() throws(GitError) {
    checksum.add(buffer)
    try root.write(buffer, to: file)
    buffer.removeAll(keepingCapacity: true)
  }

  /// Ends the pack, writes the index, and returns the names of both without extension, `pack-` and the pack's checksum.
  func finish() throws(GitError) -> String {
    try flush()
    if entries.count != promised { try correctCount() }
    let sum = checksum.finish()
    try root.write(sum.bytes, to: file)
    let name = "pack-\(sum.hex)"
    try root.rename("\(directory)/\(Self.temporary)", to: "\(directory)/\(name).pack")
    guard let index = try root.openFile("\(directory)/\(name).idx", O_WRONLY | O_CREAT | O_EXCL, mode: 0o444) else {
      throw .io(EEXIST)
    }
    try PackIndexWriter.write(entries, pack: sum) { (bytes) throws(GitError) in try root.write(bytes, to: index) }
    return name
  }

  /// Writes the true count of objects, and sums up the pack again.
  private func correctCount() throws(GitError) {
    let header = PackHeader.encode(objectCount: entries.count)
    try root.write(header, to: file, at: 0)
    checksum = PlainSHA1()
    var part = [UInt8](repeating: 0, count: Self.bufferSize)
    var place = 0
    while place < offset {
      let count = unsafe part.withUnsafeMutableBytes { unsafe pread(file.raw, $0.baseAddress, $0.count, off_t(place)) }
      guard count > 0 else { throw count < 0 ? GitError(errno: errno) : .io(EIO) }
      checksum.add(Array(part[..<count]))
      place += count
    }
  }
}
