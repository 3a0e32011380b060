import GitStore
import SSHSignature
import TestSupport
import Testing

@testable import Vault

/// Commits of honest members that somebody without their keys makes others of: the same, but in another name.
@Suite("Attacks: twins") struct TwinAttackTests {
  /// Another spelling of the same signature.
  enum Spelling: CaseIterable {
    case shortLines, longLines, oneMoreNewline

    func spell(_ signature: [UInt8]) -> [UInt8] {
      let lines = String(decoding: signature, as: UTF8.self).split(separator: "\n")
      let digits = Array(lines.dropFirst().dropLast().joined().utf8)
      let length = self == .shortLines ? 64 : self == .longLines ? 76 : 70
      let rows = stride(from: 0, to: digits.count, by: length).map {
        String(decoding: digits[$0..<min($0 + length, digits.count)], as: UTF8.self)
      }
      let text = ([String(lines[0])] + rows + [String(lines[lines.count - 1])]).joined(separator: "\n")
      return [UInt8](text.utf8) + (self == .oneMoreNewline ? [0x0A] : [])
    }
  }

  private func twin(of commit: NewObject, _ spelling: Spelling) throws -> NewObject {
    var parsed = try CommitObject(parsing: commit.bytes)
    parsed.signature = spelling.spell(try #require(parsed.signature))
    let twin = NewObject(kind: .commit, bytes: parsed.encode())
    try #require(twin.name != commit.name)
    return twin
  }

  /// What a replica could do to a writer: a twin that came first would make the writer's own commits a fork, refused for ever.
  @Test(arguments: Spelling.allCases)
  func `a commit whose signature is spelled in another way is refused, and the true one then comes`(
    spelling: Spelling
  ) throws {
    let scene = try AttackScene([.writer, .replica])
    let commit = try scene.commit(after: try scene.tip(1), by: scene.identity(1))
    let twin = try twin(of: commit, spelling)
    let branch = scene.branch(1)
    let verdict = try scene.offer([branch: twin.name], [twin])
    #expect(verdict.refused[branch] == CommitFlaw.signatureWrong.reason)
    try scene.expectUnchanged()
    #expect(try scene.offer([branch: commit.name], [commit]).moved == [branch: commit.name])
    try scene.expectSound()
  }

  @Test(arguments: Spelling.allCases)
  func `a membership commit's twin does not fork the log`(spelling: Spelling) throws {
    let scene = try AttackScene([.owner, .replica])
    let objects = try scene.membersCommit(by: scene.identity(1)) {
      $0.members[scene.nodes[2].id]?.role = .reader
    }
    let commit = try #require(objects.last)
    let twin = try twin(of: commit, spelling)
    let all = Array(objects.dropLast())
    try scene.expectRefused(BranchName.members, all + [twin], .signatureWrong)
    #expect(try scene.offer([BranchName.members: commit.name], objects).moved == [BranchName.members: commit.name])
    #expect(try scene.victim.log.lost.isEmpty)
  }

  @Test func `our own commit's twin starts no healing`() throws {
    let scene = try AttackScene([.writer])
    let own = try scene.tip(0)
    let bytes = try scene.victim.repository.load(own.name, .commit)
    let twin = try twin(of: NewObject(kind: .commit, bytes: bytes), .shortLines)
    try scene.expectRefused(scene.branch(0), [twin], .signatureWrong)
  }

  @Test func `a signature over SHA-256, which stock tools can make with a member's key, is refused`() throws {
    let scene = try AttackScene([.writer])
    let signed = try scene.commit(after: try scene.tip(1), by: scene.identity(1))
    var commit = try CommitObject(parsing: signed.bytes)
    let directory = try TemporaryDirectory(inMemory: true)
    let key = try scene.identity(1).openSSHPrivateKey()
    let keyFile = try directory.write(unsafe key.withUnsafeBytes { unsafe [UInt8]($0) }, to: "key")
    let file = try directory.write(commit.signedPayload, to: "commit")
    try Program.check(["chmod", "600", keyFile])
    try Program.check(["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-O", "hashalg=sha256", "-f", keyFile, file])
    commit.signature = Array(try Program.check(["cat", "\(file).sig"]).output.dropLast())
    let armored = try ArmoredSignature(text: try #require(commit.signature))
    try #require(armored.hash == .sha256 && armored.isCanonical)
    try scene.expectRefused(
      scene.branch(1), [NewObject(kind: .commit, bytes: commit.encode())], .signatureWrong)
  }
}
