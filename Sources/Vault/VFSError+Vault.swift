internal import GitStore
internal import VirtualFS

extension VFSError {
  /// The one place where a vault's failure becomes a file system's.
  init(_ error: VaultError) {
    switch error {
    case .objectDamaged, .commitInvalid, .pathMissing, .versionMissing, .versionAmbiguous, .notAVault, .notAMember,
      .formatUnsupported, .phraseMalformed, .identityMalformed, .wrongPassphrase, .passphraseNeeded, .keynodeMissing,
      .keynodeExists, .vaultMissing, .vaultExists, .vaultMounted, .vaultNamed, .vaultNameInvalid, .recipientMalformed,
      .memberMissing, .memberAmbiguous, .tooManyMembers, .lastOwner, .setBack, .memberReturned:
      self.init(.corrupt)
    case .roleForbids: self.init(.readOnly)
    case .keyWithheld: self.init(.accessDenied)
    case .contended: self.init(.io)
    case .unstorable: self.init(.argumentListTooLong)
    case .memoryUnavailable: self.init(.outOfMemory)
    case .io(let code): self.init(code == 28 || code == 122 ? .noSpace : .io)  // ENOSPC, EDQUOT
    case .repository(let error): self.init(error.isOutOfSpace ? .noSpace : error.isDamage ? .corrupt : .io)
    }
  }
}
