import TestSupport
import Testing

/// What `polykey log` tells of one secret is what its user did to it: a version for each completed write, and no others.
@Suite("Versions of a secret") struct VersionTests {
  @Test func `each of a hundred writes to ten secrets is a version of its own secret`() throws {
    let installation = try Installation()
    try installation.mount()
    let counts = try installation.shell(
      """
      for round in 1 2 3 4 5 6 7 8 9 10; do for secret in a b c d e f g h i j; do
        echo $secret $round > $secret; git -C "$REPOSITORY" rev-list --count main
      done; done
      """, environment: ["REPOSITORY": installation.repository()])
    #expect(counts.text == (1...100).map(String.init).joined(separator: "\n"))
    for secret in "abcdefghij" {
      #expect(
        try installation.versions(of: "\(secret)") == Array(repeating: "M \(secret)", count: 9) + ["A \(secret)"])
      for back in 0..<10 {
        #expect(try installation.polykey("show", "default:\(secret)@~\(back)").text == "\(secret) \(10 - back)")
      }
    }
  }

  /// What a program does to `secret`, which has one version, and the versions that it then has, newest first.
  static let writes: [(program: String, versions: [String])] = [
    ("echo more >> secret", ["M secret", "A secret"]),
    ("echo new > new; mv new secret", ["M secret", "A secret"]),
    ("cp -p /etc/passwd secret", ["M secret", "A secret"]),
    ("install -m 600 /etc/passwd secret", ["A secret", "D secret", "A secret"]),
    ("truncate -s 3 secret", ["M secret", "A secret"]),
    ("dd if=/etc/passwd of=secret bs=7 status=none", ["M secret", "A secret"]),
    ("dd if=/etc/passwd of=secret bs=64 conv=fsync status=none", ["M secret", "A secret"]),
    ("cat secret > /dev/null; test -f secret; ls -l > /dev/null", ["A secret"]),
    ("mv secret other; mv other secret", ["R other -> secret", "R secret -> other", "A secret"]),
    ("mkdir d; mv secret d; mv d/secret secret", ["R d/secret -> secret", "R secret -> d/secret", "A secret"]),
    ("rm secret; echo again > secret", ["A secret", "D secret", "A secret"]),
  ]

  @Test(arguments: writes)
  func `programs make the versions that their user means`(program: String, versions: [String]) throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell("echo secret > secret")
    try installation.shell(program)
    #expect(try installation.versions(of: "secret") == versions)
  }

  @Test func `a directory that had something in it is not restored as an empty one`() throws {
    let installation = try Installation()
    try installation.polykey("mkdir", "default:empty")
    try installation.polykey("mkdir", "default:full")
    try installation.polykey("set", "default:full/key", input: "1")
    try installation.polykey("mv", "default:full", "default:moved")
    let version = try #require(
      try installation.polykey("log", "default:moved").text.split(separator: "\n").first?.prefix(12))
    try installation.polykey("rm", "-r", "default:moved")
    try installation.expectRefusal(
      ["restore", "default:moved@\(version)"], status: 1, saying: "restore each of these by its path")
    #expect(try installation.attempt("get", "default:moved/key").status == 3)
    try installation.polykey("restore", "default:moved/key@\(version)")
    #expect(try installation.polykey("get", "default:moved/key").text == "1")
    try installation.polykey("rm", "-r", "default:empty")
    try installation.polykey("restore", "default:empty@~1")
    #expect(try installation.polykey("ls", "default:").text.contains("empty"))
  }

  @Test func `who was admitted without history is told that older versions are withheld, not that they are damaged`()
    throws
  {
    let (first, second) = (try Installation(), try Installation(vaults: []))
    try first.polykey("set", "default:key", input: "old")
    try first.polykey("set", "default:key", input: "new")
    try first.admit(second, flags: "--no-history")
    #expect(try second.polykey("get", "default:key").text == "new")
    let old = try second.attempt("show", "default:key@~1")
    #expect(old.status == 5 && old.errors.contains("its key was not given"))
    let verified = try second.polykey("verify", "default")
    #expect(verified.errors.contains("2 older states are under keys") && verified.errors.contains("all is well"))
    #expect(try second.polykey("log", "default").text.contains("(withheld object "))
  }
}
