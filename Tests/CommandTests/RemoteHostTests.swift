import Foundation
import TestSupport
import Testing

/// Stock git repositories on real servers as replicas without keys.
@Suite("Remotes on hosts") struct RemoteHostTests {
  /// Two members of one vault, and the variables that their programs see.
  private final class Members {
    let first: Installation
    let second: Installation
    private let environment: [String: String]

    init(home: String) throws {
      (first, second) = try Installation.pair()
      environment = ["HOME": home, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"]
    }

    func run(_ installation: Installation, _ arguments: String...) throws -> Program {
      try Program.run(
        ["env", "-u", "SSH_AUTH_SOCK", "-u", "GIT_SSL_CAINFO", "-u", "GIT_SSL_CAPATH", Installation.program]
          + arguments, environment: installation.environment.merging(environment) { $1 })
    }

    func expectRefusal(_ remote: String, saying words: String) throws {
      let result = try run(first, "remote", "sync", "default", remote)
      #expect(result.status == 9 && result.isOneSentence && result.errors.contains(words), "\(result.errors)")
    }

    /// Exchanges changes of both through a repository that both name `host`, and has the repository's own host tamper with it.
    func exchange(through path: String) throws {
      try first.polykey("set", "default:a", input: "1")
      let sent = try run(first, "remote", "sync", "default", "host")
      #expect(sent.status == 0 && sent.errors.contains("branches sent"), "\(sent.errors)")
      let pulled = try run(second, "remote", "sync", "default", "host", "--pull")
      #expect(pulled.status == 0 && pulled.errors.contains("moved"), "\(pulled.errors)")
      #expect(try second.polykey("get", "default:a").text == "1")
      try second.polykey("set", "default:b", input: String(repeating: "b", count: 3_000_000))
      for installation in [second, first] {
        let synced = try run(installation, "remote", "sync", "default", "host")
        #expect(synced.status == 0, "\(synced.errors)")
      }
      #expect(try first.polykey("get", "default:b").text.utf8.count == 3_000_000)
      try Program.check(["git", "-C", path, "fsck", "--strict", "--no-dangling"])

      let forge = """
        for branch in $(git branch --format='%(refname:short)' | grep nodes/); do
          git update-ref refs/heads/$branch $(git commit-tree -p $branch -m forged "$branch^{tree}")
        done
        """
      let person = ["AUTHOR", "COMMITTER"].flatMap { ["GIT_\($0)_NAME", "GIT_\($0)_EMAIL"] }
      try Program.check(
        ["sh", "-euc", forge], in: path, environment: Dictionary(uniqueKeysWithValues: person.map { ($0, "x") }))
      let before = try Program.check(["git", "-C", second.repository(), "for-each-ref"]).text
      let refused = try run(second, "remote", "sync", "default", "host", "--pull")
      #expect(refused.status == 6 && refused.errors.contains("refused nodes/"), "\(refused.errors)")
      #expect(try Program.check(["git", "-C", second.repository(), "for-each-ref"]).text == before)
    }
  }

  @Test(.enabled(if: getuid() == 0, "sshd needs root"))
  func `over ssh two members exchange a vault, and each failure is a sentence`() throws {
    let server = try SSHServer()
    let members = try Members(home: server.home)
    let repository = server.directory("vault.git")
    try Program.check(["git", "init", "-q", "--bare", repository])
    for installation in [members.first, members.second] {
      try installation.polykey(
        "remote", "add", "default", "host", "ssh://root@127.0.0.1:\(server.port)\(repository)")
    }
    try members.first.polykey("remote", "add", "default", "none", "ssh://root@127.0.0.1:\(server.port)/none.git")
    try members.expectRefusal("host", saying: "key is not trusted")
    try server.trust("host")
    try members.expectRefusal("host", saying: "ssh keys")
    try Program.check(["cp", server.directory("home/key"), server.directory("home/.ssh/id_ed25519")])
    try members.expectRefusal("none", saying: "no such repository")
    try members.exchange(through: repository)
  }

  @Test func `over https two members exchange a vault, and each failure is a sentence`() throws {
    let host = try GitHost()
    let home = try TemporaryDirectory()
    let members = try Members(home: home.path)
    let repository = try host.repository("vault.git")
    for installation in [members.first, members.second] {
      try installation.polykey("remote", "add", "default", "host", host.address("vault.git"))
    }
    for (name, address) in [
      ("none", host.address("none.git")), ("other", host.address("vault.git", host: "127.0.0.1")),
      ("closed", "https://localhost:\(try freePort())/vault.git"),
    ] { try members.first.polykey("remote", "add", "default", name, address) }
    try members.first.expectRefusal(
      ["remote", "add", "default", "x", "https://alice:secret@localhost/vault.git"], status: 64, saying: "no password")

    try members.expectRefusal("host", saying: "certificate is not trusted")
    func configure(_ name: String, _ value: String) throws {
      try Program.check(["git", "config", "--file", home(".gitconfig"), name, value])
    }
    try configure("http.sslCAInfo", home("missing"))
    try members.expectRefusal("host", saying: "cannot be read")
    try configure("http.sslCAInfo", host.authority)
    try members.expectRefusal("other", saying: "certificate is not trusted")
    try members.expectRefusal("host", saying: "wants a user name and a password")
    try configure("credential.helper", "store --file \(home("passwords"))")
    _ = try home.write([UInt8](host.credential(password: "wrong").utf8), to: "passwords")
    try members.expectRefusal("host", saying: "does not accept the user name and password")
    // As with git, a wrong one is forgotten.
    #expect(try String(contentsOfFile: home("passwords"), encoding: .utf8).isEmpty)
    _ = try home.write([UInt8](host.credential(password: GitHost.password).utf8), to: "passwords")
    try members.expectRefusal("none", saying: "no such repository")
    try members.expectRefusal("closed", saying: "cannot be reached")
    try members.exchange(through: repository)
    for installation in [members.first, members.second] {
      #expect(try Program.run(["grep", "-rq", GitHost.password, installation.home]).status == 1)
    }
  }
}
