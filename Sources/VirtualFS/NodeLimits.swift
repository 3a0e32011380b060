/// How much of one node a backing can store: what goes beyond is refused by the call that asks for it.
public struct NodeLimits: Sendable {
  /// Bytes of a path; more is ``VFSError/Code/nameTooLong``.
  public var path = Int.max
  /// What all names, attributes and the target of one node may take together, in bytes, counted as ``cost(names:target:attributes:)`` does.
  public var total = Int.max
  /// Bytes that a name takes beside itself; each but the first takes the first one's bytes, too.
  public var nameOverhead = 0
  /// Bytes that an extended attribute takes beside its value and three times its name.
  public var attributeOverhead = 0

  /// No limits.
  public init() {}

  /// What a node's names, target and attributes take at most, in bytes.
  ///
  /// - Parameters:
  ///   - names: Bytes of each path.
  ///   - target: Bytes of a symbolic link's target.
  ///   - attributes: Bytes of each extended attribute's name and value.
  /// - Returns: Bytes; with these limits' overheads no less than what is stored.
  public func cost(
    names: some Sequence<Int>, target: Int = 0, attributes: some Sequence<(name: Int, value: Int)>
  ) -> Int {
    var first: Int?
    var sum = target
    for length in names {
      sum += nameOverhead + length + (first ?? 0)
      first = first ?? length
    }
    for (name, value) in attributes { sum += attributeOverhead + 3 * name + value }
    return sum
  }
}
