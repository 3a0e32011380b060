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
  /// The vault is here already, under this local name.
  case vaultNamed(VaultName)
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
  /// An object is under a key from before this node was admitted, which it was not given.
  case keyWithheld(ObjectName)
  /// The repository is an older state than was here, or another vault's.
  case setBack
  /// Somebody who was removed is a member again, as the fork of the members' log in which that happened has lost.
  case memberReturned
  /// A node's names and extended attributes are more than an object's header can hold.
  case unstorable
  /// No version of that name.
  case versionMissing
  /// More than one version has a name that starts so.
  case versionAmbiguous
  /// No secret has that path in that version.
  case pathMissing
  /// A member's age recipient is none.
  case recipientMalformed
  /// This node's role in the vault does not allow it.
  case roleForbids
  /// No member of the vault has that node id, label or prefix of one.
  case memberMissing
  /// More than one member goes by that.
  case memberAmbiguous
  /// A vault has 120 members at most.
  case tooManyMembers
  /// A vault must keep an owner.
  case lastOwner
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
  /// Its README.md is none of ours: people run the commands there.
  case readme
  case parents
  case malformed
  /// A node's branch was told one thing here and another there.
  case fork
  /// A merge commit is not what its parents make.
  case merge
  /// A membership commit changes what it may not.
  case members
  /// It is told to be of another node than it is.
  case author
  /// A fork of the members' log, of whose author there are too many already.
  case tooManyForks
}

extension CommitFlaw {
  /// What a person is told: the end of a sentence.
  package var reason: String {
    switch self {
    case .message: "its message is malformed"
    case .signatureMissing: "it is not signed"
    case .signatureWrong: "its signature is wrong"
    case .otherVault: "it was made for another vault"
    case .notAMember: "its author may not write here"
    case .clock: "its clock is wrong"
    case .tree: "its tree has what a vault does not have"
    case .readme: "its README.md is not the one that all vaults have"
    case .parents: "its parents are wrong"
    case .malformed: "it is malformed"
    case .fork: "its author has gone on from an earlier version than we know: perhaps a backup was put back"
    case .merge: "it is not the merge of its parents"
    case .members: "it changes what a member may not change"
    case .author: "it is not by the node that it is told to be by"
    case .tooManyForks: "its author has left the common list of members too often"
    }
  }
}
