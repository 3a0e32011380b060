internal import GitStore

/// What a merge commit says: nothing that its parents do not; it is not signed, and verified by making it again.
///
/// Source: docs/format.md, "Merge commit".
struct MergeMessage: Hashable {
  var vault: VaultID
  /// The greatest clock of the parents.
  var clock: UInt64

  private static let subject = "polykey merge\n\n"
  private static let name = "polykey"
  private static let address = "merge@polykey"

  var encoded: [UInt8] { [UInt8]("\(Self.subject)Vault: \(vault.hex)\nClock: \(clock)\n".utf8) }

  init(vault: VaultID, clock: UInt64) {
    self.vault = vault
    self.clock = clock
  }

  /// Reads a message; nil unless it is exactly what ``encoded`` would write.
  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: Self.subject.utf8) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).dropFirst(Self.subject.count).split(separator: "\n")
    guard lines.count == 2, lines[0].hasPrefix("Vault: "), lines[1].hasPrefix("Clock: "),
      let vault = VaultID(hex: lines[0].dropFirst(7)), let clock = UInt64(lines[1].dropFirst(7))
    else { return nil }
    self.init(vault: vault, clock: clock)
    guard encoded == bytes else { return nil }
  }

  /// The commit: the same bytes on every node that merges the same parents into the same tree.
  ///
  /// `time` is the newest parent's, in seconds since 1970.
  func commit(tree: ObjectName, parents: [ObjectName], time: Int64) -> NewObject {
    let person = Person(name: Self.name, address: Self.address, seconds: time)
    let commit = CommitObject(tree: tree, parents: parents, author: person, committer: person, message: encoded)
    return NewObject(kind: .commit, bytes: commit.encode())
  }
}
