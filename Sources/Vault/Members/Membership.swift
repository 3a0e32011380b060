package import GitStore

/// One member of a vault.
package struct Member: Hashable, Sendable {
  package var role: Role
  /// The age recipient that epoch keys are encrypted to; `age1…`.
  package var recipient: String
  /// The first epoch whose key it was given; 1 is the whole history.
  package var since: UInt32 = 1

  /// The file `members/NODE-ID`.
  var encoded: [UInt8] {
    let start = since > 1 ? "since \(since)\n" : ""
    return [UInt8]("polykey member\nrole \(role.rawValue)\nrecipient \(recipient)\n\(start)".utf8)
  }

  init(role: Role, recipient: String, since: UInt32 = 1) {
    self.role = role
    self.recipient = recipient
    self.since = since
  }

  /// Reads a member's file; nil if it is none.
  ///
  /// Lines that are not known are ignored.
  init?(_ text: String) {
    let fields = Fields(text)
    guard fields.title == "polykey member", let role = fields["role"].flatMap({ Role(rawValue: String($0)) }),
      let recipient = fields["recipient"]
    else { return nil }
    var since: UInt32 = 1
    if let line = fields["since"] {
      guard let epoch = UInt32(line), epoch > 0 else { return nil }
      since = epoch
    }
    self.init(role: role, recipient: String(recipient), since: since)
  }
}

/// What counts of a node that may write no more.
package struct Frontier: Hashable, Sendable {
  /// Its newest commit that counts, with all before it; nil if none does.
  package var tip: ObjectName?
  /// The view in which it lost its role, from which it is told what it could read; nil before the first version.
  package var view: ObjectName?

  /// The file `removed/NODE-ID`.
  var encoded: [UInt8] {
    func text(_ name: ObjectName?) -> String { name?.hex ?? "none" }
    return [UInt8]("polykey removed\nfrontier \(text(tip))\nview \(text(view))\n".utf8)
  }

  init(tip: ObjectName?, view: ObjectName?) {
    self.tip = tip
    self.view = view
  }

  /// Reads the file; nil if it is none.
  init?(_ text: String) {
    let fields = Fields(text)
    func name(_ word: String) -> ObjectName?? {
      guard let value = fields[word] else { return nil }
      if value == "none" { return .some(nil) }
      return ObjectName(hex: value.utf8).map { .some($0) }
    }
    guard fields.title == "polykey removed", let tip = name("frontier"), let view = name("view") else { return nil }
    self.init(tip: tip, view: view)
  }
}

/// A vault's members as one commit of the `members` branch has them.
package struct Membership: Sendable {
  /// The branch.
  static let branch = "refs/heads/members"
  /// The format of vaults that are made now, the newest that is known.
  package static let newestFormat = 2
  /// Members of one vault, at most; a merge considers the tips of all that write.
  static let limit = 120

  package let vault: VaultID
  /// The vault's format: 1...``newestFormat``.
  package internal(set) var format: Int
  /// The membership commit.
  package var commit: ObjectName
  package var members: [NodeID: Member]
  /// Nodes that could write once, and may no more.
  package var removed: [NodeID: Frontier]
  /// Names of the blobs of `keys/EPOCH.age`.
  var keys: [UInt32: ObjectName]
  /// The blob of `people.age`.
  var people: ObjectName
  /// The blobs of `vault` and `genesis`, which never change.
  var constants: Constants
  /// The owners by the order in which they became it: 0 is the founder.
  var seniority: [NodeID: Int]

  struct Constants: Hashable, Sendable {
    var description: ObjectName
    var genesis: ObjectName
  }

  /// The generation of the key that new versions are encrypted under.
  package var epoch: UInt32 { keys.keys.max() ?? 0 }

  /// Which of a node's commits count of themselves, whatever others build on.
  enum Standing: Hashable {
    /// All that are valid.
    case writes
    /// Those up to this one; nil is none.
    case upTo(ObjectName?)
  }

  func standing(of node: NodeID) -> Standing {
    if members[node]?.role.mayWrite == true { return .writes }
    return .upTo(removed[node]?.tip)
  }
}

extension Membership {
  /// Decodes the tree of a membership commit; what it says is judged by ``MembershipLog``.
  ///
  /// - Throws: ``VaultError/notAVault``, ``VaultError/formatUnsupported(_:)``, ``VaultError/commitInvalid(_:_:)``.
  init(of commit: ObjectName, tree root: ObjectName, in source: some ObjectSource) throws(VaultError) {
    let tree = try TreeReader(of: commit, tree: root, in: source)
    guard let description = try tree.text("vault") else { throw .notAVault }
    let fields = Fields(description.text)
    guard fields.title == "polykey vault", let format = fields["format"].flatMap({ Int($0) }) else { throw .notAVault }
    guard 1...Membership.newestFormat ~= format else { throw .formatUnsupported(format) }
    guard let vault = fields["id"].flatMap({ VaultID(hex: $0) }), let genesis = try tree.text("genesis"),
      let entry = Genesis(genesis.text), entry.vault == vault
    else { throw .notAVault }
    let malformed = VaultError.commitInvalid(commit, .malformed)
    try tree.allowOnly(files: ["vault", "genesis", "people.age"], directories: ["members", "removed", "keys"])

    var members: [NodeID: Member] = [:]
    for (name, text) in try tree.texts(in: "members") {
      guard let node = NodeID(name), let member = Member(text) else { throw malformed }
      members[node] = member
    }
    var removed: [NodeID: Frontier] = [:]
    for (name, text) in try tree.texts(in: "removed") {
      guard let node = NodeID(name), let frontier = Frontier(text) else { throw malformed }
      removed[node] = frontier
    }
    var keys: [UInt32: ObjectName] = [:]
    for (name, blob) in try tree.entries(in: "keys") {
      guard name.hasSuffix(".age"), let epoch = UInt32(name.dropLast(4)), name == "\(epoch).age" else {
        throw malformed
      }
      keys[epoch] = blob
    }
    guard keys.keys.max() == UInt32(keys.count), let people = tree.blob("people.age") else { throw malformed }
    self.init(
      vault: vault, format: format, commit: commit, members: members, removed: removed, keys: keys, people: people,
      constants: Constants(description: description.blob, genesis: genesis.blob), seniority: [entry.owner: 0])
  }

  /// The file `vault`.
  static func description(of vault: VaultID, format: Int) -> NewObject {
    NewObject(kind: .blob, bytes: [UInt8]("polykey vault\nformat \(format)\nid \(vault.hex)\n".utf8))
  }

  /// The tree of this state: its objects but the blobs of `constants`, `keys` and `people`, the root last.
  func encodeTree() -> [NewObject] {
    var objects: [NewObject] = []
    func add(_ kind: ObjectKind, _ bytes: [UInt8]) -> ObjectName {
      let object = NewObject(kind: kind, bytes: bytes)
      objects.append(object)
      return object.name
    }
    func directory(_ files: [(name: String, blob: ObjectName)]) -> ObjectName {
      add(.tree, Tree.encode(files.map { TreeEntry(mode: .file, name: $0.name, object: $0.blob) }))
    }
    var entries = [
      TreeEntry(mode: .file, name: "genesis", object: constants.genesis),
      TreeEntry(mode: .file, name: "people.age", object: people),
      TreeEntry(mode: .file, name: "vault", object: constants.description),
      TreeEntry(
        mode: .directory, name: "keys", object: directory(keys.map { ("\($0.key).age", $0.value) })),
      TreeEntry(
        mode: .directory, name: "members",
        object: directory(members.map { ($0.key.text, add(.blob, $0.value.encoded)) })),
    ]
    if !removed.isEmpty {
      entries.append(
        TreeEntry(
          mode: .directory, name: "removed",
          object: directory(removed.map { ($0.key.text, add(.blob, $0.value.encoded)) })))
    }
    _ = add(.tree, Tree.encode(entries))
    return objects
  }
}
