import Foundation
import Glibc
import TestSupport
import Testing

/// Real mounts on hosts of their own, with real networks between them.
@Suite("Peers", .serialized) struct PeerTests {
  @Test func `what is written on one mount is read on the other at once, both ways`() throws {
    let network = try TestNetwork(2)
    let nodes = [try PeerInstallation(0, of: network), try PeerInstallation(1, of: network)]
    try nodes[0].found()
    try nodes[0].write("password", "hunter2")
    try nodes[0].admit(nodes[1], as: "writer", label: "bob")
    #expect(nodes[1].read("password") == "hunter2")
    for number in 0..<40 {
      let (from, to) = (nodes[number % 2], nodes[1 - number % 2])
      try from.write("password", "value \(number)")
      try eventually("value \(number) arrives") { to.read("password") == "value \(number)" }
    }
    // Nobody makes a commit of its own for what came.
    #expect(try nodes[0].main() == nodes[1].main())
    let count = try Program.check([
      "git", "-C", nodes[0].installation.repository("team"), "rev-list", "--count", "main",
    ])
    #expect(count.text == "41")
    let members = try nodes[0].polykey("members", "team", "--json").text
    #expect(members.contains(#""label":"bob""#) && members.contains(#""role":"writer""#))
    #expect(try nodes[1].polykey("peers", "--json").text.contains(#""state":"connected""#))
    for node in nodes {
      try node.unmount()
      try node.polykey("verify", "team")
      try Program.check(["git", "-C", node.installation.repository("team"), "fsck", "--strict"])
    }
  }

  @Test func `five mounts agree, through a cut in the network, too`() throws {
    let network = try TestNetwork(5)
    let nodes = try (0..<5).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    for (index, node) in nodes.enumerated().dropFirst() { try nodes[0].admit(node, as: "writer", label: "n\(index)") }
    for (index, node) in nodes.enumerated() { try node.write("from\(index)", "\(index)") }
    try eventually("all have all") {
      nodes.allSatisfy { node in (0..<5).allSatisfy { node.read("from\($0)") == "\($0)" } }
    }
    // One is cut off: all go on, and both sides change one secret.
    try network.setLink(of: 4, up: false)
    try nodes[4].write("shared", "alone")
    try nodes[1].write("shared", "together")
    try nodes[1].write("more", "1")
    try eventually("the others go on") { nodes[..<4].allSatisfy { $0.read("more") == "1" } }
    try network.setLink(of: 4, up: true)
    try eventually("all show one view again") {
      Set(try nodes.map { try $0.main() }).count == 1 && nodes.allSatisfy { $0.read("more") == "1" }
    }
    let shown = Set(nodes.map { $0.read("shared") })
    #expect(shown == ["alone"] || shown == ["together"])
    for node in nodes {
      let kept = try FileManager.default.contentsOfDirectory(atPath: "\(node.directory)/.conflicts")
      #expect(kept.count == 1)
      let values = [node.read("shared"), node.read(".conflicts/\(kept.first ?? "")")]
      #expect(Set(values) == ["alone", "together"])
    }
    // At rest nobody makes a commit.
    let before = try nodes.map { try $0.main() }
    try nodes[2].write("last", "x")
    try eventually("the last one arrives") { nodes.allSatisfy { $0.read("last") == "x" } }
    #expect(try Set(nodes.map { try $0.main() }).count == 1 && nodes[0].main() != before[0])
  }

  @Test
  func `what was written but not closed when its writer became a reader is refused, and kept until it may write again`()
    throws
  {
    let network = try TestNetwork(2)
    let nodes = try (0..<2).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    try nodes[0].write("key", "1")
    try nodes[0].admit(nodes[1], as: "writer", label: "bob")
    try eventually("it is there") { nodes[1].read("key") == "1" }
    // A process of its own, which no other inherits the file from: that would close it, too.
    let pipe = try TemporaryDirectory()
    let (path, end) = ("\(nodes[1].directory)/key", "\(pipe.path)/end")
    try Program.check(["mkfifo", end])
    let script = """
      import errno, os
      file = os.open("\(path)", os.O_WRONLY)
      os.pwrite(file, b"2", 0)
      print("written", flush=True)
      open("\(end)").read()
      try: os.close(file)
      except OSError as error: print(errno.errorcode[error.errno])
      """
    let writer = try BackgroundProgram(
      ["python3", "-c", script], isReady: { FileManager.default.fileExists(atPath: path) })
    try eventually("it has written") { writer.output.contains("written") }
    try nodes[0].polykey("role", "team", "bob", "reader")
    try eventually("it is told") { try nodes[1].polykey("members", "team").text.contains("reader") }
    try Program.check(["sh", "-c", "echo > '\(end)'"])
    #expect(writer.waitForEnd() == 0)
    #expect(writer.output.contains("EROFS"))
    #expect(nodes[1].read("key") == "2" && nodes[0].read("key") == "1")
    try nodes[0].polykey("role", "team", "bob", "writer")
    try eventually("it is stored") { nodes[0].read("key") == "2" }
  }

  @Test func `who is removed reads and writes no more, and everybody is told what it could read`() throws {
    let network = try TestNetwork(3)
    let nodes = try (0..<3).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    try nodes[0].write("key", "old")
    try nodes[0].admit(nodes[1], as: "writer", label: "mallory")
    try nodes[0].admit(nodes[2], as: "reader", label: "reader")
    let said = try nodes[0].polykey("remove-member", "team", "mallory")
    #expect(said.text == "key")
    #expect(try nodes[0].attempt("exposed", "team").status == 11)
    try nodes[0].write("key", "new")
    try eventually("the reader has the new value") { nodes[2].read("key") == "new" }
    #expect(try nodes[0].attempt("exposed", "team").status == 0)
    // The removed one is told, and keeps what it had, which it can read but not change.
    let sentence = "this node was removed from team"
    try eventually("it is told") { try nodes[1].attempt("status").errors.contains(sentence) }
    for command in [["peers"], ["members", "team"]] { #expect(try nodes[1].run(command).errors.contains(sentence)) }
    let log = try String(contentsOfFile: "\(nodes[1].installation.home)/state/mount.log", encoding: .utf8)
    #expect(log.components(separatedBy: sentence).count == 2)
    #expect(nodes[1].read("key") == "old")
    let refused = #expect(throws: Program.Failure.self) { try nodes[1].write("key", "x") }
    #expect(refused?.description.hasSuffix(": \(EROFS)") == true)
    #expect(nodes[1].read("key") == "old")
    let sync = try nodes[1].attempt("sync", "team")
    #expect(sync.status == 9 && sync.errors.contains("removed"))
    try eventually("it dials nobody") { try nodes[1].polykey("peers", "--json").text.isEmpty }
    try nodes[0].write("later", "1")
    try eventually("the others go on") { nodes[2].read("later") == "1" }
    #expect(nodes[1].read("later") == nil)
    // A reader cannot write, and says so.
    #expect(throws: Program.Failure.self) { try nodes[2].write("x", "y") }
    let set = try nodes[2].attempt("set", "team:x")
    #expect(set.status != 0)
    // Who was away is told when it comes back.
    try nodes[2].unmount()
    try nodes[0].polykey("remove-member", "team", "reader")
    try nodes[0].write("later", "2")
    try nodes[2].mount()
    try eventually("it is told") { try nodes[2].attempt("status").errors.contains(sentence) }
    #expect(nodes[2].read("later") == "1")
  }

  @Test func `a pairing code is good once, for a while, and for one node`() throws {
    let network = try TestNetwork(3)
    let nodes = try (0..<3).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    let code = try nodes[0].polykey("invite", "team", "--role", "writer").text
    try nodes[1].run(["join", code])
    let again = try nodes[2].attempt("join", code)
    #expect(again.status == 9 && again.errors.contains("already"))
    let expired = try nodes[0].polykey("invite", "team", "--role", "writer", "--expires", "1s").text
    let deadline = Date().addingTimeInterval(1.1)
    try eventually("it expires") { Date() > deadline }
    #expect(try nodes[2].attempt("join", expired).errors.contains("expired"))
    let other = try nodes[1].attempt("invite", "team", "--role", "writer", "--address", "10.77.0.2:7420")
    #expect(other.status == 10)
    // Another node at the address is not spoken to.
    let forged = code.replacingOccurrences(of: "@\(network.address(0))", with: "@\(network.address(1))")
    try nodes[1].mount()
    let wrong = try nodes[2].attempt("join", forged)
    #expect(wrong.status == 9 && wrong.errors.contains("another node"))
    #expect(try nodes[2].attempt("join", "polykey:nonsense").status == 64)
  }

  @Test func `a used pairing code lets nobody in again who was removed, and makes nobody again what it was`() throws {
    let network = try TestNetwork(2)
    let nodes = try (0..<2).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    try nodes[0].write("key", "old")
    func members() throws -> String { try nodes[0].polykey("members", "team", "--json").text }
    let invitations = "\(nodes[0].installation.home)/state/invitations"
    func codesLeft() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: invitations).count }

    let code = try nodes[0].polykey("invite", "team", "--role", "owner", "--label", "mallory").text
    let spare = try nodes[0].polykey("invite", "team", "--role", "writer").text
    try nodes[1].run(["join", code])
    // An answer may be lost: the same node may ask again, and nothing changes.
    func log() throws -> String {
      try Program.check(["git", "-C", nodes[0].installation.repository("team"), "rev-parse", "members"]).text
    }
    let before = try log()
    try nodes[1].polykey("vault", "remove", "team", "--yes")
    try nodes[1].run(["join", code])
    #expect(try log() == before)
    // A code does not change a member's role.
    try nodes[0].polykey("role", "team", "mallory", "reader")
    for code in [code, spare] {
      let again = try nodes[1].attempt("join", code)
      #expect(again.status == 9 && !again.errors.contains(code))
    }
    #expect(try members().contains(#""role":"reader""#) && !members().contains(#""role":"writer""#))
    // Neither what it used nor what it kept in reserve lets it in again.
    try nodes[0].polykey("remove-member", "team", "mallory")
    try nodes[0].write("key", "new")
    try eventually("its code is gone") { try codesLeft() == 1 }
    for code in [code, spare] { #expect(try nodes[1].attempt("join", code).status == 9) }
    #expect(try members().contains(#""role":"removed""#) && !members().contains(#""role":"reader""#))
    #expect(try nodes[1].attempt("get", "team:key").output == [UInt8]("old".utf8))
    #expect(try codesLeft() == 0)
  }

  @Test func `a replica stores and passes on, and can read nothing`() throws {
    let network = try TestNetwork(3)
    let nodes = try (0..<3).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    try nodes[0].write("key", "1")
    let code = try nodes[0].polykey("invite", "team", "--role", "replica").text
    try nodes[1].run(["join", code])
    let reports = "\(nodes[1].installation.home)/state/peers"
    let replica = try BackgroundProgram(
      network.enter(1) + [Installation.program, "serve"] + nodes[1].listen,
      environment: nodes[1].installation.environment
    ) { (try? FileManager.default.contentsOfDirectory(atPath: reports))?.contains { !$0.contains("new") } ?? false }
    defer { withExtendedLifetime(replica) {} }
    try nodes[0].admit(nodes[2], as: "writer")
    try nodes[0].polykey("peer", "add", "replica", "\(network.address(1)):7420")
    try nodes[2].polykey("peer", "add", "replica", "\(network.address(1)):7420")
    for node in [nodes[0], nodes[2]] {
      try node.unmount()
      try node.mount()
    }
    // The two are never there at the same time: the replica carries it.
    try nodes[2].unmount()
    try nodes[0].write("key", "2")
    try eventually("the replica has it") { try nodes[1].main() == nodes[0].main() }
    try nodes[0].unmount()
    try nodes[2].mount()
    try eventually("it came through the replica") { nodes[2].read("key") == "2" }
    let get = try nodes[1].attempt("get", "team:key")
    #expect(get.status != 0)
    let found = try Program.run(["grep", "-r", "AGE-SECRET-KEY", "\(nodes[1].installation.home)/vaults"])
    #expect(found.output.isEmpty)
  }
}
