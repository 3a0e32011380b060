internal import GitStore
internal import VirtualFS

/// A data commit's tree in memory, as a value: 256 subtrees of slots, each with the blob that it holds, and as many again below `conflicts/`.
///
/// Changing it touches only the subtrees named; `encode` writes those that changed and the root.
struct DataTree: Sendable {
  struct Entry: Hashable, Sendable {
    let slot: Slot
    let blob: ObjectName
  }

  /// One subtree: its entries in the order of their names, and its object's name once encoded.
  struct Subtree: Sendable {
    var entries: [Entry] = []
    var name: ObjectName?
    /// The first blobs of all objects in it, once it was read; nil if it was changed since.
    var headers: Set<ObjectName>?

    init(entries: [Entry] = [], name: ObjectName? = nil) {
      self.entries = entries
      self.name = name
    }

    /// Whether it has `blob` as the first one of another object than `object`.
    func hasHeader(_ blob: ObjectName, otherThan object: ObjectID) -> Bool {
      if let headers, !headers.contains(blob) { return false }
      return entries.contains { $0.blob == blob && $0.slot.position == 0 && $0.slot.key.object != object }
    }

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

  private var subtrees = [Subtree](repeating: Subtree(), count: 256)
  /// The subtrees below `conflicts/`; none at all as long as there are no conflicts.
  private var conflicts: [Subtree] = []
  /// The blob of its README.md; nil before the first version.
  private(set) var readme: ObjectName?
  private var changed: Set<Int> = []

  /// An object's entries: the object itself, then its parts in order.
  func entries(of key: ObjectKey) -> ArraySlice<Entry> {
    guard key.lost == nil || !conflicts.isEmpty else { return [] }
    let subtree = key.lost == nil ? subtrees[key.fan] : conflicts[key.fan]
    let start = subtree.position(of: .header(of: key))
    let end = subtree.position(of: Slot(key, position: .max))
    return subtree.entries[start..<end]
  }

  /// Replaces all of an object's entries by `entries`, which are in order; none removes the object.
  mutating func replace(_ key: ObjectKey, with entries: [Entry]) {
    if key.lost == nil {
      DataTree.replace(key, with: entries, in: &subtrees[key.fan])
      changed.insert(key.fan)
    } else {
      if conflicts.isEmpty { conflicts = [Subtree](repeating: Subtree(), count: 256) }
      DataTree.replace(key, with: entries, in: &conflicts[key.fan])
    }
  }

  private static func replace(_ key: ObjectKey, with entries: [Entry], in subtree: inout Subtree) {
    let start = subtree.position(of: .header(of: key))
    let end = subtree.position(of: Slot(key, position: .max))
    subtree.entries.replaceSubrange(start..<end, with: entries)
    subtree.name = nil
    subtree.headers = nil
  }

  /// Every object, in order of ids, then every lost version.
  var keys: [ObjectKey] {
    var keys: [ObjectKey] = []
    for subtree in subtrees + conflicts {
      for entry in subtree.entries where keys.last != entry.slot.key { keys.append(entry.slot.key) }
    }
    return keys
  }

  /// The versions that lost a merge and are kept.
  var lostKeys: [ObjectKey] { conflicts.isEmpty ? [] : keys.filter { $0.lost != nil } }
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
    let lost = encodeConflicts(&objects)
    let root = NewObject(kind: .tree, bytes: encodeRoot(readme: readme, conflicts: lost))
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

  /// The tree `conflicts`; nil if there are none.
  private mutating func encodeConflicts(_ objects: inout [NewObject]) -> ObjectName? {
    guard !conflicts.isEmpty else { return nil }
    var entries: [UInt8] = []
    for fan in 0..<256 where !conflicts[fan].entries.isEmpty {
      if conflicts[fan].name == nil {
        let object = NewObject(kind: .tree, bytes: DataTree.encode(conflicts[fan].entries))
        conflicts[fan].name = object.name
        objects.append(object)
      }
      DataTree.appendSubtree(fan, conflicts[fan], to: &entries)
    }
    guard !entries.isEmpty else {
      conflicts = []
      return nil
    }
    let tree = NewObject(kind: .tree, bytes: entries)
    objects.append(tree)
    return tree.name
  }

  private func encodeRoot(readme: ObjectName, conflicts: ObjectName?) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256 * 29 + 64)
    // git orders by bytes, a directory as if its name ended in "/": digits, then "README.md", then a to f, with "conflicts" after "cf".
    for fan in 0..<160 { DataTree.appendSubtree(fan, subtrees[fan], to: &bytes) }
    bytes.append(contentsOf: DataTree.fileMode)
    bytes.append(contentsOf: DataTree.readmeName)
    bytes.append(0)
    readme.append(to: &bytes)
    for fan in 160..<0xD0 { DataTree.appendSubtree(fan, subtrees[fan], to: &bytes) }
    if let conflicts {
      bytes.append(contentsOf: DataTree.directoryMode)
      bytes.append(contentsOf: DataTree.conflictsName)
      bytes.append(0)
      conflicts.append(to: &bytes)
    }
    for fan in 0xD0..<256 { DataTree.appendSubtree(fan, subtrees[fan], to: &bytes) }
    return bytes
  }

  private static func appendSubtree(_ fan: Int, _ subtree: Subtree, to bytes: inout [UInt8]) {
    guard let name = subtree.name else { return }
    bytes.append(contentsOf: DataTree.directoryMode)
    bytes.append(Hex.digit(UInt8(fan >> 4)))
    bytes.append(Hex.digit(UInt8(fan & 15)))
    bytes.append(0)
    name.append(to: &bytes)
  }

  private static let fileMode = [UInt8]("100644 ".utf8)
  private static let directoryMode = [UInt8]("40000 ".utf8)
  private static let readmeName = [UInt8]("README.md".utf8)
  private static let conflictsName = [UInt8]("conflicts".utf8)
}

extension DataTree {
  /// Reads a data commit's tree.
  ///
  /// Subtrees of the same name are taken from `old`, a tree already read.
  /// - Throws: ``VaultError/repository(_:)``; ``CommitFlaw/tree`` (of commit `commit`) for a path or mode that the format does not have,
  ///   ``CommitFlaw/readme`` for another README.md than format 1 has.
  init(
    reading root: ObjectName, of commit: ObjectName, from source: some ObjectSource, sharing old: DataTree? = nil
  ) throws(VaultError) {
    for entry in try source.entries(ofTree: root) {
      if entry.mode == .file, entry.name == DataTree.readmeName {
        readme = entry.object
        continue
      }
      guard entry.mode == .directory else { throw .commitInvalid(commit, .tree) }
      if entry.name == DataTree.conflictsName {
        conflicts = [Subtree](repeating: Subtree(), count: 256)
        let entries = try source.entries(ofTree: entry.object)
        guard !entries.isEmpty else { throw .commitInvalid(commit, .tree) }
        for entry in entries {
          guard let fan = DataTree.fan(of: entry) else { throw .commitInvalid(commit, .tree) }
          conflicts[fan] = try DataTree.subtree(
            entry.object, fan, isLost: true, of: commit, from: source, sharing: old?.conflicts)
        }
        continue
      }
      guard let fan = DataTree.fan(of: entry) else { throw .commitInvalid(commit, .tree) }
      subtrees[fan] = try DataTree.subtree(
        entry.object, fan, isLost: false, of: commit, from: source, sharing: old?.subtrees)
    }
    guard let readme, Restoring.texts.contains(readme) else { throw .commitInvalid(commit, .readme) }
  }

  /// The subtree's number from its name of two hex digits.
  private static func fan(of entry: TreeEntry) -> Int? {
    guard entry.mode == .directory, entry.name.count == 2, let high = Hex.value(entry.name[0]),
      let low = Hex.value(entry.name[1])
    else { return nil }
    return Int(high << 4 | low)
  }

  private static func subtree(
    _ tree: ObjectName, _ fan: Int, isLost: Bool, of commit: ObjectName, from source: some ObjectSource,
    sharing old: [Subtree]?
  ) throws(VaultError) -> Subtree {
    if let old, !old.isEmpty, old[fan].name == tree { return old[fan] }
    var subtree = Subtree(name: tree)
    for entry in try source.entries(ofTree: tree) {
      guard entry.mode == .file, let slot = Slot(fan: fan, name: entry.name, isLost: isLost) else {
        throw .commitInvalid(commit, .tree)
      }
      // Each object before its parts, and these dense.
      let last = subtree.entries.last?.slot
      guard slot.position == 0 || last?.key == slot.key && last?.position == slot.position - 1 else {
        throw .commitInvalid(commit, .tree)
      }
      subtree.entries.append(Entry(slot: slot, blob: entry.object))
    }
    guard !subtree.entries.isEmpty else { throw .commitInvalid(commit, .tree) }
    subtree.headers = Set(subtree.entries.lazy.filter { $0.slot.position == 0 }.map(\.blob))
    return subtree
  }

  /// The objects and lost versions whose entries differ between two trees, in order of ids, the lost ones last.
  static func differences(_ old: DataTree, _ new: DataTree) -> [ObjectKey] {
    var keys: [ObjectKey] = []
    for fan in 0..<256 { differences(old.subtrees[fan], new.subtrees[fan], into: &keys) }
    if old.conflicts.isEmpty && new.conflicts.isEmpty { return keys }
    for fan in 0..<256 {
      differences(
        old.conflicts.isEmpty ? Subtree() : old.conflicts[fan], new.conflicts.isEmpty ? Subtree() : new.conflicts[fan],
        into: &keys)
    }
    return keys
  }

  /// Whether an object has a first blob that it had not in `old`, and that another object has, too.
  func sharesHeader(since old: DataTree) -> Bool {
    var new: [ObjectName: ObjectID] = [:]
    for key in DataTree.differences(old, self) {
      guard let blob = entries(of: key).first?.blob, blob != old.entries(of: key).first?.blob else { continue }
      if let other = new.updateValue(key.object, forKey: blob), other != key.object { return true }
    }
    // A few are looked up in each subtree; of many, all that there is.
    if new.count <= 64 {
      return new.contains { blob, object in
        subtrees.contains { $0.hasHeader(blob, otherThan: object) }
          || conflicts.contains { $0.hasHeader(blob, otherThan: object) }
      }
    }
    return (subtrees + conflicts).contains { subtree in
      subtree.entries.contains { entry in
        entry.slot.position == 0 && new[entry.blob].map { $0 != entry.slot.key.object } ?? false
      }
    }
  }

  private static func differences(_ old: Subtree, _ new: Subtree, into keys: inout [ObjectKey]) {
    if old.name == new.name, old.name != nil || old.entries.isEmpty && new.entries.isEmpty { return }
    let (a, b) = (old.entries, new.entries)
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
      if keys.last != slot.key { keys.append(slot.key) }
    }
  }
}
