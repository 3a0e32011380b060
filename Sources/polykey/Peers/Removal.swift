import Glibc
import Vault

/// That this node was removed from a vault, as people are told.
enum Removal {
  static func sentence(_ vault: VaultName) -> String {
    "this node was removed from \(vault.text): it keeps what it has, gets nothing newer, and can change nothing"
  }

  /// That removals were undone, as people are told.
  static func returned(_ nodes: [NodeID]) -> String {
    let names = nodes.map(\.long).joined(separator: ", ")
    return
      "\(names) was removed and is a member again, as the act of an owner who did not know of it came first: remove it anew (and invite it, to keep it)"
  }

  /// What is wrong with the members of a keynode's vaults, a sentence each, as far as it can be told without the identity.
  static func warnings(at paths: KeynodePaths) -> [VaultName: [String]] {
    guard let node = node(at: paths), let names = try? Keynode.vaults(at: paths) else { return [:] }
    var warnings: [VaultName: [String]] = [:]
    for name in names {
      // A repository that cannot be read is told of by whoever opens it.
      guard
        let report = try? Vault.membersReport(of: node, vault: name, at: paths, now: Int64(time(nil)))
      else { continue }
      warnings[name] = sentences(report)
    }
    return warnings
  }

  private static func sentences(_ report: MembersReport) -> [String] {
    var sentences: [String] = []
    if !report.returned.isEmpty { sentences.append(returned(report.returned)) }
    guard report.others > 0, report.stale > 0, let last = report.lastHeard else { return sentences }
    sentences.append(
      report.stale == report.others
        ? "no other member was heard of since \(Dates.local(last)): perhaps this machine is cut off from them"
        : "\(report.stale) of \(report.others) other members were not heard of lately: see `polykey members`")
    return sentences
  }

  /// The vaults of a keynode that this node was removed from, as far as it heard of it; needs no identity.
  static func vaults(at paths: KeynodePaths) -> [VaultName] {
    guard let node = node(at: paths), let names = try? Keynode.vaults(at: paths) else { return [] }
    return names.filter { (try? Vault.hasRemoved(node, repository: paths.repository(of: $0))) == true }
  }

  /// From `identity.pub`, which may be read while the identity is locked.
  private static func node(at paths: KeynodePaths) -> NodeID? {
    StateFile.read(paths.publicIdentity).flatMap { StateFile.fields($0)["node"] }.flatMap { NodeID($0) }
  }
}
