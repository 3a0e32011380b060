internal import Glibc

/// The packs of a repository at one moment.
struct PackSet {
  struct Pack {
    /// The file name without extension, `pack-…`.
    let name: String
    let index: PackIndex
    /// Bytes of the pack file.
    let size: Int
    /// Seconds since 1970.
    let modified: Int
    /// Whether a `.keep` or `.promisor` file forbids to touch it.
    let isKept: Bool
  }

  static let directory = "objects/pack"
  private(set) var packs: [Pack] = []
  /// Whether git wrote an index over several packs, which names packs that must then stay.
  let hasSharedIndex: Bool

  init(reading root: Directory) throws(GitError) {
    let names = Set(try root.names(in: Self.directory))
    hasSharedIndex = names.contains { $0.hasPrefix("multi-pack-index") }
    for file in names.sorted() where file.hasPrefix("pack-") && file.hasSuffix(".idx") {
      let name = String(file.dropLast(4))
      // What vanishes or is damaged meanwhile is simply not there: nothing may rely on it.
      guard let status = try root.status("\(Self.directory)/\(name).pack"),
        let bytes = try Self.readIndex("\(Self.directory)/\(file)", root), let index = PackIndex(parsing: bytes)
      else { continue }
      let isKept = names.contains("\(name).keep") || names.contains("\(name).promisor")
      packs.append(Pack(name: name, index: index, size: status.size, modified: status.modified, isKept: isKept))
    }
  }

  /// An index's bytes; nil for one that is no plain file, or of more than 30 million objects.
  private static func readIndex(_ path: String, _ root: Directory) throws(GitError) -> [UInt8]? {
    do {
      return try root.read(path, limit: 1 << 30)
    } catch {
      guard error == .notPlain || error == .io(EFBIG) else { throw error }
      return nil
    }
  }

  /// Refuses packs' files that are none: libgit2 would follow a link, and wait for a FIFO.
  static func requirePlainFiles(in root: Directory) throws(GitError) {
    for name in try root.names(in: directory)
    where name.hasSuffix(".idx") || name.hasSuffix(".pack") || name.hasPrefix("multi-pack-index") {
      if let status = try root.status("\(directory)/\(name)"), !status.isFile { throw .notPlain }
    }
  }

  func contains(_ name: ObjectName) -> Bool { packs.contains { $0.index.contains(name) } }

  /// The packs that pass `test`.
  func filter(_ test: (Pack) -> Bool) -> [Pack] { packs.filter(test) }

  /// The smallest packs to merge so that each remaining one has at least twice the objects of all smaller ones together
  /// (`git repack --geometric=2`); fewer than two means none.
  static func mergeable(_ packs: [Pack], sizeLimit: Int) -> [Pack] {
    let sorted = packs.filter { !$0.isKept && $0.size <= sizeLimit }.sorted {
      $0.index.names.count < $1.index.names.count
    }
    var sum = 0
    var count = 0
    for (position, pack) in sorted.enumerated() {
      if position > 0, pack.index.names.count < 2 * sum { count = position + 1 }
      sum += pack.index.names.count
    }
    return Array(sorted.prefix(count))
  }
}
