/// Where the fields of a header block lie.
///
/// Source: POSIX.1-2017, pax, "ustar Interchange Format".
struct HeaderField {
  let offset: Int
  let length: Int

  static let name = HeaderField(offset: 0, length: 100)
  static let mode = HeaderField(offset: 100, length: 8)
  static let userID = HeaderField(offset: 108, length: 8)
  static let groupID = HeaderField(offset: 116, length: 8)
  static let size = HeaderField(offset: 124, length: 12)
  static let modified = HeaderField(offset: 136, length: 12)
  static let checksum = HeaderField(offset: 148, length: 8)
  static let type = HeaderField(offset: 156, length: 1)
  static let linkName = HeaderField(offset: 157, length: 100)
  /// "magic" and "version" together.
  static let magic = HeaderField(offset: 257, length: 8)
  static let userName = HeaderField(offset: 265, length: 32)
  static let groupName = HeaderField(offset: 297, length: 32)
  static let deviceMajor = HeaderField(offset: 329, length: 8)
  static let deviceMinor = HeaderField(offset: 337, length: 8)
  static let prefix = HeaderField(offset: 345, length: 155)

  /// The greatest number that the field holds as octal digits and a NUL.
  var octalLimit: UInt64 { (1 << (3 * UInt64(length - 1))) - 1 }
}

/// Typeflags, as bytes of ASCII.
enum TypeFlag {
  static let regular = UInt8(ascii: "0")
  static let hardLink = UInt8(ascii: "1")
  static let symbolicLink = UInt8(ascii: "2")
  static let characterDevice = UInt8(ascii: "3")
  static let blockDevice = UInt8(ascii: "4")
  static let directory = UInt8(ascii: "5")
  static let fifo = UInt8(ascii: "6")
  static let contiguous = UInt8(ascii: "7")
  static let extendedHeader = UInt8(ascii: "x")
  static let globalHeader = UInt8(ascii: "g")
  static let gnuLongName = UInt8(ascii: "L")
  static let gnuLongLink = UInt8(ascii: "K")
  static let gnuSparse = UInt8(ascii: "S")
}
