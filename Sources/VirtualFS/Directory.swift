/// The entries of one directory, each with a cookie that grows and is never used again.
///
/// A reader goes on after the cookie that it saw last, so entries that come and go meanwhile neither hide nor repeat others.
struct Directory {
  /// What a name leads to.
  struct Entry {
    var inode: Inode
    var cookie: UInt64
  }

  /// A place in the order; without a name it is empty.
  private struct Slot {
    let cookie: UInt64
    var name: Name?
  }

  /// Cookies of "." and "..", which come first.
  static let firstCookie: UInt64 = 3

  private var entries: [Name: Entry] = [:]
  /// Sorted by cookie.
  private var order: [Slot] = []
  private var nextCookie = Directory.firstCookie
  /// Entries that are directories.
  private(set) var subdirectories = 0

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }
  var inodes: some Sequence<Inode> { entries.values.lazy.map(\.inode) }

  subscript(name: Name) -> Inode? { entries[name]?.inode }

  /// Adds an entry at the end; the name is free.
  mutating func insert(_ inode: Inode, as name: Name) {
    let old = entries.updateValue(Entry(inode: inode, cookie: nextCookie), forKey: name)
    precondition(old == nil, "the name is free")
    order.append(Slot(cookie: nextCookie, name: name))
    nextCookie += 1
    if inode.isDirectory { subdirectories += 1 }
  }

  /// Takes an entry away.
  mutating func remove(_ name: Name) {
    guard let entry = entries.removeValue(forKey: name) else { return }
    if entry.inode.isDirectory { subdirectories -= 1 }
    order[place(of: entry.cookie)].name = nil
    // Amortized O(1): half of the slots were emptied since the last time.
    if order.count > 32, order.count > entries.count * 2 { order.removeAll { $0.name == nil } }
  }

  /// Gives an entry another inode, in its old place.
  mutating func replace(_ name: Name, by inode: Inode) {
    guard let old = entries[name] else { return insert(inode, as: name) }
    if old.inode.isDirectory { subdirectories -= 1 }
    if inode.isDirectory { subdirectories += 1 }
    entries[name]?.inode = inode
  }

  /// Gives an entry a free name, in its old place.
  mutating func rename(_ name: Name, to newName: Name) {
    guard let entry = entries.removeValue(forKey: name) else { return }
    entries[newName] = entry
    order[place(of: entry.cookie)].name = newName
  }

  /// Calls `body` with each entry whose cookie is above `cookie`, in order, until it returns false.
  func visit(after cookie: UInt64, _ body: (Name, Entry) -> Bool) {
    for slot in order[place(of: cookie + 1)...] {
      guard let name = slot.name, let entry = entries[name] else { continue }
      guard body(name, entry) else { return }
    }
  }

  /// The first place with at least this cookie.
  private func place(of cookie: UInt64) -> Int {
    var low = 0
    var high = order.count
    while low < high {
      let middle = (low + high) / 2
      if order[middle].cookie < cookie { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
