/// An inode number: unique in one file system and never reused while it exists; the root's is 1.
public struct InodeID: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number that the kernel knows.
  public let rawValue: UInt64

  /// The identifier with this number.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The root directory.
  public static let root = InodeID(rawValue: 1)

  /// Orders by number, that is by age.
  public static func < (a: InodeID, b: InodeID) -> Bool { a.rawValue < b.rawValue }
}

/// An open file or directory: unique in one file system and never reused.
public struct HandleID: RawRepresentable, Hashable, Sendable {
  /// The number that the kernel knows.
  public let rawValue: UInt64

  /// The identifier with this number.
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// The lasting name of a stored object, 128 random bits that the backing chooses or the file system draws.
///
/// Unlike an ``InodeID`` it outlives the mount, and it stays the same across renames.
public struct ObjectID: Hashable, Comparable, Sendable {
  /// The first 64 bits.
  public let high: UInt64
  /// The last 64 bits.
  public let low: UInt64

  /// The object of these bits.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Orders as a 128-bit number.
  public static func < (a: ObjectID, b: ObjectID) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

/// Where a backing keeps a piece of content; only the backing knows what it means.
public struct ContentReference: Hashable, Sendable {
  /// Only the backing knows what they mean; the first one should differ between references.
  public let words: (UInt64, UInt64, UInt32)
  /// Free for the backing's use.
  public let tag: UInt32

  /// A reference for the backing's use.
  public init(words: (UInt64, UInt64, UInt32), tag: UInt32) {
    self.words = words
    self.tag = tag
  }

  /// Compares all bits.
  public static func == (a: Self, b: Self) -> Bool { a.words == b.words && a.tag == b.tag }

  /// Hashes the first word only.
  public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
