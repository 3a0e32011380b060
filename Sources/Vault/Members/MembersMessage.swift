internal import GitStore

/// The message of a membership commit.
///
/// Source: docs/format.md, "Members".
struct MembersMessage: Hashable {
  var vault: VaultID
  var node: NodeID
  /// Commits of the same author in a fork that lost, which this one does again.
  var again: [ObjectName] = []

  private static let subject = "polykey members\n\n"

  var encoded: [UInt8] {
    let lines = again.map { "Again: \($0.hex)\n" }.joined()
    return [UInt8]("\(Self.subject)Vault: \(vault.hex)\nNode: \(node)\n\(lines)".utf8)
  }

  init(vault: VaultID, node: NodeID, again: [ObjectName] = []) {
    self.vault = vault
    self.node = node
    self.again = again
  }

  /// Reads a message; nil unless it is exactly what ``encoded`` would write.
  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: Self.subject.utf8) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).dropFirst(Self.subject.count).split(separator: "\n")
    guard lines.count >= 2, lines[0].hasPrefix("Vault: "), lines[1].hasPrefix("Node: "),
      let vault = VaultID(hex: lines[0].dropFirst(7)), let node = NodeID(lines[1].dropFirst(6))
    else { return nil }
    var again: [ObjectName] = []
    for line in lines.dropFirst(2) {
      guard line.hasPrefix("Again: "), let name = ObjectName(hex: line.dropFirst(7).utf8) else { return nil }
      again.append(name)
    }
    self.init(vault: vault, node: node, again: again)
    guard encoded == bytes else { return nil }
  }
}
