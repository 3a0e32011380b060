/// Someone that a file can be encrypted to.
public protocol Recipient: Sendable {
  /// Whether a file to this recipient may be to no other: age's promise that a passphrase authenticates.
  var mustBeAlone: Bool { get }

  /// The stanza that gives `fileKey`, 16 secret bytes, to this recipient.
  ///
  /// - Throws: ``AgeError``.
  func wrap(fileKey: RawSpan) throws(AgeError) -> Stanza
}

/// Someone who can decrypt.
public protocol Identity: Sendable {
  /// Whether what it holds is a passphrase.
  var isPassphrase: Bool { get }

  /// Looks for a stanza addressed to this identity and unwraps its file key.
  ///
  /// - Parameters:
  ///   - stanzas: All of the header's stanzas; those of other types are ignored.
  ///   - fileKey: 16 bytes of memory that the caller wipes.
  /// - Returns: Whether there was one; only then `fileKey` is defined.
  /// - Throws: ``AgeError/malformedHeader(_:)`` for a stanza of the identity's type that breaks that type's rules.
  func unwrap(_ stanzas: [Stanza], into fileKey: UnsafeMutableRawBufferPointer) throws(AgeError) -> Bool
}

extension Recipient {
  /// No.
  public var mustBeAlone: Bool { false }
}

extension Identity {
  /// No.
  public var isPassphrase: Bool { false }
}
