package import GitStore

/// What a node says of the members' state that it has accepted.
///
/// It is a signed commit without a parent and without files, alone on the branch `acks/NODE-ID`; a newer one takes its place. An owner stands behind what it has accepted, so that nobody less senior can undo it later. To everybody it is a sign of life.
///
/// Source: docs/format.md, "Acknowledgement".
package struct Acknowledgement: Hashable, Sendable {
  /// The commit.
  package let commit: ObjectName
  package let node: NodeID
  /// Counts the node's acknowledgements, from 1.
  let number: UInt64
  /// The membership commit that it has accepted.
  let members: ObjectName
  /// When it was made, as the node says: seconds since 1970.
  package let time: Int64

  /// The tree of every acknowledgement, which has nothing in it.
  static let tree = NewObject(kind: .tree, bytes: [])

  /// Reads an acknowledgement and verifies its signature.
  ///
  /// - Throws: ``VaultError/commitInvalid(_:_:)`` unless it has this form, and the node that it names signed it.
  init(_ commit: CommitObject, named name: ObjectName, of vault: VaultID) throws(VaultError) {
    guard let message = AcknowledgementMessage(commit.message), 1..<UInt64.max ~= message.number else {
      throw .commitInvalid(name, .message)
    }
    guard message.vault == vault else { throw .commitInvalid(name, .otherVault) }
    guard commit.parents.isEmpty else { throw .commitInvalid(name, .parents) }
    guard commit.tree == Acknowledgement.tree.name else { throw .commitInvalid(name, .tree) }
    try CommitVerifier.verifySignature(of: commit, named: name, by: message.node)
    self.commit = name
    (node, number, members) = (message.node, message.number, message.members)
    time = commit.author.seconds
  }

  /// Whether the node may say so: it is a member of the state that it names, which is known, and of the log; or the state is in a fork, which the
  /// node may take for the log.
  func isByMember(of log: MembershipLog) -> Bool {
    guard log.state(at: members)?.members[node] != nil else { return false }
    return log.current.members[node] != nil || !log.isAncestor(members, of: log.tip)
  }

  /// Whether it takes the place of another of the same node: the higher number does, and of one number, which a copied keynode can make, the
  /// higher name.
  func replaces(_ other: Acknowledgement) -> Bool {
    (number, commit) > (other.number, other.commit)
  }
}

/// The message of an acknowledgement.
struct AcknowledgementMessage: Hashable {
  var vault: VaultID
  var node: NodeID
  var number: UInt64
  var members: ObjectName

  private static let subject = "polykey ack\n\n"

  var encoded: [UInt8] {
    [UInt8]("\(Self.subject)Vault: \(vault.hex)\nNode: \(node)\nNumber: \(number)\nMembers: \(members.hex)\n".utf8)
  }

  init(vault: VaultID, node: NodeID, number: UInt64, members: ObjectName) {
    (self.vault, self.node, self.number, self.members) = (vault, node, number, members)
  }

  /// Reads a message; nil unless it is exactly what ``encoded`` would write.
  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: Self.subject.utf8) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).dropFirst(Self.subject.count).split(separator: "\n")
    func value(_ index: Int, _ word: String) -> Substring? {
      guard index < lines.count, lines[index].hasPrefix(word) else { return nil }
      return lines[index].dropFirst(word.count)
    }
    guard let vault = value(0, "Vault: ").flatMap({ VaultID(hex: $0) }),
      let node = value(1, "Node: ").flatMap({ NodeID($0) }),
      let number = value(2, "Number: ").flatMap({ UInt64($0) }),
      let members = value(3, "Members: ").flatMap({ ObjectName(hex: $0.utf8) })
    else { return nil }
    self.init(vault: vault, node: node, number: number, members: members)
    guard encoded == bytes else { return nil }
  }
}
