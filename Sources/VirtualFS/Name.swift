/// One component of a path: 1...255 bytes without "/" and NUL, not "." or "..", in any or no encoding.
public struct Name: Hashable, Comparable, Sendable {
  /// NAME_MAX of limits.h, in bytes.
  public static let limit = 255

  /// The bytes as the caller gave them.
  public let bytes: [UInt8]

  /// A checked name.
  ///
  /// - Throws: ``VFSError/Code/nameTooLong``; ``VFSError/Code/invalidArgument`` for an empty or reserved name or one with "/" or NUL.
  public init(_ bytes: some Collection<UInt8>) throws(VFSError) {
    guard bytes.count <= Name.limit else { throw VFSError(.nameTooLong) }
    let bytes = [UInt8](bytes)
    guard !bytes.isEmpty, bytes != [0x2E], bytes != [0x2E, 0x2E], !bytes.contains(0), !bytes.contains(0x2F) else {
      throw VFSError(.invalidArgument)
    }
    self.bytes = bytes
  }

  /// Hashes all bytes at once, which is several times as fast as one by one.
  public func hash(into hasher: inout Hasher) {
    unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
  }

  /// Compares byte by byte.
  public static func < (a: Name, b: Name) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}
