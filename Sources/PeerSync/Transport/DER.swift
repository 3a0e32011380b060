/// Writes the few forms of DER (X.690) of which a certificate of ours is made.
///
/// swift-asn1 would do it, too. It is a package more to trust and to build for some 300 constant bytes around a key, and
/// nothing is parsed here: BoringSSL parses what peers send.
enum DER {
  static func value(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
    let count = contents.count
    precondition(count < 65_536, "certificates are small")
    let length: [UInt8] =
      switch count {
      case 0..<128: [UInt8(count)]
      case 128..<256: [0x81, UInt8(count)]
      default: [0x82, UInt8(count >> 8), UInt8(count & 255)]
      }
    return [tag] + length + contents
  }

  static func sequence(_ parts: [UInt8]...) -> [UInt8] { value(0x30, parts.flatMap(\.self)) }
  static func set(_ part: [UInt8]) -> [UInt8] { value(0x31, part) }
  /// A non-negative integer below 128.
  static func integer(_ number: UInt8) -> [UInt8] { value(0x02, [number & 0x7F]) }
  static func octetString(_ bytes: [UInt8]) -> [UInt8] { value(0x04, bytes) }
  /// A string of whole bytes, or of fewer bits: `unused` of the last byte's do not count.
  static func bitString(_ bytes: [UInt8], unused: UInt8 = 0) -> [UInt8] { value(0x03, [unused] + bytes) }
  static func utf8String(_ text: String) -> [UInt8] { value(0x0C, [UInt8](text.utf8)) }
  static func utcTime(_ text: String) -> [UInt8] { value(0x17, [UInt8](text.utf8)) }
  static func generalizedTime(_ text: String) -> [UInt8] { value(0x18, [UInt8](text.utf8)) }
  static func identifier(_ encoded: [UInt8]) -> [UInt8] { value(0x06, encoded) }
  static let yes = value(0x01, [0xFF])
}
