internal import GitStore
internal import Glibc
internal import SecretMemory

/// One installation's identity and its vaults: a directory that can be copied as a whole.
///
/// Source: docs/format.md, "Keynode".
package final class Keynode: Sendable {
  package let paths: KeynodePaths
  package let identity: Identity
  /// Seconds since 1970, for the dates of commits; nothing depends on it.
  private let now: @Sendable () -> Int64
  private let onSetback: @Sendable (VaultName, [Setback]) -> Void

  /// A keynode whose identity is already open.
  ///
  /// `onSetback` is told of each vault that is opened and is not as far as it was, or another than it was.
  package init(
    at paths: KeynodePaths, identity: Identity, now: @escaping @Sendable () -> Int64 = { Int64(Glibc.time(nil)) },
    onSetback: @escaping @Sendable (VaultName, [Setback]) -> Void = { _, _ in }
  ) {
    self.paths = paths
    self.identity = identity
    self.now = now
    self.onSetback = onSetback
  }

  /// Whether there is an identity at `paths`.
  package static func exists(at paths: KeynodePaths) -> Bool {
    Files.exists(paths.plainIdentity) || Files.exists(paths.protectedIdentity)
  }

  /// The keynode's vaults, in order of names.
  package static func vaults(at paths: KeynodePaths) throws(VaultError) -> [VaultName] {
    var vaults: [VaultName] = []
    for name in try Files.names(in: paths.vaults) where name.hasSuffix(".git") {
      if let vault = try? VaultName(String(name.dropLast(4))) { vaults.append(vault) }
    }
    return vaults
  }

  /// Makes a vault of which this node is the one owner.
  ///
  /// It appears under its name whole or not at all, and whoever makes one of that name at the same time fails.
  /// - Throws: ``VaultError/vaultExists``.
  @discardableResult
  package func createVault(_ name: VaultName) throws(VaultError) -> Vault {
    guard !Files.exists(paths.repository(of: name)) else { throw .vaultExists }
    let draft = try VaultDraft(at: paths)
    try Vault.create(at: draft.repository, owner: identity, time: now())
    try draft.publish(as: name)
    return try openNewVault(name)
  }

  /// Opens a vault.
  ///
  /// - Throws: ``VaultError/vaultMissing``, ``VaultError/notAVault``, ``VaultError/notAMember``, ``VaultError/vaultNamed(_:)`` and others.
  package func openVault(_ name: VaultName) throws(VaultError) -> Vault {
    let path = paths.repository(of: name)
    guard Files.exists(path) else { throw .vaultMissing }
    let vault = try Vault(at: path, name: name, identity: identity, state: paths.state, now: now)
    try requireOnlyName(name, of: vault.id)
    let setbacks = try vault.setbacks()
    if !setbacks.isEmpty { onSetback(name, setbacks) }
    // A keynode that cannot be written to is read all the same.
    try? vault.noteFirstSight()
    return vault
  }

  /// Opens a vault that was not under this name before.
  func openNewVault(_ name: VaultName) throws(VaultError) -> Vault {
    try? Vault.forget(named: name, state: paths.state)
    return try openVault(name)
  }

  /// Gives a vault another local name; nothing inside it changes.
  ///
  /// - Throws: ``VaultError/vaultMissing``, ``VaultError/vaultExists``, ``VaultError/vaultMounted``.
  package func renameVault(_ name: VaultName, to other: VaultName) throws(VaultError) {
    // Of two that rename or remove it one is first, and the other finds it gone.
    guard Files.exists(paths.vaults) else { throw .vaultMissing }
    let naming = try DirectoryLock(paths.vaults)
    defer { withExtendedLifetime(naming) {} }
    guard Files.exists(paths.repository(of: name)) else { throw .vaultMissing }
    guard !Files.exists(paths.repository(of: other)) else { throw .vaultExists }
    let lock = try MountLock(repository: paths.repository(of: name))
    defer { lock.release() }
    try VaultDraft.move(paths.repository(of: name), to: paths.repository(of: other))
    try? Vault.rename(name, to: other, state: paths.state)
  }

  /// Deletes a vault with all its versions from this machine.
  ///
  /// - Throws: ``VaultError/vaultMissing``, ``VaultError/vaultMounted``.
  package func removeVault(_ name: VaultName) throws(VaultError) {
    let path = paths.repository(of: name)
    guard Files.exists(path) else { throw .vaultMissing }
    let doomed = try VaultDraft(at: paths)
    do {
      let naming = try DirectoryLock(paths.vaults)
      defer { withExtendedLifetime(naming) {} }
      guard Files.exists(path) else { throw .vaultMissing }
      let lock = try MountLock(repository: path)
      defer { lock.release() }
      try Files.rename(path, to: doomed.repository)
      try? Vault.forget(removed: name, state: paths.state)
    }
    try Files.remove(doomed.repository)
  }
}
