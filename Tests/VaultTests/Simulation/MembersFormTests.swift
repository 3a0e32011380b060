import GitStore
import TestSupport
import Testing

@testable import Vault

/// Membership commits of an owner that say what they may, but not in the one form that they may have.
@Suite("Attacks: the form of membership commits") struct MembersFormTests {
  /// What the commit's tree is given, or has in another form.
  enum Form: CaseIterable {
    case extraFile, extraDirectory, membersAsFile, memberAsLink, memberAsDirectory, descriptionAsLink
    case keyWithZero, keyMissing, keyOfOtherName, sinceZero, roleUnknown, roleTwice, memberOfNoNode
    case frontierOfNoCommit, noPeople

    var reason: String {
      switch self {
      case .extraFile, .extraDirectory, .membersAsFile, .memberAsLink, .memberAsDirectory: CommitFlaw.tree.reason
      case .descriptionAsLink: "it is no vault"
      default: CommitFlaw.malformed.reason
      }
    }
  }

  private func blob(_ text: String) -> NewObject { NewObject(kind: .blob, bytes: [UInt8](text.utf8)) }

  /// The rows of the state's tree, changed; objects that are new are added to `objects`.
  private func rows(
    _ form: Form, _ rows: [TreeEntry], _ scene: AttackScene, _ objects: inout [NewObject]
  ) throws -> [TreeEntry] {
    let repository = try scene.victim.repository
    var rows = rows
    func entries(_ name: String) throws -> [TreeEntry] {
      let tree = try #require(rows.first { $0.name == Array(name.utf8) })
      return try repository.entries(ofTree: tree.object)
    }
    func put(_ entry: TreeEntry, at name: String) {
      rows.removeAll { $0.name == Array(name.utf8) }
      rows.append(entry)
    }
    func directory(_ name: String, _ entries: [TreeEntry]) {
      objects.append(NewObject(kind: .tree, bytes: Tree.encode(entries)))
      put(TreeEntry(mode: .directory, name: name, object: objects[objects.count - 1].name), at: name)
    }
    func add(_ name: String, _ text: String, mode: TreeMode = .file, to directoryName: String) throws {
      objects.append(blob(text))
      let entry = TreeEntry(mode: mode, name: name, object: objects[objects.count - 1].name)
      directory(directoryName, try entries(directoryName).filter { $0.name != entry.name } + [entry])
    }
    let node = try Identity()
    let member = "polykey member\nrole reader\nrecipient \(node.recipient)\n"
    let key = try entries("keys")[0]
    switch form {
    case .extraFile: rows.append(TreeEntry(mode: .file, name: ".gitattributes", object: key.object))
    case .extraDirectory: directory("hooks", [key])
    case .membersAsFile: put(TreeEntry(mode: .file, name: "members", object: key.object), at: "members")
    case .memberAsLink: try add(node.node.text, member, mode: .other(0o120000), to: "members")
    case .memberAsDirectory:
      let old = try #require(rows.first { $0.name == Array("members".utf8) })
      directory(
        "members",
        try entries("members") + [TreeEntry(mode: .directory, name: node.node.text, object: old.object)])
    case .descriptionAsLink:
      let old = try #require(rows.first { $0.name == Array("vault".utf8) })
      put(TreeEntry(mode: .other(0o120000), name: "vault", object: old.object), at: "vault")
    case .keyWithZero: directory("keys", [TreeEntry(mode: .file, name: "01.age", object: key.object)])
    case .keyMissing: directory("keys", [key, TreeEntry(mode: .file, name: "3.age", object: key.object)])
    case .keyOfOtherName: directory("keys", [key, TreeEntry(mode: .file, name: "2.txt", object: key.object)])
    case .sinceZero: try add(node.node.text, member + "since 0\n", to: "members")
    case .roleUnknown: try add(node.node.text, member.replacing("reader", with: "god"), to: "members")
    case .roleTwice: try add(node.node.text, member + "role owner\n", to: "members")
    case .memberOfNoNode: try add("nobody", member, to: "members")
    case .frontierOfNoCommit:
      objects.append(blob("polykey removed\nfrontier x\nview none\n"))
      directory("removed", [TreeEntry(mode: .file, name: node.node.text, object: objects[objects.count - 1].name)])
    case .noPeople: rows.removeAll { $0.name == Array("people.age".utf8) }
    }
    return rows
  }

  private func commit(
    _ scene: AttackScene, tree: ObjectName, parents: [ObjectName]? = nil, message: [UInt8]? = nil
  ) throws -> NewObject {
    let bytes = try message ?? MembersMessage(vault: scene.victim.id, node: scene.nodes[1].id).encoded
    return try SignedCommit(
      tree: tree, parents: parents ?? [try scene.victim.log.tip], message: bytes, time: 1_700_000_000
    ).object(signedBy: scene.identity(1))
  }

  @Test(arguments: Form.allCases)
  func `a tree in another form is refused`(form: Form) throws {
    let scene = try AttackScene([.owner])
    let repository = try scene.victim.repository
    var objects: [NewObject] = []
    let old = try repository.entries(ofTree: try repository.loadCommit(try scene.victim.log.tip).tree)
    let rows = try rows(form, old, scene, &objects)
    objects.append(NewObject(kind: .tree, bytes: Tree.encode(rows)))
    objects.append(try commit(scene, tree: objects[objects.count - 1].name))
    try scene.expectRefused(BranchName.members, objects, form.reason)
  }

  @Test func `two parents are refused, though both are the log's`() throws {
    let scene = try AttackScene([.owner])
    let repository = try scene.victim.repository
    let tip = try scene.victim.log.tip
    let last = try repository.loadCommit(tip)
    let parents = [tip] + last.parents
    try scene.expectRefused(
      BranchName.members, [try commit(scene, tree: last.tree, parents: parents)], .parents)
  }

  @Test func `a message of another vault, or in another form, is refused`() throws {
    let scene = try AttackScene([.owner])
    let tree = try scene.victim.repository.loadCommit(try scene.victim.log.tip).tree
    let id = VaultID(bytes: [UInt8](repeating: 1, count: 32))
    let other = MembersMessage(vault: id, node: scene.nodes[1].id).encoded
    try scene.expectRefused(BranchName.members, [try commit(scene, tree: tree, message: other)], .otherVault)
    let own = MembersMessage(vault: try scene.victim.id, node: scene.nodes[1].id).encoded
    for message in [own + [0x0A], own + [UInt8]("More: x\n".utf8), own.dropLast()] {
      let now = try AttackScene(now: scene.nodes)
      try now.expectRefused(BranchName.members, [try commit(now, tree: tree, message: message)], .message)
    }
  }
}
