internal import GitStore
internal import SSHSignature

/// The rules that a data commit must keep to be believed, each alone; docs/format.md, "Data commit".
struct CommitVerifier {
  private let log: MembershipLog

  init(_ log: MembershipLog) { self.log = log }

  /// Checks a data commit's message, author and signature.
  ///
  /// - Throws: ``VaultError/commitInvalid(_:_:)``.
  func verify(_ commit: CommitObject, named name: ObjectName) throws(VaultError) -> CommitMessage {
    guard let message = CommitMessage(commit.message) else { throw .commitInvalid(name, .message) }
    guard message.vault == log.vault else { throw .commitInvalid(name, .otherVault) }
    guard let members = log.state(at: message.members), members.members[message.node]?.role.mayWrite == true else {
      throw .commitInvalid(name, .notAMember)
    }
    // The last one has no next.
    guard 1..<UInt64.max ~= message.clock else { throw .commitInvalid(name, .clock) }
    guard members.keys[message.epoch] != nil else { throw .commitInvalid(name, .message) }
    guard commit.parents.count <= 1 else { throw .commitInvalid(name, .parents) }
    try CommitVerifier.verifySignature(of: commit, named: name, by: message.node)
    return message
  }

  /// Checks that `node` signed the commit, and stands in it as author and committer: stock tools show no other.
  static func verifySignature(of commit: CommitObject, named name: ObjectName, by node: NodeID) throws(VaultError) {
    guard let signature = commit.signature else { throw .commitInvalid(name, .signatureMissing) }
    guard Identity.verify(signature, of: commit.signedPayload, namespace: SignedCommit.namespace, by: node) else {
      throw .commitInvalid(name, .signatureWrong)
    }
    let person = Person(
      name: node.short, address: SignedCommit.principal(of: node), seconds: commit.author.seconds)
    guard commit.author == person, commit.committer == person, commit.otherHeaders.isEmpty else {
      throw .commitInvalid(name, .author)
    }
  }
}
