/// Why a tar archive could not be read, or a member not written.
///
/// Carries no name and no content: both may be secret.
public enum TarError: Error, Hashable, Sendable {
  /// The sum of a header's bytes is not the one it states.
  case badChecksum
  /// The archive ends inside a header, its records, or a member's content or padding.
  case truncated
  /// A header field holds what its format does not allow, or headers stand in an order that no format allows.
  case malformedHeader
  /// A pax record breaks the form "LENGTH KEYWORD=VALUE\n", or its value does not fit its keyword.
  case malformedRecord
  /// A typeflag that is no file: a volume label, a multi-volume or incremental part, or an unknown one.
  case unsupportedType(UInt8)
  /// A sparse file in one of GNU tar's forms, whose content is not the file's content.
  case unsupportedSparseFile
  /// A member's headers and records together are longer than ``TarMember/headerLimit``.
  case headerTooLarge
  /// A member to be written cannot be put in a tar archive: see ``TarMember/encodedHeader()``.
  case unencodableMember
}
