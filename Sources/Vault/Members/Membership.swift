internal import Age
package import GitStore

/// What a member may do.
package enum Role: String, Sendable, CaseIterable {
  /// Changes members and keys, writes and reads.
  case owner
  case writer
  case reader
  /// Holds no key: stores and verifies.
  case replica

  var mayWrite: Bool { self == .owner || self == .writer }
}

/// One member of a vault.
package struct Member: Hashable, Sendable {
  package var role: Role
  /// The age recipient that epoch keys are encrypted to; `age1…`.
  package var recipient: String
}

/// A vault's members at one commit of the `members` branch.
package struct Membership: Sendable {
  /// The branch.
  static let branch = "refs/heads/members"
  /// The only format so far.
  static let format = 1

  package let vault: VaultID
  /// The membership commit.
  package let commit: ObjectName
  package let members: [NodeID: Member]
  /// Names of the blobs of `keys/EPOCH.age`.
  let keys: [UInt32: ObjectName]

  /// The generation of the key that new versions are encrypted under.
  package var epoch: UInt32 { keys.keys.max() ?? 0 }
}

extension Membership {
  /// Reads and verifies the members of the vault in `repository`.
  ///
  /// - Throws: ``VaultError/notAVault``, ``VaultError/formatUnsupported(_:)``, ``VaultError/commitInvalid(_:_:)``.
  init(of repository: Repository) throws(VaultError) {
    guard let commit = try repository.tip(of: Membership.branch) else { throw .notAVault }
    let tree = try TreeReader(of: commit, in: repository)
    guard let description = try tree.text("vault") else { throw .notAVault }
    let fields = Fields(description)
    guard fields.title == "polykey vault", let format = fields["format"].flatMap({ Int($0) }) else { throw .notAVault }
    guard format == Membership.format else { throw .formatUnsupported(format) }
    guard let vault = fields["id"].flatMap({ VaultID(hex: $0) }), let genesis = try tree.text("genesis"),
      let entry = Genesis(genesis), entry.vault == vault
    else { throw .notAVault }

    var members: [NodeID: Member] = [:]
    for (name, text) in try tree.texts(in: "members") {
      let fields = Fields(text)
      guard let node = NodeID(name), fields.title == "polykey member",
        let role = fields["role"].flatMap({ Role(rawValue: String($0)) }), let recipient = fields["recipient"]
      else { throw .commitInvalid(commit, .malformed) }
      members[node] = Member(role: role, recipient: String(recipient))
    }
    var keys: [UInt32: ObjectName] = [:]
    for (name, blob) in try tree.entries(in: "keys") {
      guard name.hasSuffix(".age"), let epoch = UInt32(name.dropLast(4)) else {
        throw .commitInvalid(commit, .malformed)
      }
      keys[epoch] = blob
    }
    self.init(vault: vault, commit: commit, members: members, keys: keys)
    try verifyLog(genesis: entry, in: repository)
  }

  /// Verifies the branch: linear from the genesis, and each commit signed by an owner of its parent's state.
  ///
  /// This version of the program makes the genesis only, so one commit with one owner is all that is accepted.
  private func verifyLog(genesis: Genesis, in repository: Repository) throws(VaultError) {
    let object = try repository.loadCommit(commit)
    guard object.parents.isEmpty else { throw .commitInvalid(commit, .parents) }
    guard members == [genesis.owner: Member(role: .owner, recipient: genesis.recipient)] else {
      throw .commitInvalid(commit, .notAMember)
    }
    try CommitVerifier.verifySignature(of: object, named: commit, by: genesis.owner)
    guard object.message == MembersMessage(vault: vault, node: genesis.owner).encoded else {
      throw .commitInvalid(commit, .message)
    }
  }
}

/// The entry that makes a vault; its SHA-256 is the vault's id.
struct Genesis: Hashable, Sendable {
  /// 32 random bytes, which make the id unique.
  var nonce: [UInt8]
  var owner: NodeID
  var recipient: String

  var encoded: [UInt8] {
    [UInt8]("polykey genesis\nnonce \(Hex.encode(nonce))\nowner \(owner)\nrecipient \(recipient)\n".utf8)
  }

  var vault: VaultID { VaultID(bytes: Digest.sha256(encoded)) }

  init(nonce: [UInt8], owner: NodeID, recipient: String) {
    self.nonce = nonce
    self.owner = owner
    self.recipient = recipient
  }

  /// Reads an entry; nil unless it is exactly what ``encoded`` would write.
  init?(_ text: String) {
    let fields = Fields(text)
    guard fields.title == "polykey genesis", let nonce = fields["nonce"].flatMap({ VaultID(hex: $0) }),
      let owner = fields["owner"].flatMap({ NodeID($0) }), let recipient = fields["recipient"]
    else { return nil }
    self.init(nonce: nonce.bytes, owner: owner, recipient: String(recipient))
    guard encoded.elementsEqual(text.utf8) else { return nil }
  }
}

/// The message of a membership commit.
struct MembersMessage {
  var vault: VaultID
  var node: NodeID

  var encoded: [UInt8] { [UInt8]("polykey members\n\nVault: \(vault.hex)\nNode: \(node)\n".utf8) }
}

/// A title line, then lines of a word, a space and a value.
struct Fields {
  let title: Substring
  private var values: [Substring: Substring] = [:]

  init(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    title = lines.first ?? ""
    for line in lines.dropFirst() {
      guard let space = line.firstIndex(of: " ") else { continue }
      values[line[..<space]] = line[line.index(after: space)...]
    }
  }

  subscript(word: String) -> Substring? { values[word[...]] }
}
