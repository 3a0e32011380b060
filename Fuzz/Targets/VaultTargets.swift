import GitStore

@testable import Vault

extension FuzzTarget {
  /// What data, merge and membership commits say, and a genesis entry: each in one form only.
  static let messages = FuzzTarget(
    "messages",
    seeds: {
      let name = ObjectName.of(.blob, [1])
      let vault = VaultID(bytes: [UInt8](repeating: 3, count: 32))
      let node = try Texts.node()
      return [
        CommitMessage(vault: vault, node: node, clock: 7, members: name, epoch: 2).encoded,
        MergeMessage(vault: vault, clock: .max).encoded,
        MembersMessage(vault: vault, node: node, again: [name, name]).encoded,
        Genesis(nonce: vault.bytes, owner: node, recipient: "age1x").encoded,
      ]
    },
    read: { bytes in
      if let message = CommitMessage(bytes) {
        require(message.encoded == bytes, "a data commit's message has one form")
      }
      if let message = MergeMessage(bytes) { require(message.encoded == bytes, "a merge's message has one form") }
      if let message = MembersMessage(bytes) {
        require(message.encoded == bytes, "a membership commit's message has one form")
      }
      let text = String(decoding: bytes, as: UTF8.self)
      if let genesis = Genesis(text) { require(genesis.encoded == [UInt8](text.utf8), "a genesis has one form") }
      if let member = Member(text) {
        require(Member(String(decoding: member.encoded, as: UTF8.self)) == member, "a member's file is read as written")
      }
      if let frontier = Frontier(text) {
        require(
          Frontier(String(decoding: frontier.encoded, as: UTF8.self)) == frontier, "a frontier is read as written")
      }
      let people = People(text)
      require(
        People(String(decoding: people.encoded, as: UTF8.self)).persons.count <= people.persons.count, "no new people")
    })

  /// The trees of membership and data commits: names, and small files with fuzzed contents.
  static let membership = FuzzTarget(
    "membership", seeds: { try Texts.trees() },
    read: { bytes in
      var choices = Choices(bytes)
      let quarantine = Quarantine(for: Scratch.repository)
      var directories: [String: [TreeEntry]] = [:]
      while !choices.isEmpty {
        let path = Texts.path(&choices)
        let blob = NewObject(kind: .blob, bytes: choices.bytes(choices.number() & 0x3FF))
        try quarantine.add(blob)
        directories[path.directory, default: []].removeAll { $0.name == [UInt8](path.name.utf8) }
        directories[path.directory, default: []].append(TreeEntry(mode: .file, name: path.name, object: blob.name))
      }
      var root = directories.removeValue(forKey: "") ?? []
      for (name, entries) in directories {
        root.removeAll { $0.name == [UInt8](name.utf8) }
        let tree = NewObject(kind: .tree, bytes: try Texts.tree(entries))
        try quarantine.add(tree)
        root.append(TreeEntry(mode: .directory, name: name, object: tree.name))
      }
      let tree = NewObject(kind: .tree, bytes: try Texts.tree(root))
      try quarantine.add(tree)
      let commit = ObjectName.of(.blob, [0])
      _ = try? DataTree(reading: tree.name, of: commit, from: quarantine)
      let state = try Membership(of: commit, tree: tree.name, in: quarantine)
      let written = state.encodeTree()
      for object in written { try quarantine.add(object) }
      let again = try written.last.map { try Membership(of: commit, tree: $0.name, in: quarantine) }
      require(again?.members == state.members && again?.removed == state.removed, "a state is read as written")
    })
}

private enum Texts {
  static func node() throws -> NodeID {
    guard let node = NodeID(publicKey: [UInt8](repeating: 1, count: 32)) else { throw VaultError.notAMember }
    return node
  }

  /// Well-known names by a byte, or any.
  static func path(_ choices: inout Choices) -> (directory: String, name: String) {
    let text = { (choices: inout Choices) in String(decoding: choices.bytes(Int(choices.byte() & 63)), as: UTF8.self) }
    switch choices.byte() {
    case 0: return ("", "vault")
    case 1: return ("", "genesis")
    case 2: return ("", "people.age")
    case 3: return ("members", text(&choices))
    case 4: return ("removed", text(&choices))
    case 5: return ("keys", text(&choices))
    case 6: return ("", "README.md")
    case 7: return ("conflicts", text(&choices))
    case 8: return (text(&choices), text(&choices))
    default: return ("", text(&choices))
    }
  }

  /// A tree's bytes; throws where git would not have these names.
  static func tree(_ entries: [TreeEntry]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    for entry in entries.sorted(by: TreeEntry.precedes) {
      bytes += String(entry.mode.rawValue, radix: 8).utf8 + [0x20] + entry.name + [0] + entry.object.bytes
    }
    _ = try Tree(parsing: bytes)
    return bytes
  }

  static func trees() throws -> [[UInt8]] {
    let node = try node()
    let genesis = Genesis(nonce: [UInt8](repeating: 2, count: 32), owner: node, recipient: "age1x")
    func file(_ path: [UInt8], _ content: [UInt8]) -> [UInt8] {
      path + [UInt8(content.count >> 8), UInt8(content.count & 255)] + content
    }
    func named(_ directory: UInt8, _ name: String) -> [UInt8] { [directory, UInt8(name.utf8.count)] + name.utf8 }
    let vault = [UInt8]("polykey vault\nformat 1\nid \(genesis.vault.hex)\n".utf8)
    let common = file([0], vault) + file([1], genesis.encoded) + file([2], [1]) + file(named(5, "1.age"), [2])
    let member = file(named(3, node.text), Member(role: .owner, recipient: "age1x").encoded)
    let removed = file(named(4, node.text), Frontier(tip: nil, view: .of(.blob, [1])).encoded)
    let object = [8, 2] + [UInt8]("ab".utf8) + [34] + [UInt8](String(repeating: "0", count: 30).utf8) + ".age".utf8
    return [common + member, common + removed + member, file([6], [1]) + file(object, [3])]
  }
}
