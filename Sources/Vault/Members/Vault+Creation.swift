internal import GitStore
internal import SecretMemory

extension Vault {
  /// Makes a vault's repository at `path`: its genesis, with one owner and the first epoch's key.
  static func create(at path: String, owner: Identity, time: Int64) throws(VaultError) {
    let nonce = try Digest.randomBytes(32)
    let founder = Member(role: .owner, recipient: owner.recipient)
    let keyFile = try KeyFiles.newKey().withBytes { text throws(VaultError) in
      try KeyFiles.seal(text, to: [founder], entitledTo: 1)
    }
    let people = try KeyFiles.seal(RawSpan(), to: [founder], entitledTo: 1)
    let genesis = Genesis(nonce: nonce, owner: owner.node, recipient: owner.recipient)
    let description = Membership.description(of: genesis.vault, format: Membership.newestFormat)
    let entry = NewObject(kind: .blob, bytes: genesis.encoded)
    let state = Membership(
      vault: genesis.vault, format: Membership.newestFormat, commit: .zero, members: [owner.node: founder],
      removed: [:], keys: [1: keyFile.name],
      people: people.name, constants: .init(description: description.name, genesis: entry.name), seniority: [:])
    let tree = state.encodeTree()
    guard let root = tree.last else { preconditionFailure("a tree has a root") }
    let commit = try SignedCommit(
      tree: root.name, parents: [], message: MembersMessage(vault: genesis.vault, node: owner.node).encoded,
      time: time
    ).object(signedBy: owner)

    let repository: Repository
    do {
      repository = try Repository.create(at: path)
    } catch {
      throw .repository(error)
    }
    try repository.add([description, entry, keyFile, people] + tree + [commit], durable: true)
    guard try repository.move(Membership.branch, from: nil, to: commit.name, durable: true) else { throw .vaultExists }
  }
}
