/// Clean decrypted contents, at most `limit` bytes; those used longest ago leave first.
///
/// Any thread may call it, also with the table's lock held: it takes its own lock last and calls nobody.
final class ContentCache: Sendable {
  /// What a stored part is known by.
  struct Key: Hashable {
    let object: ObjectID
    let reference: ContentReference

    func hash(into hasher: inout Hasher) {
      hasher.combine(object.low)
      hasher.combine(reference.words.0)
    }
  }

  /// A ring of entries in order of use, held in an array by index.
  fileprivate struct Entry {
    let key: Key
    var block: Block?
    var newer: Int
    var older: Int
  }

  fileprivate struct Storage: Sendable {
    var index: [Key: Int] = [:]
    /// Entry 0 is the ring's anchor: its `older` is the newest entry, its `newer` the oldest.
    var entries: [Entry]
    var free: [Int] = []
    var bytes = 0
  }

  private let limit: Int
  /// Taken after the table's lock; nothing is locked after it.
  private let storage: Guarded<Storage>

  init(limit: Int) {
    self.limit = limit
    let anchor = Key(
      object: ObjectID(high: 0, low: 0), reference: ContentReference(words: (0, 0, 0), tag: 0))
    storage = Guarded(Storage(entries: [Entry(key: anchor, block: nil, newer: 0, older: 0)]))
  }

  /// The block of `key`, now the newest.
  func get(_ key: Key) -> Block? {
    storage.withLock { storage -> Block? in
      guard let slot = storage.index[key] else { return nil }
      if storage.entries[0].older != slot {
        storage.unlink(slot)
        storage.linkNewest(slot)
      }
      return storage.entries[slot].block
    }
  }

  /// Keeps `block`, unless it is larger than the cache.
  func insert(_ block: Block, for key: Key) {
    guard block.capacity <= limit else { return }
    // Freed, and so wiped, after the lock is dropped.
    let evicted = storage.withLock { storage -> [Block] in
      var evicted: [Block] = []
      if let old = storage.remove(key) { evicted.append(old) }
      storage.bytes += block.capacity
      while storage.bytes > limit, let old = storage.remove(storage.entries[storage.entries[0].newer].key) {
        evicted.append(old)
      }
      storage.add(block, for: key)
      return evicted
    }
    _ = consume evicted
  }

  /// Forgets one block.
  func remove(_ key: Key) -> Block? { storage.withLock { storage -> Block? in storage.remove(key) } }

  /// Forgets all; returns their bytes.
  func removeAll() -> Int {
    let dropped = storage.withLock { storage -> (Int, [Entry]) in
      let result = (storage.bytes, storage.entries)
      storage = Storage(entries: [Entry(key: storage.entries[0].key, block: nil, newer: 0, older: 0)])
      return result
    }
    return dropped.0
  }

  /// Bytes held now.
  var bytes: Int { storage.withLock { $0.bytes } }
}

extension ContentCache.Storage {
  mutating func unlink(_ slot: Int) {
    let entry = entries[slot]
    entries[entry.newer].older = entry.older
    entries[entry.older].newer = entry.newer
  }

  mutating func linkNewest(_ slot: Int) {
    let second = entries[0].older
    entries[slot].newer = 0
    entries[slot].older = second
    entries[second].newer = slot
    entries[0].older = slot
  }

  mutating func add(_ block: Block, for key: ContentCache.Key) {
    let entry = ContentCache.Entry(key: key, block: block, newer: 0, older: 0)
    let slot: Int
    if let reused = free.popLast() {
      slot = reused
      entries[slot] = entry
    } else {
      slot = entries.count
      entries.append(entry)
    }
    index[key] = slot
    linkNewest(slot)
  }

  mutating func remove(_ key: ContentCache.Key) -> Block? {
    guard let slot = index.removeValue(forKey: key) else { return nil }
    unlink(slot)
    free.append(slot)
    let block = entries[slot].block
    entries[slot].block = nil
    bytes -= block?.capacity ?? 0
    return block
  }
}
