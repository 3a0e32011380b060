package import VirtualFS

/// Where an object's blobs stand in a data commit's tree: `XX/` + 30 hex digits + `.age`, or `.pNNNNNNNN.age` for a part.
///
/// Source: docs/format.md, "Data tree".
struct Slot: Hashable, Comparable, Sendable {
  let object: ObjectID
  /// 0 for the object itself, n + 1 for its part n; so that slots sort as their names do.
  let position: UInt32

  /// Parts are numbered with 8 decimal digits.
  static let partLimit = 100_000_000

  init(object: ObjectID, position: UInt32) {
    self.object = object
    self.position = position
  }

  static func header(of object: ObjectID) -> Slot { Slot(object: object, position: 0) }
  static func part(_ index: Int, of object: ObjectID) -> Slot { Slot(object: object, position: UInt32(index) + 1) }

  /// Which of the 256 subtrees holds it.
  var fan: Int { Int(object.high >> 56) }

  static func < (a: Slot, b: Slot) -> Bool {
    (a.object.high, a.object.low, a.position) < (b.object.high, b.object.low, b.position)
  }

  /// Appends the name in the subtree.
  func appendName(to bytes: inout [UInt8]) {
    for nibble in 2..<32 { bytes.append(Hex.digit(object.nibble(nibble))) }
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

  /// The slot that has this name in the subtree `fan`; nil if it is no object's name.
  init?(fan: Int, name: [UInt8]) {
    guard name.count == 34 || name.count == 44, name.suffix(4).elementsEqual(Slot.suffix),
      let object = ObjectID(fan: fan, digits: name.prefix(30))
    else { return nil }
    var position: UInt32 = 0
    if name.count == 44 {
      guard name[30] == 0x2E, name[31] == 0x70 else { return nil }
      var index: UInt32 = 0
      for digit in name[32..<40] {
        guard 0x30...0x39 ~= digit else { return nil }
        index = index * 10 + UInt32(digit - 0x30)
      }
      position = index + 1
    }
    self.init(object: object, position: position)
  }

  private static let suffix = [UInt8](".age".utf8)
}

extension ObjectID {
  /// The id's 32 hex digits.
  package var hex: String {
    String(decoding: (0..<32).map { Hex.digit(nibble($0)) }, as: UTF8.self)
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
