/// What a member may do.
package enum Role: String, Sendable, CaseIterable {
  /// Changes members and keys, writes and reads.
  case owner
  case writer
  case reader
  /// Holds no key: stores, verifies and passes on.
  case replica

  package var mayWrite: Bool { self == .owner || self == .writer }
  package var mayRead: Bool { self != .replica }
}
