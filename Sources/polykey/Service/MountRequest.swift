import FuseMount
import Glibc
import PeerSync
import Vault

/// What is to be mounted where.
struct MountRequest: Sendable {
  /// The one vault; nil for all.
  var vault: VaultName?
  /// Absolute.
  var directory: String
  var options: MountOptions
  /// Where peers may connect; none: only they are dialled.
  var listen: [PeerAddress] = []
  /// Without any peers.
  var isOffline = false
}

/// The directory that is mounted on.
enum MountPoint {
  /// The path, absolute and without symbolic links where it exists.
  static func absolute(_ path: String) throws -> String {
    if let resolved = unsafe realpath(path, nil) {
      defer { unsafe free(resolved) }
      return try unsafe Arguments.systemText(resolved, "the directory that \(path) leads to")
    }
    // A stale mount cannot be resolved, nor a directory that is yet to be made.
    if path.hasPrefix("/") { return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path }
    guard let here = unsafe getcwd(nil, 0) else {
      throw Failure(.mount, "the working directory is gone: \(ErrorNumber.text(errno))")
    }
    defer { unsafe free(here) }
    return try unsafe "\(Arguments.systemText(here, "the working directory's path"))/\(path)"
  }

  /// Makes the directory if its parent is there.
  static func prepare(_ directory: String) throws {
    if unsafe mkdir(directory, 0o700) != 0, errno != EEXIST, errno != ENOTCONN {
      throw Failure(.mount, "\(directory): cannot be made: \(ErrorNumber.text(errno))")
    }
  }

  /// Whether a living process of this keynode serves just this.
  ///
  /// - Throws: a ``Failure`` if the directory has another mount of ours, or the vault is mounted elsewhere.
  static func isMounted(_ request: MountRequest, at paths: KeynodePaths) throws -> Bool {
    for record in MountRecord.all(of: paths) where record.isAlive {
      if record.directory == request.directory {
        guard record.vault == request.vault?.text else {
          throw Failure(.mount, "\(request.directory): something else of yours is mounted there: see `polykey status`")
        }
        return true
      }
      if record.vault == nil || request.vault == nil || record.vault == request.vault?.text {
        throw Failure(
          .mount,
          "\(record.vault.map { "the vault \($0) is" } ?? "all vaults are") mounted at \(record.directory) already: unmount first, or use it there"
        )
      }
    }
    return false
  }
}
