import SSHSignature
import TestSupport
import Testing

@Suite("git") struct GitTests {
  /// A commit object of the empty tree, in the parts around its gpgsig header.
  private static let header = """
    tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
    author A <a@host> 1700000000 +0000
    committer A <a@host> 1700000000 +0000

    """
  private static let message = "\npolykey\n"

  @Test func `accepts a commit that we signed, and no changed one`() throws {
    let keygen = try SSHKeygen()
    let repository = keygen.directory("r.git")
    try Program.check(["git", "init", "-q", "--bare", repository])
    try Program.check(["git", "-C", repository, "hash-object", "-t", "tree", "-w", "--stdin"])
    let signature = try keygen.key.sign(Array((Self.header + Self.message).utf8), namespace: "git")
    let field = "gpgsig " + String(decoding: signature, as: UTF8.self).dropLast().replacing("\n", with: "\n ") + "\n"

    func verify(_ commit: String) throws -> Program {
      let oid = try Program.check(
        ["git", "-C", repository, "hash-object", "-t", "commit", "-w", "--stdin"], input: Array(commit.utf8)
      ).text
      return try Program.run([
        "git", "-C", repository, "-c", "gpg.ssh.allowedSignersFile=\(keygen.directory("signers"))",
        "verify-commit", "-v", oid,
      ])
    }
    let good = try verify(Self.header + field + Self.message)
    #expect(good.status == 0)
    #expect(
      good.errors.contains("Good \"git\" signature for me@host with ED25519 key \(keygen.key.verifyingKey.fingerprint)")
    )
    #expect(try verify(Self.header + field + "\npolykez\n").status != 0)
    let other = try SigningKey.random().sign(Array((Self.header + Self.message).utf8), namespace: "git")
    let foreign = "gpgsig " + String(decoding: other, as: UTF8.self).dropLast().replacing("\n", with: "\n ") + "\n"
    #expect(try verify(Self.header + foreign + Self.message).status != 0)
  }
}
