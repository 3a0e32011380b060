import Foundation
import TestSupport
import Testing

/// Stock git repositories as replicas without keys.
@Suite("Remotes") struct RemoteTests {
  private func bare(_ installation: Installation) throws -> String {
    let path = installation.directory("remote.git")
    try Program.check(["git", "init", "-q", "--bare", path])
    return path
  }

  @Test func `two keynodes exchange a vault through a bare repository, and a clone of it opens`() throws {
    let (first, second) = try Installation.pair()
    let remote = try bare(first)
    for installation in [first, second] { try installation.polykey("remote", "add", "default", "backup", remote) }
    #expect(try first.polykey("remote", "list", "default").text == "backup  \(remote)")
    #expect(try json(Substring(first.polykey("remote", "list", "default", "--json").text))["url"] as? String == remote)
    try first.polykey("set", "default:a", input: "1")
    try first.polykey("remote", "sync", "default")
    try Program.check(["git", "-C", remote, "fsck", "--strict", "--no-dangling"])
    let pulled = try second.attempt("remote", "sync", "default", "backup", "--pull")
    #expect(pulled.status == 0 && pulled.errors.contains("moved"), "\(pulled.errors)")
    #expect(try second.polykey("get", "default:a").text == "1")
    // Both at once: the remote gets the merge in the end, and both the same.
    try first.polykey("set", "default:b", input: "first's")
    try second.polykey("set", "default:c", input: "second's")
    for installation in [first, second, first] { try installation.polykey("remote", "sync", "default") }
    for installation in [first, second] {
      #expect(try installation.polykey("ls", "default:").text == "a\nb\nc")
      try installation.polykey("verify", "default")
    }
    // Members' changes travel, too.
    try first.polykey("rotate", "default")
    try first.polykey("set", "default:d", input: "4")
    // At last the first hears that the second has accepted the members.
    for installation in [first, second, first] { try installation.polykey("remote", "sync", "default") }
    #expect(try second.polykey("get", "default:d").text == "4")
    let branches = try Program.check(
      ["git", "-C", remote, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads"]).text
    #expect(
      try Program.check(
        ["git", "-C", first.repository(), "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads"]
      ).text == branches)

    let third = try Installation(empty: ())
    try FileManager.default.copyItem(atPath: second.home, toPath: third.home)
    try FileManager.default.removeItem(atPath: third.repository())
    try Program.check(["git", "clone", "-q", "--bare", remote, third.repository()])
    #expect(try third.polykey("get", "default:d").text == "4")

    try first.polykey("remote", "remove", "default", "backup")
    #expect(try first.polykey("remote", "list", "default").text.isEmpty)
    for (line, status) in [
      ("remote remove default backup", 3), ("remote sync default", 3), ("remote sync default --push --pull", 64),
      ("remote add default x http://example.org/x", 64), ("remote add none x /x", 3),
    ] {
      try first.expectRefusal(line.split(separator: " ").map(String.init), status: Int32(status), saying: "polykey: ")
    }
    try first.polykey("remote", "add", "default", "gone", "/none/remote.git")
    try first.expectRefusal(["remote", "sync", "default"], status: 9, saying: "gone: ")
  }

  @Test func `a remote that forges or goes back moves nothing`() throws {
    let (first, second) = try Installation.pair()
    let remote = try bare(first)
    for installation in [first, second] { try installation.polykey("remote", "add", "default", "backup", remote) }
    try first.polykey("set", "default:a", input: "1")
    try first.polykey("remote", "sync", "default")
    try second.polykey("remote", "sync", "default")
    let before = try Program.check(["git", "-C", second.repository(), "for-each-ref"]).text
    let branch = try Program.check(["sh", "-c", "git -C \"$0\" branch | grep -o 'nodes/.*'", remote]).text
    let old = try Program.check(["git", "-C", remote, "rev-parse", branch]).text
    let forged = try Program.check(
      ["git", "-C", remote, "commit-tree", "-p", branch, "-m", "forged", "\(branch)^{tree}"],
      environment: [
        "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x",
      ]
    ).text
    try Program.check(["git", "-C", remote, "update-ref", "refs/heads/\(branch)", forged])
    try second.expectRefusal(["remote", "sync", "default", "--pull"], status: 6, saying: "refused nodes/")
    #expect(try Program.check(["git", "-C", second.repository(), "for-each-ref"]).text == before)
    // Gone back, it is brought forward again.
    try Program.check(["git", "-C", remote, "update-ref", "refs/heads/\(branch)", old])
    try first.polykey("set", "default:a", input: "2")
    try first.polykey("remote", "sync", "default")
    try Program.check(["git", "-C", remote, "update-ref", "refs/heads/\(branch)", old])
    try first.polykey("remote", "sync", "default")
    try second.polykey("remote", "sync", "default")
    #expect(try second.polykey("get", "default:a").text == "2")
  }
}
