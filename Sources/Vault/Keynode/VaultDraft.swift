internal import Glibc

/// Where a vault's repository is made, or is taken apart, under a name that no vault can have.
///
/// Each has a directory of its own below `vaults/`, so two processes that make a vault of one name never meet: the first to publish it has the
/// name. The directory is locked while its maker lives; what a killed one left is removed by the next.
final class VaultDraft: Sendable {
  private let paths: KeynodePaths
  private let folder: String
  private let lock: DirectoryLock

  /// The repository's path, where nothing is yet.
  var repository: String { "\(folder)/repository" }

  private static let prefix = ".draft-"
  /// Those of earlier programs, which did not lock them.
  private static let formerPrefixes = [".new-", ".joining-", ".bundle-", ".removed-"]

  init(at paths: KeynodePaths) throws(VaultError) {
    try Files.makeDirectory(paths.vaults)
    var stale: [(path: String, lock: DirectoryLock)] = []
    do {
      // So that nobody finds a directory between its making and its locking.
      let making = try DirectoryLock(paths.vaults)
      defer { withExtendedLifetime(making) {} }
      for name in try Files.names(in: paths.vaults) where VaultDraft.isDraft(name) {
        let path = "\(paths.vaults)/\(name)"
        if let lock = DirectoryLock(ifFree: path) { stale.append((path, lock)) }
      }
      let name = Base32.encode(try Digest.randomBytes(10))
      let folder = "\(paths.vaults)/\(VaultDraft.prefix)\(name)"
      try Files.makeDirectory(folder)
      (self.paths, self.folder, lock) = (paths, folder, try DirectoryLock(folder))
    }
    for draft in stale { try? Files.remove(draft.path) }
  }

  private static func isDraft(_ name: String) -> Bool {
    ([prefix] + formerPrefixes).contains { name.hasPrefix($0) }
  }

  /// Gives the repository its name, which nobody else gets then.
  ///
  /// - Throws: ``VaultError/vaultExists``.
  func publish(as name: VaultName) throws(VaultError) {
    try VaultDraft.move(repository, to: paths.repository(of: name))
  }

  /// Renames a repository; one that is there is never replaced, as rename(2) replaces no directory with anything in it.
  ///
  /// - Throws: ``VaultError/vaultExists``.
  static func move(_ path: String, to other: String) throws(VaultError) {
    do {
      try Files.rename(path, to: other)
    } catch .io(let code) where [ENOTEMPTY, EEXIST, ENOTDIR].contains(code) {
      throw .vaultExists
    }
  }

  /// Removes what was not published.
  deinit { try? Files.remove(folder) }
}
