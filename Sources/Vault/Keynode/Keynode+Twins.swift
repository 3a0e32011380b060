internal import GitStore

// One vault has one name on a keynode: two repositories of it would each go on with this node's branch, and part for good.
extension Keynode {
  /// The name that a vault has here; nil if it is not here.
  package static func name(of id: VaultID, at paths: KeynodePaths) throws(VaultError) -> VaultName? {
    // The name that was noted first, as somebody may have copied the repository.
    let names = try vaults(at: paths).filter { (try? Vault.id(ofRepository: paths.repository(of: $0))) == id }
    return names.first { Vault.id(named: $0, state: paths.state) == id } ?? names.first
  }

  /// The names of vaults that are here under another name, too, which is the one that is used.
  package static func twins(at paths: KeynodePaths) -> [VaultName: VaultName] {
    var names: [VaultID: [VaultName]] = [:]
    for name in (try? vaults(at: paths)) ?? [] {
      if let id = try? Vault.id(ofRepository: paths.repository(of: name)) { names[id, default: []].append(name) }
    }
    var twins: [VaultName: VaultName] = [:]
    for (id, names) in names where names.count > 1 {
      let used = names.first { Vault.id(named: $0, state: paths.state) == id } ?? names[0]
      for name in names where name != used { twins[name] = used }
    }
    return twins
  }

  /// Refuses a vault that is here under another name.
  ///
  /// - Throws: ``VaultError/vaultNamed(_:)``.
  func requireOnlyName(_ name: VaultName, of id: VaultID) throws(VaultError) {
    // Nothing is to be looked for once it is known under this name.
    guard Vault.id(named: name, state: paths.state) != id else { return }
    if let other = try Keynode.name(of: id, at: paths), other != name { throw .vaultNamed(other) }
  }
}

extension Vault {
  /// The id of the vault in a repository, read and not verified.
  static func id(ofRepository path: String) throws(VaultError) -> VaultID {
    let repository: Repository
    do { repository = try Repository(inspecting: path) } catch { throw .repository(error) }
    guard let tip = try repository.tip(of: Membership.branch) else { throw .notAVault }
    return try Membership(of: tip, tree: try repository.loadCommit(tip).tree, in: repository).vault
  }
}
