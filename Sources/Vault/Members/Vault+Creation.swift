internal import GitStore
internal import SecretMemory

extension Vault {
  /// Makes a vault's repository at `path`: its genesis, with one owner and the first epoch's key.
  static func create(at path: String, owner: Identity) throws(VaultError) {
    let nonce: [UInt8]
    do {
      nonce = try SecretBytes(randomCount: 32).withBytes { unsafe $0.withUnsafeBytes { unsafe [UInt8]($0) } }
    } catch {
      throw .memoryUnavailable
    }
    let key = try EpochKeys.first(for: owner)
    let genesis = Genesis(nonce: nonce, owner: owner.node, recipient: owner.recipient)
    func blob(_ text: String) -> NewObject { NewObject(kind: .blob, bytes: [UInt8](text.utf8)) }
    let description = blob("polykey vault\nformat \(Membership.format)\nid \(genesis.vault.hex)\n")
    let entry = NewObject(kind: .blob, bytes: genesis.encoded)
    let member = blob("polykey member\nrole owner\nrecipient \(owner.recipient)\n")
    let keyFile = NewObject(kind: .blob, bytes: key.file)
    let people = NewObject(kind: .blob, bytes: key.people)
    func tree(_ entries: [TreeEntry]) -> NewObject { NewObject(kind: .tree, bytes: Tree.encode(entries)) }
    let members = tree([TreeEntry(mode: .file, name: owner.node.text, object: member.name)])
    let keys = tree([TreeEntry(mode: .file, name: "1.age", object: keyFile.name)])
    let root = tree([
      TreeEntry(mode: .file, name: "genesis", object: entry.name),
      TreeEntry(mode: .directory, name: "keys", object: keys.name),
      TreeEntry(mode: .directory, name: "members", object: members.name),
      TreeEntry(mode: .file, name: "people.age", object: people.name),
      TreeEntry(mode: .file, name: "vault", object: description.name),
    ])
    let commit = try SignedCommit(
      tree: root.name, parents: [], message: MembersMessage(vault: genesis.vault, node: owner.node).encoded,
      time: SignedCommit.now
    ).object(signedBy: owner)

    let repository: Repository
    do {
      repository = try Repository.create(at: path)
    } catch {
      throw .repository(error)
    }
    try repository.add(
      [description, entry, member, keyFile, people, members, keys, root, commit], durable: true)
    guard try repository.move(Membership.branch, from: nil, to: commit.name, durable: true) else { throw .vaultExists }
    try repository.pointSymbolically(Vault.main, to: Vault.branch(of: owner.node))
  }
}
