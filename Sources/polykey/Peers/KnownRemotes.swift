import Glibc
import Vault

/// Stock git remotes of vaults: the keynode's file `remotes`, a line each of a vault's id, a name and an address.
struct KnownRemotes {
  struct Remote: Hashable {
    let vault: VaultID
    let name: String
    let address: String
  }

  private var remotes: [Remote] = []
  private let paths: KeynodePaths
  private var path: String { "\(paths.home)/remotes" }

  init(at paths: KeynodePaths) {
    self.paths = paths
    for line in (StateFile.read(path) ?? "").split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ", maxSplits: 2)
      guard words.count == 3, let vault = VaultID(hex: words[0]) else { continue }
      remotes.append(Remote(vault: vault, name: String(words[1]), address: String(words[2])))
    }
  }

  /// A vault's remotes, in order of names.
  func remotes(of vault: VaultID) -> [Remote] { remotes.filter { $0.vault == vault }.sorted { $0.name < $1.name } }

  /// Adds a remote, or gives it another address.
  mutating func add(_ remote: Remote) throws {
    let lock = try begin()
    defer { withExtendedLifetime(lock) {} }
    remotes.removeAll { $0.vault == remote.vault && $0.name == remote.name }
    remotes.append(remote)
    try save()
  }

  /// Removes a remote; false if there is none of that name.
  mutating func remove(_ name: String, of vault: VaultID) throws -> Bool {
    let lock = try begin()
    defer { withExtendedLifetime(lock) {} }
    let count = remotes.count
    remotes.removeAll { $0.vault == vault && $0.name == name }
    if remotes.count == count { return false }
    try save()
    return true
  }

  /// Reads them anew, for a change that no other process makes at the same time.
  private mutating func begin() throws -> DirectoryLock {
    let lock = try explained { try DirectoryLock(paths.home) }
    self = KnownRemotes(at: paths)
    return lock
  }

  private func save() throws {
    try StateFile.write(remotes.map { "\($0.vault.hex) \($0.name) \($0.address)\n" }.joined(), to: path)
  }
}
