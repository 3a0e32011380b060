/// Which 4 KiB pages of one part hold data: a set of 256 bits.
struct PageSet: Sendable {
  /// Bytes of a page, the grain of st_blocks and of SEEK_DATA and SEEK_HOLE.
  static let pageSize = 4096

  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// Data pages, 0...256.
  var count: Int {
    words.0.nonzeroBitCount + words.1.nonzeroBitCount + words.2.nonzeroBitCount + words.3.nonzeroBitCount
  }

  /// The pages of the first `bytes` bytes, the last one perhaps in part.
  init(bytes: Int) { insert(0..<PageSet.pages(bytes)) }

  init() {}

  /// Pages that `bytes` bytes need.
  static func pages(_ bytes: Int) -> Int { (bytes + pageSize - 1) / pageSize }

  /// The pages that a range of bytes touches.
  static func touched(_ bytes: Range<Int>) -> Range<Int> {
    bytes.isEmpty ? 0..<0 : bytes.lowerBound / pageSize..<pages(bytes.upperBound)
  }

  /// The pages that lie in a range of bytes as a whole.
  static func enclosed(_ bytes: Range<Int>) -> Range<Int> {
    let first = pages(bytes.lowerBound)
    return first..<max(first, bytes.upperBound / pageSize)
  }

  mutating func insert(_ pages: Range<Int>) { change(pages) { $0 | $1 } }
  mutating func remove(_ pages: Range<Int>) { change(pages) { $0 & ~$1 } }

  func contains(_ page: Int) -> Bool { self[page / 64] & (1 << (page % 64)) != 0 }

  /// The first page from `start` on that is data, or that is not; nil if there is none below 256.
  func first(isData: Bool, from start: Int) -> Int? {
    var page = start
    while page < 256 {
      let bits = (isData ? self[page / 64] : ~self[page / 64]) >> (page % 64)
      if bits != 0 { return page + bits.trailingZeroBitCount }
      page = (page / 64 + 1) * 64
    }
    return nil
  }

  private subscript(word: Int) -> UInt64 {
    get {
      switch word {
      case 0: words.0
      case 1: words.1
      case 2: words.2
      default: words.3
      }
    }
    set {
      switch word {
      case 0: words.0 = newValue
      case 1: words.1 = newValue
      case 2: words.2 = newValue
      default: words.3 = newValue
      }
    }
  }

  private mutating func change(_ pages: Range<Int>, _ combine: (UInt64, UInt64) -> UInt64) {
    guard !pages.isEmpty else { return }
    for word in (pages.lowerBound / 64)...((pages.upperBound - 1) / 64) {
      let part = pages.clamped(to: word * 64..<(word + 1) * 64)
      let ones: UInt64 = part.count == 64 ? .max : (1 << UInt64(part.count)) - 1
      self[word] = combine(self[word], ones << UInt64(part.lowerBound - word * 64))
    }
  }
}
