import Foundation
import TestSupport
import Testing

/// Vaults that travel as git bundles.
@Suite("Bundles") struct BundleTests {
  @Test func `a whole bundle is one that git verifies and clones, and a member makes its vault of it`() throws {
    let (first, second) = try Installation.pair()
    for value in ["one", "two"] { try first.polykey("set", "default:db/password", input: value) }
    let file = first.directory("vault.bundle")
    try first.polykey("bundle", "default", file)
    try Program.check(["git", "bundle", "verify", file], in: first.repository())
    let clone = first.directory("clone")
    try Program.check(["git", "clone", "-q", file, clone])
    #expect(try Program.check(["git", "-C", clone, "ls-files"]).text.contains("README.md"))
    #expect(
      try Program.check(["git", "-C", clone, "rev-parse", "HEAD"]).text
        == Program.check(["git", "-C", first.repository(), "rev-parse", "main"]).text)
    // A plain mirror of the bundle, and an identity, are a vault again.
    let third = try Installation(empty: ())
    try FileManager.default.copyItem(atPath: first.home, toPath: third.home)
    try FileManager.default.removeItem(atPath: third.repository())
    try Program.check(["git", "clone", "-q", "--mirror", file, third.repository()])
    #expect(try third.polykey("get", "default:db/password").text == "two")

    let applied = try second.attempt("apply", "default", file)
    #expect(applied.status == 0 && applied.text.contains("nodes/") && applied.errors.contains("moved"), "\(applied)")
    #expect(try second.attempt("apply", "default", file).errors == "nothing new\n")
    try second.polykey("vault", "remove", "default", "--yes")
    #expect(try second.polykey("apply", "copy", file).status == 0)
    #expect(try second.polykey("get", "copy:db/password").text == "two")
    #expect(try second.polykey("show", "copy:db/password@~1").text == "one")
    try second.polykey("verify", "copy")
    // And it goes back.
    try second.polykey("set", "copy:db/password", input: "three")
    try second.polykey("bundle", "copy", second.directory("back"))
    try first.polykey("apply", "default", second.directory("back"))
    #expect(try first.polykey("get", "default:db/password").text == "three")

    let stranger = try Installation(vaults: [])
    try stranger.expectRefusal(["apply", "default", file], status: 5, saying: "no member")
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(stranger.home)/vaults").isEmpty)
  }

  @Test func `a bundle since a version has only what is newer, and needs that version`() throws {
    let (first, second) = try Installation.pair()
    try first.polykey("set", "default:large", input: String(repeating: "x", count: 300_000))
    let version = try first.versionNames(of: "large")[0]
    let (whole, newer) = (first.directory("whole"), first.directory("newer"))
    try first.expectRefusal(
      ["bundle", "default", newer, "--since", version], status: 1, saying: "nothing newer")
    #expect(!FileManager.default.fileExists(atPath: newer))
    try first.polykey("bundle", "default", whole)
    try first.polykey("set", "default:small", input: "y")
    try first.polykey("bundle", "default", newer, "--since", version)
    let size = try FileManager.default.attributesOfItem(atPath: newer)[.size] as? Int
    #expect(try #require(size) < 20_000)
    try second.expectRefusal(["apply", "default", newer], status: 3, saying: "--since")
    try second.expectRefusal(["apply", "another", newer], status: 3, saying: "--since")
    try second.polykey("apply", "default", whole)
    try second.polykey("apply", "default", newer)
    #expect(try second.polykey("get", "default:small").text == "y")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: "\(second.home)/vaults") == ["default.git"])
    try first.expectRefusal(["bundle", "default", whole, "--since", "0000"], status: 3, saying: "no such version")
    try first.expectRefusal(["bundle", "default", "/none/x"], status: 1, saying: "cannot be written")
    try first.expectRefusal(["apply", "default", "/none/x"], status: 3, saying: "cannot be read")
  }

  @Test func `what does not hold is refused, and nothing moves`() throws {
    let (first, second) = try Installation.pair()
    try first.polykey("set", "default:a", input: "1")
    let file = first.directory("vault.bundle")
    try first.polykey("bundle", "default", file)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    // Acknowledgements of members in good standing are good, whatever comes with them.
    let references = [
      "git", "-C", second.repository(), "for-each-ref", "refs/heads/main", "refs/heads/members", "refs/heads/nodes/",
    ]
    let before = try Program.check(references).text
    for (name, damaged) in [
      ("changed", bytes.enumerated().map { $0 == bytes.count / 2 ? $1 ^ 1 : $1 }), ("short", Array(bytes.dropLast(40))),
      ("no bundle", [UInt8]("hello\n".utf8)), ("empty", []),
    ] {
      let path = try second.directory.write(damaged, to: "damaged")
      try second.expectRefusal(["apply", "default", path], status: 6, saying: "polykey: ")
      #expect(try Program.check(references).text == before, "\(name)")
    }
    // Another vault's, and one with a commit that its author did not make.
    let stranger = try Installation()
    try stranger.polykey("set", "default:a", input: "evil")
    try stranger.polykey("bundle", "default", stranger.directory("other"))
    let other = try second.attempt("apply", "default", stranger.directory("other"))
    #expect(
      other.status == 6 && other.errors.contains("refused members: it was made for another vault"), "\(other.errors)")
    #expect(try Program.check(references).text == before)
    let forged = """
      git -C "$1" branch | grep -o 'nodes/.*' | while read branch; do
        commit=$(git -C "$1" commit-tree -p "$branch" -m forged "$branch^{tree}")
        git -C "$1" update-ref "refs/heads/$branch" $commit
      done
      git -C "$1" bundle create -q "$2" --branches
      """
    let copy = first.directory("copy.git")
    try Program.check(["git", "clone", "-q", "--mirror", first.repository(), copy])
    try Program.check(
      ["sh", "-euc", forged, "sh", copy, first.directory("forged")],
      environment: [
        "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x",
      ])
    let refused = try second.attempt("apply", "default", first.directory("forged"))
    #expect(
      refused.status == 6 && refused.errors.contains("refused nodes/") && !refused.text.contains("nodes/"),
      "\(refused.errors)")
    #expect(try Program.check(references).text == before)
    // The right one still goes.
    try second.polykey("apply", "default", file)
    #expect(try second.polykey("get", "default:a").text == "1")
  }
}
