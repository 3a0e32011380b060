import Foundation
import TestSupport
import Testing

/// Vaults of every format that was ever written, which must open for ever; Fixtures/README.md says what they hold.
@Suite("Fixture vaults") struct FixtureTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures").path

  /// An installation with the fixture's keynode.
  private func installation(format: Int) throws -> Installation {
    let installation = try Installation(empty: ())
    try Program.check([
      "tar", "-xf", "\(FixtureTests.fixtures)/format-\(format)/keynode.tar", "-C", installation.directory.path,
    ])
    return installation
  }

  private func committed(_ name: String, format: Int) throws -> String {
    try String(contentsOfFile: "\(FixtureTests.fixtures)/format-\(format)/\(name)", encoding: .utf8)
  }

  @Test(arguments: [1])
  func `contents and metadata are what they were, mounted`(format: Int) throws {
    let installation = try installation(format: format)
    try installation.mount()
    let tree = try Program.check([
      "python3", "\(FixtureTests.fixtures)/describe.py", "\(installation.mountPoint)/default",
    ])
    #expect(String(decoding: tree.output, as: UTF8.self) == (try committed("tree", format: format)))
    // It is a vault like any other.
    try installation.shell("echo new > db/new; echo changed > db/password; cat db/new")
    try installation.unmount()
    #expect(try installation.polykey("show", "default:db/password@~1").text == "correct horse battery staple")
    try installation.polykey("verify", "default")
    try Program.check(["git", "-C", installation.repository(), "fsck", "--strict"])
  }

  @Test func `a vault of format 1 is upgraded by its owner, and goes on`() throws {
    let installation = try installation(format: 1)
    try installation.polykey("set", "default:before", input: "1")
    func readme() throws -> String {
      try Program.check(["git", "-C", installation.repository(), "rev-parse", "main:README.md"]).text
    }
    #expect(try readme().hasPrefix("a952f1e9"))
    try installation.polykey("vault", "upgrade", "default")
    try installation.polykey("vault", "upgrade", "default")
    try installation.polykey("set", "default:after", input: "2")
    #expect(try !readme().hasPrefix("a952f1e9"))
    #expect(try installation.polykey("get", "default:before").text == "1")
    #expect(try installation.polykey("get", "default:db/password").text == "correct horse battery staple")
    try installation.polykey("verify", "default")
  }

  @Test(arguments: [1])
  func `every version is what it was, and verifies`(format: Int) throws {
    let installation = try installation(format: format)
    try installation.polykey("verify", "default")
    let log = try installation.polykey("log", "--json", "default").text.split(separator: "\n")
    let versions = try committed("versions", format: format).split(separator: "\n")
    #expect(log.count == versions.count)
    for (line, expected) in zip(log, versions) {
      let (now, then) = (try json(line), try json(expected))
      for key in ["version", "clock", "changes"] {
        #expect(now[key] as? NSObject == then[key] as? NSObject, "\(expected.prefix(80)): \(key)")
      }
    }
    for (secret, content) in [
      ("db/password@~0", "correct horse battery staple"), ("db/password@~4", "hunter2"),
      ("db/app.conf@~0", "host=db.example\nport=5432"), ("removed@~1", "gone in the newest version"),
      ("db/renamed@~0", "known by another name"),
    ] { #expect(try installation.polykey("show", "default:\(secret)").text == content, "\(secret)") }
  }
}

/// The members of one JSON object.
func json(_ text: some StringProtocol) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
}
