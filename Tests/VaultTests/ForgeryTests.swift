import GitStore
import TestSupport
import Testing
import VirtualFS

@testable import Vault

/// Commits that break one rule of docs/format.md each, and are refused for it.
@Suite("Forged commits") struct ForgeryTests {
  enum Message: CaseIterable {
    case otherVault, stranger, unknownMembers, unknownEpoch, extraTrailer, otherSubject, padding, empty

    var flaw: CommitFlaw {
      switch self {
      case .otherVault: .otherVault
      case .stranger, .unknownMembers: .notAMember
      case .unknownEpoch, .extraTrailer, .otherSubject, .padding, .empty: .message
      }
    }

    func forge(_ message: CommitMessage, stranger: Identity) -> [UInt8] {
      var message = message
      switch self {
      case .otherVault: message.vault = VaultID(bytes: [UInt8](repeating: 1, count: 32))
      case .stranger: message.node = stranger.node
      case .unknownMembers: message.members = ObjectName.of(.commit, [])
      case .unknownEpoch: message.epoch = 2
      case .extraTrailer: return message.encoded + [UInt8]("More: x\n".utf8)
      case .otherSubject: return [UInt8]("Polykey\n\n".utf8) + message.encoded.dropFirst(9)
      case .padding: return message.encoded + [0x0A]
      case .empty: return []
      }
      return message.encoded
    }
  }

  /// A sound first commit of one file; its tree and message serve the forgeries.
  private func sample() throws -> (Sample, head: Head, message: CommitMessage) {
    let sample = try Sample()
    var generator = SeededGenerator(seed: 1)
    let node = StoredNode.file(["secret"], [1, 2, 3], object: .random(&generator))
    _ = try VaultBacking(sample.vault).commit(CommitBatch(puts: [node]))
    let head = try #require(try sample.vault.view())
    let message = CommitMessage(
      vault: sample.vault.membership.vault, node: sample.keynode.identity.node, clock: 2,
      members: sample.vault.membership.commit, epoch: 1)
    return (sample, head, message)
  }

  /// Stores a commit after `head` and moves the node's branch to it.
  private func plant(
    _ sample: Sample, after head: Head, tree: ObjectName, message: [UInt8], signedBy identity: Identity? = nil,
    parents: [ObjectName]? = nil, spoil: ([UInt8]) -> [UInt8] = { $0 }
  ) throws -> ObjectName {
    let signed = try SignedCommit(tree: tree, parents: parents ?? [head.commit], message: message, time: 1)
      .object(signedBy: identity ?? sample.keynode.identity)
    let commit = NewObject(kind: .commit, bytes: spoil(signed.bytes))
    try sample.vault.repository.add([commit], durable: false)
    #expect(try sample.vault.advance(from: head.commit, to: commit.name, on: head.commit))
    return commit.name
  }

  /// The vault cannot be read, verified or built upon at `commit`, for this reason.
  private func expectRefused(_ sample: Sample, _ commit: ObjectName, _ flaw: CommitFlaw) throws {
    let expected = VaultError.commitInvalid(commit, flaw)
    #expect(throws: expected) { _ = try VaultBacking(try sample.reopened()) }
    #expect(throws: expected) { try VersionHistory(of: sample.vault).walk { _, _ in true } }
    #expect(try sample.findings().map(\.reason) == [expected])
  }

  @Test(arguments: Message.allCases)
  func `a message that is not this node's next word here is refused`(_ forgery: Message) throws {
    let (sample, head, message) = try sample()
    let stranger = try Identity()
    let commit = try plant(
      sample, after: head, tree: head.tree, message: forgery.forge(message, stranger: stranger),
      signedBy: forgery == .stranger ? stranger : nil)
    try expectRefused(sample, commit, forgery.flaw)
  }

  @Test func `a signature by another, over other bytes, or none, is refused`() throws {
    let (sample, head, message) = try sample()
    let byOther = try plant(
      sample, after: head, tree: head.tree, message: message.encoded, signedBy: try Identity())
    try expectRefused(sample, byOther, .signatureWrong)

    let (second, secondHead, secondMessage) = try self.sample()
    let changed = try plant(second, after: secondHead, tree: secondHead.tree, message: secondMessage.encoded) { bytes in
      // A second later than what was signed.
      Array(String(decoding: bytes, as: UTF8.self).replacing("> 1 +0000", with: "> 2 +0000").utf8)
    }
    try expectRefused(second, changed, .signatureWrong)

    let (third, thirdHead, thirdMessage) = try self.sample()
    let unsigned = try plant(third, after: thirdHead, tree: thirdHead.tree, message: thirdMessage.encoded) { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      guard let start = text.firstRange(of: "gpgsig "), let end = text.firstRange(of: "-----END SSH SIGNATURE-----\n")
      else { return bytes }
      return Array((text[..<start.lowerBound] + text[end.upperBound...]).utf8)
    }
    try expectRefused(third, unsigned, .signatureMissing)
  }

  @Test func `a signature from an unrelated repository is refused, though the same identity made it`() throws {
    let (sample, head, _) = try sample()
    let other = try sample.keynode.createVault(try VaultName("other"))
    let message = CommitMessage(
      vault: other.membership.vault, node: sample.keynode.identity.node, clock: 2, members: other.membership.commit,
      epoch: 1)
    let commit = try plant(sample, after: head, tree: head.tree, message: message.encoded)
    try expectRefused(sample, commit, .otherVault)
  }

  @Test(arguments: [0, 1, 3, UInt64.max])
  func `a clock that is not the parent's next is found`(clock: UInt64) throws {
    let (sample, head, message) = try sample()
    var forged = message
    forged.clock = clock
    let commit = try plant(sample, after: head, tree: head.tree, message: forged.encoded)
    #expect(try sample.findings().first?.reason == .commitInvalid(commit, .clock))
    // With a clock that has no next nobody could write again; the parents are not looked at when a vault is opened.
    guard clock == 0 || clock == .max else { return }
    #expect(throws: VaultError.commitInvalid(commit, .clock)) { _ = try VaultBacking(try sample.reopened()) }
  }

  @Test func `a first commit has clock 1, and a commit one parent at most`() throws {
    let (sample, head, message) = try sample()
    let orphan = try plant(sample, after: head, tree: head.tree, message: message.encoded, parents: [])
    #expect(try sample.findings().first?.reason == .commitInvalid(orphan, .clock))

    let (second, secondHead, secondMessage) = try self.sample()
    let merge = try plant(
      second, after: secondHead, tree: secondHead.tree, message: secondMessage.encoded,
      parents: [secondHead.commit, second.vault.membership.commit])
    #expect(try second.findings().first?.reason == .commitInvalid(merge, .parents))
  }

  @Test(arguments: [
    "notes.txt", "zz", "0", "AB", "conflict", "README.MD", "ab/x.age", "ab/0123.age", "ab/.gitattributes",
    "ab/\(String(repeating: "0", count: 30)).AGE", "ab/\(String(repeating: "A", count: 30)).age",
    "ab/\(String(repeating: "0", count: 30)).p0000000x.age",
  ])
  func `a tree with anything that a vault does not have is refused`(path: String) throws {
    let (sample, head, message) = try sample()
    let parts = path.split(separator: "/").map(String.init)
    let blob = NewObject(kind: .blob, bytes: [])
    var objects = [blob]
    var entry = TreeEntry(mode: .file, name: parts[parts.count - 1], object: blob.name)
    if parts.count == 2 {
      let subtree = NewObject(kind: .tree, bytes: Tree.encode([entry]))
      objects.append(subtree)
      entry = TreeEntry(mode: .directory, name: parts[0], object: subtree.name)
    }
    let tree = NewObject(kind: .tree, bytes: Tree.encode([entry, .readme]))
    try sample.vault.repository.add(objects + [tree], durable: false)
    let commit = try plant(sample, after: head, tree: tree.name, message: message.encoded)
    let expected = VaultError.commitInvalid(commit, .tree)
    #expect(throws: expected) { _ = try VaultBacking(try sample.reopened()) }
    #expect(try sample.findings().contains { $0.reason == expected })
  }

  @Test(arguments: [TreeMode.other(0o120000), .other(0o100755), .other(0o160000), .directory])
  func `a slot with another mode than a plain file's is refused`(mode: TreeMode) throws {
    let (sample, head, message) = try sample()
    let inner = NewObject(kind: .tree, bytes: [])
    let name = String(repeating: "0", count: 30) + ".age"
    let subtree = NewObject(
      kind: .tree, bytes: Tree.encode([TreeEntry(mode: mode, name: name, object: inner.name)]))
    let tree = NewObject(
      kind: .tree, bytes: Tree.encode([TreeEntry(mode: .directory, name: "ab", object: subtree.name), .readme]))
    try sample.vault.repository.add([inner, subtree, tree], durable: false)
    let commit = try plant(sample, after: head, tree: tree.name, message: message.encoded)
    #expect(throws: VaultError.commitInvalid(commit, .tree)) { _ = try VaultBacking(try sample.reopened()) }
  }
}
