import Foundation
import PeerScripts
import TestSupport

/// Plays scripts on real mounts, on hosts of their own with a real network between them.
final class MountStage: Stage {
  private let network: TestNetwork
  private let nodes: [PeerInstallation]
  private var members: Set<Int> = [0]
  private var disconnected: Set<Int> = []

  init(_ count: Int) throws {
    let network = try TestNetwork(count)
    self.network = network
    nodes = try (0..<count).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
  }

  func files(of person: Int) -> any PersonFiles { MountFiles(nodes[person].directory) }

  private func label(_ person: Int) -> String { "person\(person)" }

  func admit(_ person: Int, as role: String, withHistory: Bool) throws {
    let code = try nodes[0].run(
      ["invite", "team", "--role", role, "--label", label(person)] + (withHistory ? [] : ["--no-history"])
    ).text
    try nodes[person].run(["join", code, "--mount", nodes[person].directory] + nodes[person].listen)
    members.insert(person)
  }

  func setRole(of person: Int, to role: String) throws { try nodes[0].polykey("role", "team", label(person), role) }

  func remove(_ person: Int) throws {
    try nodes[0].polykey("remove-member", "team", label(person))
    members.remove(person)
  }

  func rotate() throws { try nodes[0].polykey("rotate", "team") }

  func disconnect(_ person: Int) throws {
    try network.setLink(of: person, up: false)
    disconnected.insert(person)
  }

  func reconnect(_ person: Int) throws {
    try network.setLink(of: person, up: true)
    disconnected.remove(person)
  }

  func settle() throws {
    let present = members.subtracting(disconnected)
    do {
      try eventually("all have the same branches") { Set(try present.map(branches)).count == 1 }
    } catch {
      throw Program.Failure(description: "\(error)\n\(try present.sorted().map(state).joined())")
    }
    // A branch moves before its mount shows that.
    do {
      try eventually("all show the same") {
        do {
          return Set(try present.map { try Person(number: $0, stage: self).tree() }).count == 1
        } catch is CallError {
          return false
        }
      }
    } catch {
      let trees = try present.sorted().map { "\(label($0)): \(try Person(number: $0, stage: self).tree())" }
      throw Program.Failure(description: "\(error)\n\(trees.joined(separator: "\n"))")
    }
  }

  private func branches(of person: Int) throws -> String {
    try Program.check(["git", "-C", nodes[person].installation.repository("team"), "show-ref"]).text
  }

  /// What tells why a person's mount differs from the others'.
  private func state(of person: Int) throws -> String {
    "\(label(person)):\n\(try branches(of: person))\n\(try nodes[person].attempt("peers").text)\n"
  }

  func restart(_ person: Int) throws {
    let process = try nodes[person].installation.mountProcess()
    kill(process.identifier, SIGKILL)
    process.waitForEnd()
    try nodes[person].mount()
  }

  func backUp(_ person: Int) throws {
    let installation = nodes[person].installation
    try Program.check(["cp", "-a", "\(installation.home)/vaults", installation.directory("backup")])
  }

  func putBack(_ person: Int) throws {
    let installation = nodes[person].installation
    try nodes[person].unmount()
    try Program.check(["rm", "-rf", "\(installation.home)/vaults"])
    try Program.check(["cp", "-a", installation.directory("backup"), "\(installation.home)/vaults"])
    try nodes[person].mount()
  }

  func copyKeynode(of person: Int, to other: Int) throws {
    try Program.check(["rm", "-rf", nodes[other].installation.home])
    try Program.check(["cp", "-a", nodes[person].installation.home, nodes[other].installation.home])
    try nodes[other].mount()
    members.insert(other)
  }

  func poll(_ condition: () throws -> Bool) throws -> Bool { try CommandTests.poll(seconds: 60, until: condition) }

  func verify() throws {
    for person in members {
      try nodes[person].unmount()
      try nodes[person].polykey("verify", "team")
      let repository = nodes[person].installation.repository("team")
      let fsck = try Program.run(["git", "-C", repository, "fsck", "--strict", "--no-dangling"])
      guard fsck.status == 0, fsck.text.isEmpty else { throw Program.Failure(description: fsck.errors + fsck.text) }
    }
  }
}
