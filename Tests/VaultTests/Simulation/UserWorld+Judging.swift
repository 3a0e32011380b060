import GitStore
import VirtualFS

@testable import Vault

// What must hold of a network, whatever has happened.
extension UserWorld {
  /// What a person's file system shows is what its repository says, read independently.
  func look(_ index: Int) throws {
    let person = persons[index]
    guard let vault = person.vault, let files = person.files, vault.role?.mayRead ?? true else { return }
    person.refresh()
    if vault.role?.mayWrite == true { try files.synchronize() }
    try note(index)
    person.refresh()
    var tree = try files.tree()
    UserWorld.prune(&tree)
    let shown = UserWorld.canonical(tree)
    guard let view = try vault.view() else {
      if !shown.isEmpty { throw Fault("person \(index) shows something of nothing") }
      return
    }
    let reader = try IndependentReader(vault.repository, identity: person.keynode.identity.decryption)
    // Whose keys do not open all has stand-ins, of which the page says nothing.
    guard let read = try reader.tree(of: view.commit).map(UserWorld.canonical) else { return }
    for path in Set(shown.keys).union(read.keys).sorted() where shown[path] != read[path] {
      throw Fault(
        "person \(index) shows at \(path): \(shown[path].map { "\($0)" } ?? "nothing"); read: \(read[path].map { "\($0)" } ?? "nothing")"
      )
    }
  }

  /// Takes out what is left of `.conflicts` while nothing is in it: it goes with the next start.
  private static func prune(_ tree: inout [[UInt8]: IndependentReader.Node]) {
    for (path, node) in tree.sorted(by: { $0.key.count > $1.key.count })
    where node.kind == UInt8(ascii: "5") && Presentation.isAside([path]) {
      if !tree.keys.contains(where: { $0.starts(with: path + [0x2F]) }) { tree[path] = nil }
    }
  }

  private static func canonical(_ tree: [[UInt8]: IndependentReader.Node]) -> [String: String] {
    var names: [Int: [String]] = [:]
    for (path, node) in tree where node.kind != UInt8(ascii: "5") {
      names[node.file, default: []].append(String(decoding: path, as: UTF8.self))
    }
    var result: [String: String] = [:]
    for (path, node) in tree {
      let kind = String(decoding: [node.kind], as: UTF8.self)
      let mode = kind == "2" ? "" : String(node.mode, radix: 8)
      let isFile = kind != "5"
      let content =
        "\(node.bytes.count):\(String(decoding: node.bytes.prefix(12), as: UTF8.self)):\(node.bytes.hashValue)"
      result[String(decoding: path, as: UTF8.self)] =
        "\(kind) \(mode) \(content)\(isFile ? " as \((names[node.file] ?? []).sorted())" : "")"
    }
    return result
  }

  /// What is there when all have talked to each other.
  func judge() throws {
    try settle()
    let membership = try vault(0).membership
    let members = persons.indices.filter { persons[$0].vault != nil && membership.members[node($0)] != nil }
    let views = try members.map { try persons[$0].vault?.view() }
    if Set(views).count > 1 { throw Fault("they do not agree") }
    if Set(members.map { persons[$0].vault?.membership.commit }).count > 1 { throw Fault("two lists of members") }
    for index in members { try look(index) }
    let before = try members.map { try persons[$0].tips }
    try settle()
    if try members.map({ try persons[$0].tips }) != before { throw Fault("something moved at rest") }
    if let view = views.first ?? nil { try judgeValues(view, in: try vault(0)) }
    for index in members {
      try persons[index].restart()
      try look(index)
      guard persons[index].vault?.role?.mayRead == true else { continue }
      var reasons: [VaultError] = []
      _ = try persons[index].vault?.verify { reasons.append($0.reason) }
      // Where a copy was put back the repository is told of, until others have given what it lacks.
      if !reasons.isEmpty { throw Fault("person \(index): verify finds \(reasons)") }
    }
  }

  /// What a call returned for is there, at its place or among what lost, or somebody who had seen it replaced it.
  private func judgeValues(_ view: Head, in vault: Vault) throws {
    let graph = vault.graph
    let final = try DataTree(reading: view.tree, of: view.commit, from: vault.repository)
    var kept: [ObjectID: Set<[ObjectName]>] = [:]
    for key in final.keys { kept[key.object, default: []].insert(final.entries(of: key).map(\.blob)) }
    let all = try Divergence.commits(reachedBy: [view.commit], butNotBy: [], in: graph)
    let known = Set(all.map(\.name))
    for (node, commit) in acknowledged where !demoted.contains(node) {
      guard known.contains(commit) else { throw Fault("an acknowledged version is gone") }
    }
    // The data commits that change an object, and what they make of it.
    var changes: [ObjectKey: [(commit: GraphCommit, value: [ObjectName])]] = [:]
    for commit in all where !commit.isMerge {
      let tree = try graph.tree(commit)
      for key in DataTree.differences(try graph.treeBefore(commit, sharing: tree), tree) {
        changes[key, default: []].append((commit, tree.entries(of: key).map(\.blob)))
      }
    }
    for (key, list) in changes {
      for (commit, value) in list where !value.isEmpty {
        if kept[key.object]?.contains(value) == true { continue }
        let isReplaced = try list.contains { later in
          guard later.commit.name != commit.name, later.commit.clock > commit.clock else { return false }
          return try Divergence(of: [commit.name, later.commit.name].sorted(), in: graph).tips(reaching: commit.name)
            == 3
        }
        let isDecided =
          try isReplaced
          || changes.contains { other, list in
            guard other.object == key.object, other.lost != nil else { return false }
            return try list.contains { later in
              guard later.commit.clock > commit.clock else { return false }
              return try Divergence(of: [commit.name, later.commit.name].sorted(), in: graph).tips(
                reaching: commit.name) == 3
            }
          }
        if !isDecided { throw Fault("what version \(commit.clock) made of an object is nowhere") }
      }
    }
  }
}
