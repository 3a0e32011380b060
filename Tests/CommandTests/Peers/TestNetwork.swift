import Foundation
import Glibc
import TestSupport

/// Hosts of a test's own: network namespaces with one address each, tied together by a switch in a namespace of its own.
///
/// Processes enter only the network of their host: mounts are seen by the test.
final class TestNetwork: Sendable {
  private let prefix: String
  let count: Int

  /// Hosts 0 to `count` - 1.
  init(_ count: Int) throws {
    prefix = "pk\(UInt32.random(in: 0...0xFFFFF))"
    self.count = count
    let hub = "\(prefix)-hub"
    try Program.check(["ip", "netns", "add", hub])
    try Program.check(["ip", "-n", hub, "link", "add", "br0", "type", "bridge"])
    try Program.check(["ip", "-n", hub, "link", "set", "br0", "up"])
    for host in 0..<count {
      let name = self.name(host)
      try Program.check(["ip", "netns", "add", name])
      try Program.check(["ip", "-n", name, "link", "set", "lo", "up"])
      try Program.check([
        "ip", "-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "port\(host)", "netns", hub,
      ])
      try Program.check(["ip", "-n", name, "addr", "add", "\(address(host))/24", "dev", "eth0"])
      try Program.check(["ip", "-n", name, "link", "set", "eth0", "up"])
      try Program.check(["ip", "-n", hub, "link", "set", "port\(host)", "master", "br0", "up"])
    }
  }

  deinit {
    for name in (0..<count).map(name) + ["\(prefix)-hub"] { _ = try? Program.run(["ip", "netns", "del", name]) }
  }

  private func name(_ host: Int) -> String { "\(prefix)-\(host)" }

  func address(_ host: Int) -> String { "10.77.0.\(host + 1)" }

  /// What to put before a command that is to run on the host.
  func enter(_ host: Int) -> [String] { ["nsenter", "--net=/run/netns/\(name(host))"] }

  /// Cuts a host off, or ties it in again.
  func setLink(of host: Int, up: Bool) throws {
    try Program.check(["ip", "-n", "\(prefix)-hub", "link", "set", "port\(host)", up ? "up" : "down"])
  }
}

/// A keynode on a host of a test network, or with no network of its own on this machine's loopback.
final class PeerInstallation: Sendable {
  let installation: Installation
  let host: Int
  private let network: TestNetwork
  /// Where the one vault is mounted.
  var directory: String { installation.directory("vault") }

  init(_ host: Int, of network: TestNetwork) throws {
    installation = try Installation(empty: ())
    self.host = host
    self.network = network
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try polykey("init", "--no-passphrase")
  }

  deinit {
    _ = try? Program.run(
      [Installation.program, "unmount", "--lazy", "--discard", directory], environment: installation.environment)
  }

  var listen: [String] { ["--listen", "\(network.address(host)):7420"] }

  @discardableResult
  func polykey(_ arguments: String..., input: String = "") throws -> Program { try run(arguments, input: input) }

  @discardableResult
  func run(_ arguments: [String], input: String = "") throws -> Program {
    try Program.check(
      network.enter(host) + ["timeout", "120", Installation.program] + arguments, input: [UInt8](input.utf8),
      environment: installation.environment)
  }

  func attempt(_ arguments: String...) throws -> Program {
    try Program.run(
      network.enter(host) + ["timeout", "120", Installation.program] + arguments, environment: installation.environment)
  }

  /// Makes the vault, and mounts it.
  func found() throws {
    try polykey("vault", "create", "team")
    try mount()
  }

  func mount() throws { try run(["mount", "team", directory] + listen) }

  func unmount() throws { try polykey("unmount", directory) }

  /// Admits another keynode, which joins and mounts in one command.
  func admit(_ other: PeerInstallation, as role: String, label: String = "peer") throws {
    let code = try polykey("invite", "team", "--role", role, "--label", label).text
    try other.run(["join", code, "--mount", other.directory] + other.listen)
  }

  func write(_ path: String, _ text: String) throws {
    let descriptor = unsafe open("\(directory)/\(path)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw Program.Failure(description: "cannot open \(path): \(errno)") }
    let bytes = [UInt8](text.utf8)
    let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    guard close(descriptor) == 0, count == bytes.count else {
      throw Program.Failure(description: "cannot write \(path): \(errno)")
    }
  }

  /// A file's content; nil if it is not there.
  func read(_ path: String) -> String? { try? String(contentsOfFile: "\(directory)/\(path)", encoding: .utf8) }

  /// The commit that the repository shows, and its tree.
  func main() throws -> String {
    try Program.check(["git", "-C", installation.repository("team"), "rev-parse", "main", "main^{tree}"]).text
  }
}

/// Waits until `condition` holds; throws after 90 s.
func eventually(_ what: String, _ condition: () throws -> Bool) throws {
  guard try poll(seconds: 90, until: condition) else {
    throw Program.Failure(description: "it never came to this: \(what)")
  }
}
