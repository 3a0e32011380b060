import Glibc
import PeerSync
import Vault

/// Where peers are reached: the keynode's file `peers`, a line each of a name, an address and, if it is known, a node id.
///
/// What peers tell of themselves is kept apart, in the state: it may be forgotten.
struct KnownPeers {
  struct Peer: Hashable {
    var name: String
    var address: PeerAddress
    var node: NodeID?

    var target: PeerTarget { PeerTarget(address: address, node: node) }
  }

  private(set) var peers: [Peer] = []
  private let paths: KeynodePaths
  private var path: String { "\(paths.home)/peers" }

  init(at paths: KeynodePaths) {
    self.paths = paths
    for line in (StateFile.read(path) ?? "").split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ")
      guard words.count >= 2, let address = try? PeerAddress(words[1]) else { continue }
      peers.append(Peer(name: String(words[0]), address: address, node: words.count > 2 ? NodeID(words[2]) : nil))
    }
  }

  /// Adds a peer, or replaces the one of that name and address, and keeps it.
  mutating func add(_ peer: Peer) throws {
    let lock = try begin()
    defer { withExtendedLifetime(lock) {} }
    peers.removeAll { $0.name == peer.name && $0.address == peer.address }
    peers.append(peer)
    try save()
  }

  /// Removes all addresses of a peer; false if there is none of that name.
  mutating func remove(_ name: String) throws -> Bool {
    let lock = try begin()
    defer { withExtendedLifetime(lock) {} }
    let count = peers.count
    peers.removeAll { $0.name == name }
    if peers.count == count { return false }
    try save()
    return true
  }

  /// Reads them anew, for a change that no other process makes at the same time.
  private mutating func begin() throws -> DirectoryLock {
    let lock = try explained { try DirectoryLock(paths.home) }
    self = KnownPeers(at: paths)
    return lock
  }

  private func save() throws {
    let lines = peers.map { "\($0.name) \($0.address)\($0.node.map { " \($0)" } ?? "")\n" }
    try StateFile.write(lines.joined(), to: path)
  }

  // MARK: what they tell

  private static func folder(_ paths: KeynodePaths) -> String { "\(paths.state)/addresses" }

  /// Keeps where a node says that it listens.
  static func learn(_ node: NodeID, _ addresses: [PeerAddress], at paths: KeynodePaths) {
    guard !addresses.isEmpty else { return }
    unsafe mkdir(folder(paths), 0o700)
    // Only a help for the next time.
    try? StateFile.write(addresses.map { "\($0)\n" }.joined(), to: "\(folder(paths))/\(node)")
  }

  /// Where a node said that it listens.
  static func learned(_ node: NodeID, at paths: KeynodePaths) -> [PeerAddress] {
    (StateFile.read("\(folder(paths))/\(node)") ?? "").split(separator: "\n").compactMap { try? PeerAddress($0) }
  }

  /// All ways to reach the other members of a vault, and the peers that the user named.
  static func targets(for vault: Vault, at paths: KeynodePaths) -> Set<PeerTarget> {
    var targets = Set(KnownPeers(at: paths).peers.map(\.target))
    let people = (try? vault.people()) ?? People()
    for node in vault.membership.members.keys where node != vault.identity.node {
      let told = people.persons[node]?.addresses.compactMap { try? PeerAddress($0) } ?? []
      for address in told + learned(node, at: paths) { targets.insert(PeerTarget(address: address, node: node)) }
    }
    return targets
  }
}
