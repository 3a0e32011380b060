internal import GitStore

extension VersionHistory {
  /// The versions that brought each object, or lost version of one, the first blob that it has now; nothing is decrypted.
  ///
  /// Goes back only as far as it must.
  func origins(of blobs: [ObjectKey: ObjectName]) throws(VaultError) -> [ObjectKey: Version] {
    var origins: [ObjectKey: Version] = [:]
    guard !blobs.isEmpty, let newest = try vault.headCommit() else { return origins }
    let verifier = CommitVerifier(vault.log)
    var missing = blobs
    var walk = try CommitWalk(from: newest, in: vault.graph)
    while !missing.isEmpty, let step = try walk.next() {
      guard let node = step.commit.node else { continue }
      for (key, blob) in missing {
        let object = ObjectKey(key.object)
        guard step.tree.entries(of: object).first?.blob == blob, step.before.entries(of: object).first?.blob != blob
        else { continue }
        let name = step.commit.name
        _ = try verifier.verify(try vault.repository.loadCommit(name), named: name)
        origins[key] = Version(commit: name, time: step.commit.time, node: node, clock: step.commit.clock)
        missing[key] = nil
      }
    }
    return origins
  }
}
