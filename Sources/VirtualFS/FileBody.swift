/// One part of a file in memory.
struct Part: Sendable {
  /// Where the bytes of a part are.
  enum Content: Sendable {
    /// All zero.
    case hole
    /// The backing has them; perhaps the ``ContentCache`` too.
    case stored(ContentReference)
    /// Only here.
    case fresh(Block)
  }

  var content = Content.hole
  /// The pages that are not holes; may be more than `content` has, as fallocate makes pages of zeros.
  var pages = PageSet()
  /// Whether it waits in the queue of parts to be sealed.
  var isQueued = false
  /// Whether the backing has its content, but no commit names it.
  var isAhead = false
  /// Whether it is the same piece as an earlier part, as the content came from the backing.
  var isShared = false
}

/// The content of a regular file: its size and its parts.
struct FileBody: Sendable {
  /// Bytes.
  private(set) var size: Int64 = 0
  /// Exactly ⌈size / partSize⌉ parts.
  var parts: [Part] = []
  /// Data pages of all parts.
  var pageCount = 0
  /// Those of shared parts.
  private var sharedPageCount = 0

  /// Bytes that count against the file system's capacity: one stored piece can stand for a whole file, and takes room once.
  var countedBytes: Int64 { Int64(pageCount - sharedPageCount) * Int64(PageSet.pageSize) }

  init() {}

  /// What the backing stores, every stored or fresh part taken as data as a whole.
  init(_ content: FileContent) {
    size = max(0, content.size)
    parts.reserveCapacity(FileBody.partCount(size))
    var known: Set<ContentReference> = []
    for index in 0..<FileBody.partCount(size) {
      var part = Part()
      switch index < content.parts.count ? content.parts[index] : .hole {
      case .hole: break
      case .stored(let reference): part.content = .stored(reference)
      case .fresh(let block): part.content = .fresh(block)
      }
      if case .hole = part.content {} else { part.pages = PageSet(bytes: validBytes(of: index)) }
      if case .stored(let reference) = part.content, content.parts.count > 1, !known.insert(reference).inserted {
        part.isShared = true
        sharedPageCount += part.pages.count
      }
      pageCount += part.pages.count
      parts.append(part)
    }
  }

  /// Parts that `size` bytes need.
  static func partCount(_ size: Int64) -> Int {
    Int((size + Int64(FileContent.partSize) - 1) / Int64(FileContent.partSize))
  }

  /// Bytes of part `index` that lie below `size`.
  func validBytes(of index: Int) -> Int {
    Int(min(Int64(FileContent.partSize), max(0, size - Int64(index) * Int64(FileContent.partSize))))
  }

  /// Bytes that are not holes, a multiple of 512: whole pages, but the last page only as far as the file goes.
  var allocated: Int64 {
    var bytes = Int64(pageCount) * Int64(PageSet.pageSize)
    let tail = Int(size % Int64(PageSet.pageSize))
    if tail > 0, let last = parts.last, last.pages.contains((validBytes(of: parts.count - 1) - 1) / PageSet.pageSize) {
      bytes -= Int64(PageSet.pageSize - (tail + 511) / 512 * 512)
    }
    return bytes
  }

  /// Makes the file longer by a hole.
  mutating func extend(to newSize: Int64) {
    precondition(newSize >= size, "extending does not shrink")
    size = newSize
    let count = FileBody.partCount(size)
    if count > parts.count { parts.append(contentsOf: repeatElement(Part(), count: count - parts.count)) }
  }

  /// Drops the parts beyond `newSize`, whose contents the caller has dropped already, and the pages of the rest.
  mutating func cut(to newSize: Int64) {
    precondition(newSize <= size, "cutting does not extend")
    size = newSize
    let count = FileBody.partCount(size)
    for index in count..<max(count, parts.count) {
      unshare(index)
      pageCount -= parts[index].pages.count
    }
    parts.removeSubrange(count...)
    if count > 0 {
      let keptPages = PageSet.pages(validBytes(of: count - 1))
      changePages(of: count - 1) { $0.remove(keptPages..<256) }
    }
  }

  /// Changes the pages of a part and keeps the count.
  mutating func changePages(of index: Int, _ change: (inout PageSet) -> Void) {
    let old = parts[index].pages.count
    change(&parts[index].pages)
    pageCount += parts[index].pages.count - old
    if parts[index].isShared { sharedPageCount += parts[index].pages.count - old }
  }

  /// Counts a part for itself, as it is about to get content of its own.
  mutating func unshare(_ index: Int) {
    guard parts[index].isShared else { return }
    parts[index].isShared = false
    sharedPageCount -= parts[index].pages.count
  }

  /// The first byte from `offset` on that is data, or a hole (the end of the file is one); nil if there is none.
  func seek(_ target: SeekTarget, from offset: Int64) -> Int64? {
    guard offset >= 0, offset < size else { return nil }
    let isData = target == .data
    var index = Int(offset / Int64(FileContent.partSize))
    var page = Int(offset % Int64(FileContent.partSize)) / PageSet.pageSize
    while index < parts.count {
      if let found = parts[index].pages.first(isData: isData, from: page) {
        let start = Int64(index) * Int64(FileContent.partSize) + Int64(found * PageSet.pageSize)
        guard start < size else { break }
        return max(offset, start)
      }
      index += 1
      page = 0
    }
    return isData ? nil : size
  }

  /// The part and range in it of each piece of a range of bytes.
  static func pieces(of range: Range<Int64>) -> Pieces { Pieces(position: range.lowerBound, end: range.upperBound) }

  /// A sequence of the parts that a range of bytes touches.
  struct Pieces: Sequence, IteratorProtocol {
    fileprivate var position: Int64
    fileprivate let end: Int64

    /// The next piece: a part's index, and the bytes in that part.
    mutating func next() -> (part: Int, range: Range<Int>)? {
      guard position < end else { return nil }
      let size = Int64(FileContent.partSize)
      let part = position / size
      let upper = Swift.min(end, (part + 1) * size)
      defer { position = upper }
      return (Int(part), Int(position - part * size)..<Int(upper - part * size))
    }
  }
}
