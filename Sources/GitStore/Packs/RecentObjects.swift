/// The objects added last, up to a number of bytes.
struct RecentObjects {
  private let limit: Int
  private var objects: [ObjectName: (kind: ObjectKind, bytes: [UInt8])] = [:]
  /// In the order in which they came; those before `first` are gone.
  private var order: [ObjectName] = []
  private var first = 0
  private var size = 0

  /// Keeps at most `limit` bytes.
  init(limit: Int) { self.limit = limit }

  subscript(name: ObjectName) -> (kind: ObjectKind, bytes: [UInt8])? { objects[name] }

  mutating func add(_ name: ObjectName, _ kind: ObjectKind, _ bytes: [UInt8]) {
    guard bytes.count <= limit / 2, objects[name] == nil else { return }
    objects[name] = (kind, bytes)
    order.append(name)
    size += bytes.count + 64
    while size > limit, first < order.count {
      if let old = objects.removeValue(forKey: order[first]) { size -= old.bytes.count + 64 }
      first += 1
    }
    if first > 1024, first > order.count / 2 {
      order.removeFirst(first)
      first = 0
    }
  }
}
