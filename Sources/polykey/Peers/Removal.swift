import Glibc
import Vault

/// That this node was removed from a vault, as people are told.
enum Removal {
  static func sentence(_ vault: VaultName) -> String {
    "this node was removed from \(vault.text): it keeps what it has, gets nothing newer, and can change nothing"
  }

  /// The vaults of a keynode that this node was removed from, as far as it heard of it; needs no identity.
  static func vaults(at paths: KeynodePaths) -> [VaultName] {
    guard let node = node(at: paths), let names = try? Keynode.vaults(at: paths) else { return [] }
    return names.filter { (try? Vault.hasRemoved(node, repository: paths.repository(of: $0))) == true }
  }

  /// From `identity.pub`, which may be read while the identity is locked.
  private static func node(at paths: KeynodePaths) -> NodeID? {
    StateFile.read(paths.publicIdentity).flatMap { StateFile.fields($0)["node"] }.flatMap { NodeID($0) }
  }
}
