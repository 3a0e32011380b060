/// An object about to be written, with the name that its contents give it.
package struct NewObject: Sendable {
  package let kind: ObjectKind
  package let bytes: [UInt8]
  package let name: ObjectName

  /// Names `bytes`; costs one SHA-1 of them.
  package init(kind: ObjectKind, bytes: [UInt8]) {
    self.kind = kind
    self.bytes = bytes
    name = ObjectName.of(kind, bytes)
  }

  /// A blob of ciphertext that was made just now, under a key that nobody could know before.
  package init(ciphertext: [UInt8]) {
    self.init(kind: .blob, bytes: ciphertext, name: .plain(.blob, ciphertext))
  }

  /// An object whose name was computed.
  init(kind: ObjectKind, bytes: [UInt8], name: ObjectName) {
    self.kind = kind
    self.bytes = bytes
    self.name = name
  }
}

/// What a completed write outlives.
package enum Durability: Sendable {
  /// The end of this process, however it ends.
  case processCrash
  /// The loss of power too.
  case powerLoss
}
