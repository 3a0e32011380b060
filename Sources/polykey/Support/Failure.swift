import ArgumentParser
import FuseMount
import GitStore
import Glibc
import Vault
import VirtualFS

/// A failure as the user meets it: one plain sentence that says what to do, and an exit status.
struct Failure: Error {
  /// The documented exit statuses; numbers are never used again for something else.
  enum Status: Int32 {
    case failed = 1
    case missing = 3
    case exists = 4
    case identity = 5
    case damaged = 6
    case mount = 7
    case noSpace = 8
    case peer = 9
    /// The role in the vault does not allow it.
    case role = 10
    /// Something is left: secrets to be changed, files in a directory.
    case remaining = 11
    /// Others use it just now.
    case busy = 12
    case usage = 64
  }

  let status: Status
  let sentence: String

  init(_ status: Status, _ sentence: String) {
    self.status = status
    self.sentence = sentence
  }
}

/// Runs `body` and turns what it throws into a ``Failure``.
func explained<R>(_ what: String = "", _ body: () throws -> R) throws -> R {
  do {
    return try body()
  } catch let error as VaultError {
    throw Failure(error)
  } catch let error as VFSError {
    throw Failure(error, what)
  }
}

extension Failure {
  init(_ error: VaultError) {
    switch error {
    case .keynodeMissing(let path):
      self.init(
        .missing,
        "there is no keynode at \(path): make one with `polykey init`, or get yours back with `polykey recover`")
    case .keynodeExists(let path):
      self.init(.exists, "there is a keynode at \(path) already; set POLYKEY_HOME to make another")
    case .identityMalformed:
      self.init(.identity, "the identity file is not an age identity: put back a copy, or use `polykey recover`")
    case .passphraseNeeded:
      self.init(
        .identity,
        "the identity is under a passphrase: run `polykey unlock` first, give --passphrase-file, or use a terminal")
    case .wrongPassphrase: self.init(.identity, "that is not the passphrase of this identity")
    case .phraseMalformed:
      self.init(
        .identity,
        "that is not a recovery phrase: it has 24 words of the BIP39 English list; look for a wrong or missing word")
    case .vaultNameInvalid:
      self.init(
        .usage,
        "a vault's name has 1 to 100 letters, digits, dots, dashes or underscores, and starts with no dot or dash")
    case .vaultMissing: self.init(.missing, "there is no vault of that name: see `polykey vault list`")
    case .vaultExists: self.init(.exists, "there is a vault of that name already")
    case .vaultMounted: self.init(.busy, "the vault is mounted on this machine: see `polykey status`")
    case .vaultNamed(let name):
      self.init(.exists, "that vault is here already, as \(name.text): use that name, or see `polykey vault rename`")
    case .notAVault: self.init(.damaged, "that repository is not a Polykey vault")
    case .formatUnsupported(let format):
      self.init(.damaged, "the vault has format \(format), which is newer than this program's: install a newer polykey")
    case .notAMember:
      self.init(.identity, "this identity is not a member of the vault: use the identity that the vault was made with")
    case .commitInvalid(let name, let flaw):
      self.init(.damaged, "commit \(name.hex.prefix(12)) is not to be trusted (\(flaw.reason)): run `polykey verify`")
    case .objectDamaged(let name):
      self.init(.damaged, "object \(name.hex.prefix(12)) is damaged: run `polykey verify`, and take it from a backup")
    case .keyWithheld:
      self.init(
        .identity, "that version is from before this machine was admitted to the vault, and its key was not given to it"
      )
    case .setBack:
      self.init(
        .damaged,
        "this machine has seen it, and the repository goes back behind it or is another vault's: an older copy was put there"
      )
    case .memberReturned:
      self.init(
        .damaged,
        "a member that was removed is one again, as another owner's act undid the removal: look at `polykey members`")
    case .unstorable:
      self.init(.failed, "names and extended attributes are longer than a vault can hold: make them shorter")
    case .versionMissing: self.init(.missing, "there is no such version: see `polykey log`")
    case .versionAmbiguous: self.init(.usage, "more than one version starts with that: give more digits")
    case .pathMissing: self.init(.missing, "there is no such secret in that version")
    case .recipientMalformed: self.init(.damaged, "a member's age recipient is malformed")
    case .roleForbids:
      self.init(.role, "your role in the vault does not allow that: ask an owner, see `polykey members`")
    case .memberMissing: self.init(.missing, "there is no such member: see `polykey members`")
    case .memberAmbiguous: self.init(.usage, "more than one member goes by that: give more of the node id")
    case .tooManyMembers: self.init(.failed, "a vault has 120 members at most")
    case .lastOwner: self.init(.failed, "a vault keeps at least one owner: make somebody else one first")
    case .contended: self.init(.busy, "others kept changing the vault meanwhile: try again")
    case .memoryUnavailable: self.init(.failed, "no locked memory can be had: raise `ulimit -l`")
    case .io(let code):
      let home = (try? IdentityOptions.paths())?.home ?? ""
      self.init(
        code == ENOSPC || code == EDQUOT ? .noSpace : .failed,
        "the keynode's files below \(home): \(ErrorNumber.text(code))")
    case .repository(let error):
      self.init(
        error.isOutOfSpace ? .noSpace : error.isDamage ? .damaged : error.isContention ? .busy : .failed,
        error.isOutOfSpace
          ? "no space left on the keynode's disk: earlier versions are intact"
          : "the vault's repository: \(error.sentence)")
    }
  }

  /// A failure at what the user named, such as "prod:db"; it was on the command line already.
  init(_ error: VFSError, _ what: String) {
    let status: Status
    switch error.code {
    case .notFound: status = .missing
    case .exists: status = .exists
    case .notEmpty: status = .remaining
    case .readOnly: status = .role
    case .busy, .textBusy: status = .busy
    case .corrupt: status = .damaged
    case .noSpace: status = .noSpace
    default: status = .failed
    }
    self.init(status, "\(what.isEmpty ? "" : "\(what): ")\(error.sentence)")
  }
}
