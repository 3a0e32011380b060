package import GitStore

/// What a data commit says of itself in its trailers; a signature alone binds neither vault nor order.
///
/// Source: docs/format.md, "Data commit".
package struct CommitMessage: Hashable, Sendable {
  package var vault: VaultID
  package var node: NodeID
  /// Lamport clock: the greatest of the parents' + 1, from 1.
  package var clock: UInt64
  /// The membership commit that the author saw.
  package var members: ObjectName
  /// Generation of the vault's key, from 1.
  package var epoch: UInt32

  /// The only subject a data commit has: what changed is for members' eyes.
  private static let subject = "polykey\n\n"

  /// The whole message, in the one form it may have.
  var encoded: [UInt8] {
    Array(
      "\(Self.subject)Vault: \(vault.hex)\nNode: \(node)\nClock: \(clock)\nMembers: \(members.hex)\nEpoch: \(epoch)\n"
        .utf8)
  }

  /// Reads a message; nil unless it is exactly what ``encoded`` would write.
  init?(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasPrefix(Self.subject) else { return nil }
    var fields: [String: Substring] = [:]
    for line in text.dropFirst(Self.subject.count).split(separator: "\n") {
      guard let colon = line.firstRange(of: ": ") else { return nil }
      fields[String(line[..<colon.lowerBound])] = line[colon.upperBound...]
    }
    guard let vault = fields["Vault"].flatMap({ VaultID(hex: $0) }), let node = fields["Node"].flatMap({ NodeID($0) }),
      let clock = fields["Clock"].flatMap({ UInt64($0) }),
      let members = fields["Members"].flatMap({ ObjectName(hex: $0.utf8) }),
      let epoch = fields["Epoch"].flatMap({ UInt32($0) })
    else { return nil }
    self.init(vault: vault, node: node, clock: clock, members: members, epoch: epoch)
    guard encoded == bytes else { return nil }
  }

  init(vault: VaultID, node: NodeID, clock: UInt64, members: ObjectName, epoch: UInt32) {
    self.vault = vault
    self.node = node
    self.clock = clock
    self.members = members
    self.epoch = epoch
  }
}
