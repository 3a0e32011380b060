internal import GitStore
internal import VirtualFS

/// A data commit's tree in memory, as a value: 256 subtrees of slots, each with the blob that it holds.
///
/// Changing it touches only the subtrees named; `encode` writes those that changed and the root.
struct DataTree: Sendable {
  struct Entry: Sendable {
    let slot: Slot
    let blob: ObjectName
  }

  /// One subtree: its entries in the order of their names, and its object's name once encoded.
  struct Subtree: Sendable {
    var entries: [Entry] = []
    var name: ObjectName?

    /// The first entry that is not before `slot`.
    func position(of slot: Slot) -> Int {
      var low = 0
      var high = entries.count
      while low < high {
        let middle = (low + high) / 2
        if entries[middle].slot < slot { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }

  private(set) var subtrees = [Subtree](repeating: Subtree(), count: 256)
  /// The blob of its README.md; nil if it has none.
  private(set) var readme: ObjectName?
  private var changed: Set<Int> = []

  /// The blob in `slot`.
  subscript(slot: Slot) -> ObjectName? {
    let subtree = subtrees[slot.fan]
    let position = subtree.position(of: slot)
    guard position < subtree.entries.count, subtree.entries[position].slot == slot else { return nil }
    return subtree.entries[position].blob
  }

  /// An object's entries: the object itself, then its parts in order.
  func entries(of object: ObjectID) -> ArraySlice<Entry> {
    let subtree = subtrees[Slot.header(of: object).fan]
    let start = subtree.position(of: .header(of: object))
    let end = subtree.position(of: Slot(object: object, position: .max))
    return subtree.entries[start..<end]
  }

  /// Replaces all of an object's entries by `entries`, which are in order; none removes the object.
  mutating func replace(_ object: ObjectID, with entries: [Entry]) {
    let fan = Slot.header(of: object).fan
    let start = subtrees[fan].position(of: .header(of: object))
    let end = subtrees[fan].position(of: Slot(object: object, position: .max))
    subtrees[fan].entries.replaceSubrange(start..<end, with: entries)
    subtrees[fan].name = nil
    changed.insert(fan)
  }

  /// Every object, in order of ids.
  var objects: [ObjectID] {
    var objects: [ObjectID] = []
    for subtree in subtrees {
      for entry in subtree.entries where objects.last != entry.slot.object { objects.append(entry.slot.object) }
    }
    return objects
  }
}

extension DataTree {
  /// Encodes what changed since the last call.
  ///
  /// - Returns: the root's name, and the tree objects to write.
  mutating func encode(readme: ObjectName) -> (root: ObjectName, objects: [NewObject]) {
    var objects: [NewObject] = []
    objects.reserveCapacity(changed.count + 1)
    for fan in changed where !subtrees[fan].entries.isEmpty {
      let object = NewObject(kind: .tree, bytes: DataTree.encode(subtrees[fan].entries))
      subtrees[fan].name = object.name
      objects.append(object)
    }
    changed.removeAll()
    self.readme = readme
    let root = NewObject(kind: .tree, bytes: encodeRoot(readme: readme))
    objects.append(root)
    return (root.name, objects)
  }

  private static func encode(_ entries: [Entry]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entries.count * 72)
    for entry in entries {
      bytes.append(contentsOf: fileMode)
      entry.slot.appendName(to: &bytes)
      bytes.append(0)
      entry.blob.append(to: &bytes)
    }
    return bytes
  }

  private func encodeRoot(readme: ObjectName) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256 * 29 + 64)
    // git orders by bytes, a directory as if its name ended in "/": digits, then "README.md", then a to f.
    for fan in 0..<160 { appendSubtree(fan, to: &bytes) }
    bytes.append(contentsOf: DataTree.fileMode)
    bytes.append(contentsOf: DataTree.readmeName)
    bytes.append(0)
    readme.append(to: &bytes)
    for fan in 160..<256 { appendSubtree(fan, to: &bytes) }
    return bytes
  }

  private func appendSubtree(_ fan: Int, to bytes: inout [UInt8]) {
    guard let name = subtrees[fan].name else { return }
    bytes.append(contentsOf: DataTree.directoryMode)
    bytes.append(Hex.digit(UInt8(fan >> 4)))
    bytes.append(Hex.digit(UInt8(fan & 15)))
    bytes.append(0)
    name.append(to: &bytes)
  }

  private static let fileMode = [UInt8]("100644 ".utf8)
  private static let directoryMode = [UInt8]("40000 ".utf8)
  private static let readmeName = [UInt8]("README.md".utf8)
}

extension DataTree {
  /// Reads a data commit's tree.
  ///
  /// Subtrees of the same name are taken from `old`, a tree already read.
  /// - Throws: ``VaultError/repository(_:)``; ``CommitFlaw/tree`` (of commit `commit`) for a path or mode that the format does not have.
  init(
    reading root: ObjectName, of commit: ObjectName, from repository: Repository, sharing old: DataTree? = nil
  ) throws(VaultError) {
    for entry in try repository.entries(ofTree: root) {
      if entry.mode == .file, entry.name == DataTree.readmeName {
        readme = entry.object
        continue
      }
      guard entry.mode == .directory, entry.name.count == 2, let high = Hex.value(entry.name[0]),
        let low = Hex.value(entry.name[1])
      else { throw .commitInvalid(commit, .tree) }
      let fan = Int(high << 4 | low)
      if let shared = old?.subtrees[fan], shared.name == entry.object {
        subtrees[fan] = shared
      } else {
        subtrees[fan] = Subtree(
          entries: try DataTree.entries(of: entry.object, fan: fan, commit: commit, repository: repository),
          name: entry.object)
      }
    }
  }

  private static func entries(
    of tree: ObjectName, fan: Int, commit: ObjectName, repository: Repository
  ) throws(VaultError) -> [Entry] {
    var entries: [Entry] = []
    for entry in try repository.entries(ofTree: tree) {
      guard entry.mode == .file, let slot = Slot(fan: fan, name: entry.name) else {
        throw .commitInvalid(commit, .tree)
      }
      entries.append(Entry(slot: slot, blob: entry.object))
    }
    return entries
  }

  /// The objects whose entries differ between two trees, in order of ids.
  static func differences(_ old: DataTree, _ new: DataTree) -> [ObjectID] {
    var objects: [ObjectID] = []
    for fan in 0..<256 where old.subtrees[fan].name != new.subtrees[fan].name {
      let (a, b) = (old.subtrees[fan].entries, new.subtrees[fan].entries)
      var (i, j) = (0, 0)
      while i < a.count || j < b.count {
        let slot: Slot
        if j == b.count || (i < a.count && a[i].slot < b[j].slot) {
          slot = a[i].slot
          i += 1
        } else if i == a.count || b[j].slot < a[i].slot {
          slot = b[j].slot
          j += 1
        } else {
          (i, j) = (i + 1, j + 1)
          if a[i - 1].blob == b[j - 1].blob { continue }
          slot = a[i - 1].slot
        }
        if objects.last != slot.object { objects.append(slot.object) }
      }
    }
    return objects
  }
}
