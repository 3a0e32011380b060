import Foundation
import TestSupport
import Testing

/// What two keynodes wrote at the same time: one value is shown, the other kept until somebody decides.
@Suite("Conflicts") struct ConflictTests {
  /// Two keynodes that both changed `db/password` and have each other's version.
  private func conflict() throws -> (Installation, Installation) {
    let (first, second) = try Installation.pair()
    try first.polykey("set", "default:db/password", input: "common")
    try first.carry(to: second)
    try first.polykey("set", "default:db/password", input: "first's")
    try second.polykey("set", "default:db/password", input: "second's")
    try first.carry(to: second)
    try second.carry(to: first)
    return (first, second)
  }

  private func paths(_ installation: Installation) throws -> [String] {
    try installation.polykey("conflicts", "default").text.split(separator: "\n")
      .map { String($0.split(separator: " ")[0]) }
  }

  @Test func `both list the value that lost; taking it makes it the value of both, in one version`() throws {
    let (first, second) = try conflict()
    let (shown, lost) =
      try first.polykey("get", "default:db/password").text == "first's"
      ? ("first's", "second's") : ("second's", "first's")
    let path = try #require(try paths(first).first)
    #expect(path.hasPrefix(".conflicts/db/password~"))
    #expect(try paths(first) == [path])
    #expect(try paths(second) == [path])
    #expect(try first.polykey("get", "default:\(path)").text == lost)
    let line = try json(Substring(first.polykey("conflicts", "default", "--json").text))
    #expect(line["path"] as? String == path && line["place"] as? String == "db/password")
    let loser = lost == "first's" ? first : second
    let node = try loser.polykey("key", "show").text.split(separator: "\n").first { $0.hasPrefix("node ") }?.dropFirst(
      5)
    #expect(line["node"] as? String == node.map(String.init) && line["time"] is String && line["version"] is String)

    try first.expectRefusal(["conflicts", "default", "--take", "none"], status: 3, saying: "no such conflict")
    try first.expectRefusal(["conflicts", "default", "--take", path, "--keep", path], status: 64, saying: "not both")
    let versions = try first.commitCount()
    try first.polykey("conflicts", "default", "--take", path)
    #expect(try first.commitCount() == versions + 1)
    #expect(try first.polykey("get", "default:db/password").text == lost)
    #expect(try first.polykey("ls", "-r", "default:").text == "db/\ndb/password")
    // Of two at the same time either is told first.
    #expect(try (1...2).contains { try first.polykey("show", "default:db/password@~\($0)").text == shown })
    try first.carry(to: second)
    #expect(try second.polykey("get", "default:db/password").text == lost)
    #expect(try paths(second).isEmpty)
    for installation in [first, second] { try installation.polykey("verify", "default") }
  }

  @Test func `keeping the value drops what lost, and a mount shows it`() throws {
    let (first, second) = try conflict()
    try second.mount("--offline")
    let shown = try first.polykey("get", "default:db/password").text
    #expect(try second.shell("cat .conflicts/db/password~*").text != shown)
    try first.polykey("conflicts", "default", "--keep", "db/password")
    #expect(try first.polykey("get", "default:db/password").text == shown)
    #expect(try paths(first).isEmpty)
    try first.carry(to: second)
    try eventually { try second.shell("ls -A").text == "db" }
    #expect(try second.shell("cat db/password").text == shown)
    #expect(try paths(second).isEmpty)
  }

  @Test func `a reader lists conflicts and decides none, and a replica watches nothing`() throws {
    let (first, second) = try conflict()
    let (reader, replica) = (try Installation(vaults: []), try Installation(vaults: []))
    try first.admit(reader, as: "reader", label: "reader")
    try first.admit(replica, as: "replica", label: "replica")
    for installation in [reader, replica] { try second.carry(to: installation) }
    let path = try #require(try paths(reader).first)
    #expect(try paths(reader) == paths(first))
    try reader.expectRefusal(["conflicts", "default", "--take", path], status: 10, saying: "your role")
    try replica.expectRefusal(["watch", "default:db"], status: 10, saying: "your role")
    // It passes on what it cannot read.
    try first.polykey("set", "default:new", input: "1")
    try first.carry(to: replica)
    try replica.carry(to: reader)
    #expect(try reader.polykey("get", "default:new").text == "1")
  }
}
