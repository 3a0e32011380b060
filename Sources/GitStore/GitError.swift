internal import Glibc

/// Why an operation on a git repository failed.
///
/// Carries object names, which are public, but no path, reference name or content.
package enum GitError: Error, Hashable {
  /// There is no bare git repository at the path.
  case notARepository
  /// The repository uses an object format, reference storage or extension that is not implemented here.
  case unsupportedRepository
  /// Something already exists where a repository was to be made.
  case alreadyExists
  /// The object is not in the repository.
  case missing(ObjectName)
  /// The object's stored bytes cannot be decoded, or do not have its name.
  case corrupt(ObjectName)
  /// The object exists but is of another kind than asked for.
  case wrongKind(ObjectName, found: ObjectKind)
  /// Bytes that are no canonical object of the kind.
  case malformed(ObjectKind)
  /// A reference name that git does not allow.
  case invalidReferenceName
  /// A reference file that holds neither an object name nor a symbolic reference, or a chain of more than five of these.
  case malformedReference
  /// The reference's value was not the expected one; nothing was changed.
  case referenceMoved(actual: Reference?)
  /// Another program holds the reference's lock file for longer than was waited.
  case referenceLocked
  /// A stream that is no pack, or one that is cut, or whose deltas have no base.
  case packMalformed
  /// A pack that would cost more than is allowed.
  case packTooLarge
  /// A stream that is no git bundle, or whose header is damaged.
  case bundleMalformed
  /// A git bundle of another version, with other names than SHA-1, or with objects left out.
  case bundleUnsupported
  /// Another repository could not be used.
  case remote(RemoteFailure)
  /// The repository has a symbolic link, or a special file, where a plain file or a directory belongs; nothing outside is touched.
  case notPlain
  /// The disk or the user's quota is full.
  case outOfSpace
  /// A system call failed with this `errno`.
  case io(Int32)
  /// libgit2 failed with this code of its own and no `errno`.
  case library(Int32)
  /// The caller asked to stop.
  case cancelled

  /// The error of a system call that failed with `code`.
  init(errno code: Int32) {
    self = code == ENOSPC || code == EDQUOT ? .outOfSpace : .io(code)
  }
}
