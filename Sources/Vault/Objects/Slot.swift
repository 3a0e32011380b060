package import VirtualFS

/// One thing that a data commit's tree holds: an object, or a version of it that lost a merge and is kept beside.
///
/// Source: docs/format.md, "Data tree".
struct ObjectKey: Hashable, Comparable, Sendable {
  let object: ObjectID
  /// The first 32 bits of the name of the lost version's first blob; nil for the object itself.
  var lost: UInt32?

  init(_ object: ObjectID, lost: UInt32? = nil) {
    self.object = object
    self.lost = lost
  }

  /// Which of the 256 subtrees holds it.
  var fan: Int { Int(object.high >> 56) }

  static func < (a: ObjectKey, b: ObjectKey) -> Bool {
    a.object == b.object ? (a.lost.map { Int64($0) } ?? -1) < (b.lost.map { Int64($0) } ?? -1) : a.object < b.object
  }

  /// The id that a file system knows it by; a lost version's is made of both, the same on every node.
  var id: ObjectID {
    guard let lost else { return object }
    var bytes: [UInt8] = [UInt8]("polykey lost version ".utf8)
    for word in [object.high, object.low, UInt64(lost)] {
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    return ObjectID(digest: bytes)
  }
}

/// Where a blob stands in a data commit's tree: `XX/` + 30 hex digits + `.age`, or `.pNNNNNNNN.age` for a part; of a lost version below
/// `conflicts/`, with `~` and 8 hex digits before that.
struct Slot: Hashable, Comparable, Sendable {
  let key: ObjectKey
  /// 0 for the object itself, n + 1 for its part n; so that slots sort as their names do.
  let position: UInt32

  /// Parts are numbered with 8 decimal digits.
  static let partLimit = 100_000_000

  init(_ key: ObjectKey, position: UInt32) {
    self.key = key
    self.position = position
  }

  static func header(of key: ObjectKey) -> Slot { Slot(key, position: 0) }
  static func part(_ index: Int, of key: ObjectKey) -> Slot { Slot(key, position: UInt32(index) + 1) }

  static func < (a: Slot, b: Slot) -> Bool { a.key == b.key ? a.position < b.position : a.key < b.key }

  /// Appends the name in the subtree.
  func appendName(to bytes: inout [UInt8]) {
    for nibble in 2..<32 { bytes.append(Hex.digit(key.object.nibble(nibble))) }
    if let lost = key.lost {
      bytes.append(0x7E)  // "~"
      for shift in stride(from: 28, through: 0, by: -4) {
        bytes.append(Hex.digit(UInt8(truncatingIfNeeded: lost >> UInt32(shift)) & 15))
      }
    }
    if position > 0 {
      bytes.append(contentsOf: [0x2E, 0x70])  // ".p"
      var digits = position - 1
      let start = bytes.count
      bytes.append(contentsOf: repeatElement(0x30, count: 8))
      for index in stride(from: start + 7, through: start, by: -1) where digits > 0 {
        bytes[index] = 0x30 + UInt8(digits % 10)
        digits /= 10
      }
    }
    bytes.append(contentsOf: Slot.suffix)
  }

  /// The slot that has this name in the subtree `fan`, or in that below `conflicts/`; nil if it is no object's name.
  init?(fan: Int, name: [UInt8], isLost: Bool) {
    guard name.count >= 34, name.suffix(4).elementsEqual(Slot.suffix),
      let object = ObjectID(fan: fan, digits: name.prefix(30))
    else { return nil }
    var rest = name.dropFirst(30).dropLast(4)
    var key = ObjectKey(object)
    if isLost {
      guard rest.count >= 9, rest.removeFirst() == 0x7E else { return nil }
      var lost: UInt32 = 0
      for digit in rest.prefix(8) {
        guard let value = Hex.value(digit) else { return nil }
        lost = lost << 4 | UInt32(value)
      }
      key.lost = lost
      rest = rest.dropFirst(8)
    }
    var position: UInt32 = 0
    if !rest.isEmpty {
      guard rest.count == 10, rest.removeFirst() == 0x2E, rest.removeFirst() == 0x70 else { return nil }
      var index: UInt32 = 0
      for digit in rest {
        guard 0x30...0x39 ~= digit else { return nil }
        index = index * 10 + UInt32(digit - 0x30)
      }
      position = index + 1
    }
    self.init(key, position: position)
  }

  private static let suffix = [UInt8](".age".utf8)
}

extension ObjectID {
  /// The id's 32 hex digits.
  package var hex: String {
    String(decoding: (0..<32).map { Hex.digit(nibble($0)) }, as: UTF8.self)
  }

  /// The first 128 bits of the SHA-256 of `bytes`: an id that every node makes of the same.
  init(digest bytes: [UInt8]) {
    let digest = Digest.sha256(bytes)
    func word(_ range: Range<Int>) -> UInt64 { digest[range].reduce(0) { $0 << 8 | UInt64($1) } }
    self.init(high: word(0..<8), low: word(8..<16))
  }

  func nibble(_ index: Int) -> UInt8 {
    let word = index < 16 ? high : low
    return UInt8(truncatingIfNeeded: word >> UInt64(60 - (index & 15) * 4)) & 15
  }

  /// The id with the first byte `fan` and 30 more lowercase hex digits; nil if they are none.
  init?(fan: Int, digits: some Collection<UInt8>) {
    var high: UInt64 = 0
    var low = UInt64(fan)
    for digit in digits {
      guard let value = Hex.value(digit) else { return nil }
      high = high << 4 | low >> 60
      low = low << 4 | UInt64(value)
    }
    // The fan's 8 bits and 30 digits of 4 are 128.
    self.init(high: high, low: low)
  }
}

/// Lowercase hexadecimal.
enum Hex {
  static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

  static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x57
    default: nil
    }
  }

  static func encode(_ bytes: some Collection<UInt8>) -> String {
    var digits: [UInt8] = []
    digits.reserveCapacity(2 * bytes.count)
    for byte in bytes {
      digits.append(digit(byte >> 4))
      digits.append(digit(byte & 15))
    }
    return String(decoding: digits, as: UTF8.self)
  }
}
