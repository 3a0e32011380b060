package import GitStore

/// Why the keynode or a vault could not do what was asked.
///
/// Carries no secret name and no content. Paths are those of the keynode, which are no secrets.
package enum VaultError: Error, Hashable {
  /// There is no keynode at this path; `polykey init` makes one.
  case keynodeMissing(path: String)
  /// There is one already; nothing was changed.
  case keynodeExists(path: String)
  /// The identity file is not one age identity.
  case identityMalformed
  /// The identity is under a passphrase and none was given.
  case passphraseNeeded
  /// The passphrase does not open the identity.
  case wrongPassphrase
  /// A recovery phrase is not 24 words of the list, or its checksum is wrong.
  case phraseMalformed
  /// A vault's name is empty, too long, starts with a dot or a dash, or has other bytes than letters, digits, ".", "_" and "-".
  case vaultNameInvalid
  case vaultMissing
  case vaultExists
  /// Another process of this machine has the vault mounted.
  case vaultMounted
  /// The repository has no `members` branch or no sound genesis.
  case notAVault
  /// The vault's format is newer than this program's.
  case formatUnsupported(Int)
  /// This identity holds no key of the vault.
  case notAMember
  /// A commit of the vault does not verify.
  case commitInvalid(ObjectName, CommitFlaw)
  /// An object's bytes do not decrypt or are not what an object holds.
  case objectDamaged(ObjectName)
  /// A node's names and extended attributes are more than an object's header can hold.
  case unstorable
  /// No version of that name.
  case versionMissing
  /// More than one version has a name that starts so.
  case versionAmbiguous
  /// No secret has that path in that version.
  case pathMissing
  /// Others kept committing meanwhile.
  case contended
  /// Locked memory or libsodium cannot be had.
  case memoryUnavailable
  /// A system call on the keynode's files failed with this errno.
  case io(Int32)
  /// The repository failed.
  case repository(GitError)
}

/// What is wrong with a data commit: a rule of docs/format.md, "Data commit".
package enum CommitFlaw: Hashable, Sendable {
  case message
  case signatureMissing
  case signatureWrong
  case otherVault
  case notAMember
  case clock
  case tree
  case parents
  case malformed
}
