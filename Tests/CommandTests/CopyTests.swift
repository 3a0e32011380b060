import Foundation
import TestSupport
import Testing

/// A vault is one bare repository: whoever copies it has a backup, and the same identity opens the copy anywhere.
@Suite("Copied repositories") struct CopyTests {
  /// Ways of copying; `$FROM` and `$TO` are the repositories.
  static let ways = [
    "cp -a \"$FROM\" \"$TO\"",
    "rsync -a \"$FROM/\" \"$TO\"",
    "git clone -q --mirror \"$FROM\" \"$TO\"",
    """
    git clone -q --mirror "$FROM" "$TO"; git -C "$TO" gc -q --aggressive --prune=now; git -C "$TO" pack-refs --all
    """,
    "cp -a \"$FROM\" \"$TO\"; git -C \"$TO\" gc -q --aggressive --prune=now; git -C \"$TO\" pack-refs --all",
  ]

  @Test(arguments: ways)
  func `a copy has every secret and every version, and goes on from there`(way: String) throws {
    let original = try Installation()
    try original.mount()
    try CopyTests.write(in: original)
    // While it is mounted, as a backup job does it.
    let copy = try CopyTests.copy(original, by: way)
    try original.unmount()

    try copy.polykey("verify", "default")
    for scope in ["default", "default:db/pass", "default:large", "default:gone"] {
      #expect(try copy.polykey("log", scope).text == original.polykey("log", scope).text)
    }
    let versions = try copy.versionNames(of: "db/pass")
    // The mode, the third content, the new name, the second content, the first.
    for (back, content) in ["three", "three", "two", "two", "one"].enumerated() {
      #expect(try copy.polykey("show", "default:db/pass@~\(back)").text == content)
      #expect(try copy.polykey("show", "default:db/pass@\(versions[back])").text == content)
    }
    #expect(try copy.polykey("show", "default:gone@~1").text == "not for ever")

    try copy.mount()
    try original.mount()
    Tree.expectSame(try Tree.manifest(of: copy.vaultDirectory), try Tree.manifest(of: original.vaultDirectory))
    let before = try copy.commitCount()
    try copy.shell("echo four > db/pass; echo new > new")
    #expect(try copy.commitCount() == before + 2)
    try copy.unmount()
    #expect(try copy.polykey("get", "default:db/pass").text == "four")
    #expect(try copy.versions(of: "db/pass").count == 6)
    #expect(try copy.polykey("show", "default:db/pass@~1").text == "three")
    try copy.polykey("verify", "default")
    try copy.checkRepository()
  }

  @Test func `gc and pack-refs on the repository of a mounted vault harm nothing`() throws {
    let installation = try Installation()
    try installation.mount()
    for round in 1...3 {
      try installation.shell("echo \(round) > secret")
      try Program.check(["git", "-C", installation.repository(), "gc", "-q", "--aggressive", "--prune=now"])
      try Program.check(["git", "-C", installation.repository(), "pack-refs", "--all"])
      try installation.checkRepository()
      #expect(try installation.shell("cat secret").text == "\(round)")
      try installation.shell("echo \(round) after > other")
    }
    try installation.unmount()
    #expect(try installation.versions(of: "secret") == ["M secret", "M secret", "A secret"])
    #expect(try installation.versions(of: "other") == ["M other", "M other", "A other"])
    try installation.polykey("verify", "default")
    try installation.checkRepository()
  }

  /// Secrets with a past: rewritten, renamed, removed, and one of several parts.
  private static func write(in installation: Installation) throws {
    try installation.shell(
      """
      mkdir db; echo one > db/password; echo two > db/password; mv db/password db/pass; echo three > db/pass
      head -c 3000000 /dev/urandom > large; printf x | dd of=large bs=1 seek=1500000 conv=notrunc status=none
      echo not for ever > gone; rm gone; ln -s db/pass link; ln large hard; chmod 400 db/pass
      """)
    // Changes of attributes alone ride with the next commit.
    try installation.shell("echo last > last")
  }

  private static func copy(_ original: Installation, by way: String) throws -> Installation {
    let copy = try Installation(empty: ())
    try FileManager.default.createDirectory(atPath: "\(copy.home)/vaults", withIntermediateDirectories: true)
    try Program.check(["cp", "-a", "\(original.home)/identity", "\(original.home)/identity.pub", copy.home])
    try Program.check(
      ["timeout", "120", "sh", "-euc", way],
      environment: ["FROM": original.repository(), "TO": copy.repository()])
    return copy
  }
}
