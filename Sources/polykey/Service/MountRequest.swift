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

  /// All that matters of it beside vault and directory, as one would type it: two mounts of one summary are the same.
  var summary: String {
    var words = options.summary.isEmpty ? [] : ["-o \(options.summary)"]
    words += listen.map { "--listen \($0)" }.sorted()
    if isOffline { words.append("--offline") }
    return words.joined(separator: " ")
  }
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

  /// Runs `body` with the directory there, made if only its parent is; one that was made goes again if `body` fails.
  static func with(_ directory: String, _ body: () throws -> Void) throws {
    let isNew = unsafe mkdir(directory, 0o700) == 0
    if !isNew, errno != EEXIST, errno != ENOTCONN {
      throw Failure(.mount, "\(directory): cannot be made: \(ErrorNumber.text(errno))")
    }
    do {
      try body()
    } catch {
      if isNew { unsafe rmdir(directory) }
      throw error
    }
  }
}
