import Foundation
import TestSupport
import Testing

/// The promise to the user: a backup and a key give everything back with git, age and tar, and no Polykey.
///
/// The commands are those of the README.md in the vault's own repository, word for word.
@Suite("Restoring without Polykey") struct RestoreTests {
  @Test func `git, age and tar give the whole tree back as it was`() throws {
    let installation = try Installation()
    try installation.mount()
    try Tree.build(in: installation.vaultDirectory)
    let mounted = try Tree.manifest(of: installation.vaultDirectory)
    try installation.unmount()

    let backup = try Backup(of: installation)
    try backup.restore()
    Tree.expectSame(try Tree.manifest(of: backup.restored), mounted)
    #expect(!FileManager.default.fileExists(atPath: backup.directory("vault.key")))

    // And the next mount shows the same tree as the one that wrote it.
    try installation.mount()
    Tree.expectSame(try Tree.manifest(of: installation.vaultDirectory), mounted)
    try installation.checkRepository()
  }

  @Test func `the name of a commit in the place of main gives that version back`() throws {
    let installation = try Installation()
    try installation.mount()
    try installation.shell(
      "mkdir db; echo first > db/password; echo second > db/password; mv db/password pass; rmdir db")
    let commits = try Program.check([
      "git", "-C", installation.repository(), "rev-list", "--reverse", "main",
    ]).text.split(separator: "\n").map(String.init)
    let expected: [[String: String]] = [
      [:], ["db/password": "first\n"], ["db/password": "second\n"], ["pass": "second\n"], ["pass": "second\n"],
    ]
    #expect(commits.count == expected.count)
    for (commit, files) in zip(commits, expected) {
      let backup = try Backup(of: installation)
      try backup.restore(commit)
      let found = try Program.check(["find", "-type", "f", "-printf", "%P\n"], in: backup.restored).text
      #expect(found == files.keys.joined())
      for (path, content) in files {
        #expect(try String(contentsOfFile: "\(backup.restored)/\(path)", encoding: .utf8) == content)
      }
      let hasFolder = FileManager.default.fileExists(atPath: "\(backup.restored)/db")
      #expect(hasFolder == (commit != commits.last))
    }
  }
}

/// What a user has kept: the repository and the identity, on a machine with git, age and tar.
private struct Backup {
  let directory: TemporaryDirectory
  var restored: String { directory("out") }

  init(of installation: Installation) throws {
    directory = try TemporaryDirectory()
    try Program.check(["cp", "-a", installation.repository(), directory("VAULT.git")])
    try Program.check(["cp", "\(installation.home)/identity", directory("IDENTITY")])
    try FileManager.default.createDirectory(atPath: directory("bin"), withIntermediateDirectories: false)
    for tool in ["git", "age", "tar", "grep", "sort", "mkdir", "shred"] {
      let path = try Program.check(["sh", "-c", "command -v \(tool)"]).text
      try FileManager.default.createSymbolicLink(atPath: directory("bin/\(tool)"), withDestinationPath: path)
    }
  }

  /// Runs the indented lines of the README.md on the branch main.
  func restore(_ version: String = "main") throws {
    let text = try Program.check(["git", "-C", directory("VAULT.git"), "show", "main:README.md"]).text
    let script = text.split(separator: "\n").filter { $0.hasPrefix("    ") }.joined(separator: "\n")
    guard script.contains(" main |") else { throw Program.Failure(description: "no commands in README.md: \(text)") }
    try Program.check(
      ["/usr/bin/timeout", "300", "/bin/sh", "-euc", script.replacing(" main |", with: " \(version) |")],
      in: directory.path, environment: ["PATH": directory("bin"), "LC_ALL": "C"])
  }
}
