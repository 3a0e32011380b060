/// Why an age file, key or armor was refused.
///
/// Carries no contents, keys or names.
public enum AgeError: Error, Hashable {
  /// The header breaks a rule of the format.
  case malformedHeader(HeaderFault)
  /// The file is an age file of a version other than v1.
  case unsupportedVersion
  /// The header's MAC is wrong: it was changed after it was written.
  case badHeaderMAC
  /// No stanza is addressed to any of the identities.
  case noIdentityMatched
  /// The file is encrypted to a passphrase, which is another one.
  case wrongPassphrase
  /// The passphrase stanza asks for more scrypt work than allowed: 2 to the power of `logN`.
  case workFactorTooHigh(logN: Int)
  /// The tag of that payload chunk, counted from 0, is wrong: changed, or cut within the last chunk.
  case payloadTampered(chunk: Int)
  /// The payload ends without its final chunk.
  case truncated
  /// Bytes follow the payload's final chunk.
  case trailingData
  /// The payload ends with an empty chunk although it is not empty.
  case emptyFinalChunk
  /// The armor around the file breaks a rule of strict PEM.
  case malformedArmor(ArmorFault)
  /// A line of a recipient or identity is not what it should be.
  case malformedKey(KeyFault)
  /// That line, counted from 1, of a file of recipients or identities is not what it should be.
  case malformedKeyFile(line: Int, KeyFault)
  /// A file of recipients or identities names none.
  case noKeys
  /// Nothing to encrypt to, or a passphrase beside another recipient.
  case unusableRecipients
  /// A passphrase is empty.
  case emptyPassphrase
  /// There was no memory, or no locked memory (RLIMIT_MEMLOCK), for a key or for plaintext.
  case memoryUnavailable
  /// The object already failed or finished; only its first error tells why.
  case unusable
}

/// The rule that a header breaks.
public enum HeaderFault: Hashable, Sendable {
  /// The first line is not `age-encryption.org/` and a version.
  case versionLine
  /// A line that should begin a stanza does not, or its arguments are not 1*VCHAR parted by single spaces.
  case stanzaLine
  /// A line of a stanza's body is not canonical base64 of at most 64 columns, or the stanza ends without a short line.
  case stanzaBody
  /// The last line is not `--- ` and 43 characters of canonical base64.
  case macLine
  /// There is no stanza.
  case noStanza
  /// The file ends within its header or its payload nonce.
  case truncated
  /// The header is longer than 1 MiB, which this implementation refuses.
  case tooLong
  /// An scrypt stanza is not the only stanza.
  case scryptNotAlone
  /// An scrypt stanza has wrong arguments or a body that is not 32 bytes.
  case scryptStanza
  /// An X25519 stanza has wrong arguments or a body that is not 32 bytes.
  case x25519Stanza
  /// An X25519 share has low order: the shared secret is all zero.
  case lowOrderShare
}

/// The rule that an armor breaks.
public enum ArmorFault: Hashable, Sendable {
  /// The first line is not the BEGIN line, or too much whitespace precedes it.
  case beginLine
  /// A line is empty, longer than 64 columns, or not canonical padded base64.
  case bodyLine
  /// The line after a short one is not the END line.
  case endLine
  /// Something other than a little whitespace follows the END line.
  case trailingData
  /// The text ends before the END line.
  case truncated
}

/// What is wrong with the text of a recipient or identity.
public enum KeyFault: Error, Hashable, Sendable {
  /// Not of a kind that this implementation knows.
  case unknownKind
  /// Bech32 rules: characters, mixed case, separator, padding.
  case notBech32
  /// The Bech32 checksum is wrong: mistyped.
  case checksum
  /// Not 32 bytes.
  case length
  /// A recipient whose point has low order: nothing encrypted to it would be secret.
  case lowOrder
}
