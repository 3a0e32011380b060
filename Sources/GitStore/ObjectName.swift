internal import CLibGit2

/// libgit2's global state, set up once before its first use.
///
/// It does not compare what it reads with its name: we do, with a faster hash.
private let libraryIsReady =
  git_libgit2_init() > 0 && clibgit2_enable_strict_hash_verification(0) == 0 && PlainSHA1.isAvailable

/// Makes libgit2 usable, or throws if it cannot be.
func requireLibrary() throws(GitError) {
  guard libraryIsReady else { throw .library(-1) }
}

/// The name of a git object: the SHA-1 of its header and bytes, 20 bytes held inline, ordered as bytes.
package struct ObjectName: Hashable, Sendable, Comparable {
  private let high: UInt64
  private let middle: UInt64
  private let low: UInt32

  /// Bytes in a name.
  package static let byteCount = 20
  /// Git's name for "no object", written in place of an old or new value.
  package static let zero = ObjectName(high: 0, middle: 0, low: 0)

  private init(high: UInt64, middle: UInt64, low: UInt32) {
    self.high = high
    self.middle = middle
    self.low = low
  }

  /// The name made of exactly 20 bytes; nil for any other number.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var high: UInt64 = 0
    var middle: UInt64 = 0
    var low: UInt32 = 0
    for (index, byte) in bytes.enumerated() {
      switch index {
      case 0..<8: high = high << 8 | UInt64(byte)
      case 8..<16: middle = middle << 8 | UInt64(byte)
      default: low = low << 8 | UInt32(byte)
      }
    }
    self.init(high: high, middle: middle, low: low)
  }

  /// The name written as exactly 40 lowercase hexadecimal digits; nil for anything else.
  package init?(hex: some Collection<UInt8>) {
    guard hex.count == 2 * Self.byteCount else { return nil }
    var high: UInt64 = 0
    var middle: UInt64 = 0
    var low: UInt32 = 0
    for (index, digit) in hex.enumerated() {
      let value: UInt8
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
      default: return nil
      }
      switch index {
      case 0..<16: high = high << 4 | UInt64(value)
      case 16..<32: middle = middle << 4 | UInt64(value)
      default: low = low << 4 | UInt32(value)
      }
    }
    self.init(high: high, middle: middle, low: low)
  }

  /// The name written as exactly 40 lowercase hexadecimal digits; nil for anything else.
  package init?(hex: String) { self.init(hex: Array(hex.utf8)) }

  /// The byte at `index`, 0..<20.
  package subscript(index: Int) -> UInt8 {
    switch index {
    case 0..<8: UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
    case 8..<16: UInt8(truncatingIfNeeded: middle >> UInt64(56 - 8 * (index - 8)))
    case 16..<20: UInt8(truncatingIfNeeded: low >> UInt32(24 - 8 * (index - 16)))
    default: preconditionFailure("an object name has 20 bytes")
    }
  }

  /// The 20 bytes.
  package var bytes: [UInt8] { (0..<Self.byteCount).map { self[$0] } }

  /// The 40 lowercase hexadecimal digits.
  package var hex: String { String(decoding: hexDigits, as: UTF8.self) }

  /// The 40 lowercase hexadecimal digits, as ASCII.
  package var hexDigits: [UInt8] {
    var digits: [UInt8] = []
    digits.reserveCapacity(2 * Self.byteCount)
    for index in 0..<Self.byteCount {
      let byte = self[index]
      digits.append(Self.digit(byte >> 4))
      digits.append(Self.digit(byte & 15))
    }
    return digits
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// Appends the 20 bytes.
  package func append(to output: inout [UInt8]) {
    unsafe withUnsafeBytes(of: high.bigEndian) { unsafe output.append(contentsOf: $0) }
    unsafe withUnsafeBytes(of: middle.bigEndian) { unsafe output.append(contentsOf: $0) }
    unsafe withUnsafeBytes(of: low.bigEndian) { unsafe output.append(contentsOf: $0) }
  }

  /// Orders names as their bytes are ordered, which is how git orders them.
  package static func < (left: ObjectName, right: ObjectName) -> Bool {
    (left.high, left.middle, left.low) < (right.high, right.middle, right.low)
  }

  /// The name of an object of `kind` with the contents `bytes`, which are our own; SHA-1 with collision detection, as git computes it.
  package static func of(_ kind: ObjectKind, _ bytes: UnsafeRawBufferPointer) -> ObjectName {
    precondition(libraryIsReady, "libgit2 cannot be initialised")
    let name = unsafe checked(kind, bytes)
    precondition(name != nil, "hashing fails for collisions only")
    return name ?? .zero
  }

  /// The name of an object of `kind` with the contents `bytes`, whoever made them; nil if they were made to collide with others.
  package static func checked(_ kind: ObjectKind, _ bytes: [UInt8]) -> ObjectName? {
    unsafe bytes.withUnsafeBytes { buffer in unsafe checked(kind, buffer) }
  }

  private static func checked(_ kind: ObjectKind, _ bytes: UnsafeRawBufferPointer) -> ObjectName? {
    guard libraryIsReady else { return nil }
    var identifier = git_oid()
    // `git_odb_hash` refuses a null pointer even for no bytes.
    let empty: [UInt8] = [0]
    // SAFETY: both buffers outlive the call, which only reads `bytes.count` bytes.
    let status = unsafe empty.withUnsafeBytes { stand in
      unsafe git_odb_hash(&identifier, bytes.baseAddress ?? stand.baseAddress, bytes.count, kind.libraryType)
    }
    return status == 0 ? ObjectName(identifier) : nil
  }

  /// The name of an object of `kind` with the contents `bytes`, with which nobody can have aimed at a collision: ``PlainSHA1`` says when.
  static func plain(_ kind: ObjectKind, _ bytes: [UInt8]) -> ObjectName {
    let hash = PlainSHA1()
    hash.add(Array("\(kind.word) \(bytes.count)\0".utf8))
    hash.add(bytes)
    return hash.finish()
  }

  /// The name of an object of `kind` with the contents `bytes`.
  package static func of(_ kind: ObjectKind, _ bytes: [UInt8]) -> ObjectName {
    unsafe bytes.withUnsafeBytes { buffer in unsafe of(kind, buffer) }
  }

  init(_ identifier: git_oid) {
    // SAFETY: a `git_oid` is exactly 20 bytes.
    self = unsafe withUnsafeBytes(of: identifier) { buffer in
      unsafe ObjectName(
        high: UInt64(bigEndian: buffer.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
        middle: UInt64(bigEndian: buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
        low: UInt32(bigEndian: buffer.loadUnaligned(fromByteOffset: 16, as: UInt32.self)))
    }
  }

  var libraryIdentifier: git_oid {
    var identifier = git_oid()
    // SAFETY: a `git_oid` is exactly 20 bytes.
    unsafe withUnsafeMutableBytes(of: &identifier) { buffer in
      unsafe buffer.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
      unsafe buffer.storeBytes(of: middle.bigEndian, toByteOffset: 8, as: UInt64.self)
      unsafe buffer.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt32.self)
    }
    return identifier
  }
}
