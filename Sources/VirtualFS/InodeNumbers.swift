/// Which numbers stat(2) shows for inodes: below 2³², so that 32-bit programs can have them, and the same after every mount.
///
/// An object's number follows from its id. Where another has it already, which is rare (one of 10,000 objects in 86 vaults), the next
/// that follows from the id is taken, in the order of the objects. File systems that are shown in one mount share one table.
public final class InodeNumbers: Sendable {
  /// The root of a mount.
  public static let root: UInt32 = 1

  private let taken = Guarded<Set<UInt32>>([])

  /// No number is taken but those that no file may have.
  public init() {}

  /// The first free number of those that follow from `object`.
  func take(for object: ObjectID) -> UInt32 {
    taken.withLock { taken in
      var probe: UInt64 = 0
      while true {
        let number = InodeNumbers.number(of: object, probe: probe)
        // Not even a full table may keep anybody here.
        if number > InodeNumbers.root, number < .max, taken.insert(number).inserted || probe > 1000 { return number }
        probe += 1
      }
    }
  }

  /// Gives a number back.
  func release(_ number: UInt32) { taken.withLock { _ = $0.remove(number) } }

  /// The number of an object at the `probe`th try: all bits of the id count, so that nobody can choose ids that go on colliding.
  static func number(of object: ObjectID, probe: UInt64) -> UInt32 {
    var mixed: UInt64 = 0
    for word in [object.high, object.low, probe] {
      // SplitMix64's finalizer.
      mixed = (mixed ^ word) &+ 0x9e37_79b9_7f4a_7c15
      mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
      mixed ^= mixed >> 31
    }
    return UInt32(truncatingIfNeeded: mixed >> 32)
  }
}
