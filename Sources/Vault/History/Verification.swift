package import GitStore
internal import HeapModule
package import VirtualFS

/// What `verify` found wrong.
package struct Finding: Sendable {
  package enum Subject: Sendable {
    case commit(ObjectName)
    /// An object, with its path where an undamaged version tells it.
    case secret(ObjectID, path: [UInt8]?)
  }

  package let subject: Subject
  /// The newest commit that shows it.
  package let commit: ObjectName
  package let reason: VaultError
}

/// How much `verify` looked at.
package struct VerificationSummary: Sendable {
  package var commits = 0
  package var objects = 0
  /// Bytes of ciphertext.
  package var bytes = 0
  /// States of objects under keys that this node was not given: there, but not looked into.
  package var withheld = 0
  package init() {}
}

extension Vault {
  /// Verifies everything reachable: each commit's message, signature, clock and tree; that each object decrypts and is well-formed.
  ///
  /// Calls `report` with each fault, and goes on behind it where it can.
  package func verify(report: @escaping (Finding) -> Void) throws(VaultError) -> VerificationSummary {
    var verification = Verification(of: self, report: report)
    return try verification.run()
  }
}

/// One run of `verify`.
private struct Verification {
  private let vault: Vault
  private let report: (Finding) -> Void
  private let sealer: ObjectSealer
  /// Without a cache: what counts is what is on the disk.
  private let graph: CommitGraph<Repository>
  private var summary = VerificationSummary()
  private var seen: Set<ObjectName> = []
  /// Contents that were found sound.
  private var sound: Set<ContentReference> = []
  /// States of objects that were looked at: a digest of the names of all their blobs.
  private var states: Set<ObjectID> = []
  /// Paths in the newest sound version of each object.
  private var paths: [ObjectKey: [UInt8]] = [:]
  /// The faults of objects of which no path is known yet.
  private var pending: [ObjectKey: [(commit: ObjectName, reason: VaultError)]] = [:]
  /// Faults that are told of a commit already.
  private var faulty: Set<ObjectName> = []

  init(of vault: Vault, report: @escaping (Finding) -> Void) {
    self.vault = vault
    self.report = report
    sealer = ObjectSealer(vault)
    graph = CommitGraph(source: vault.repository, vault: vault.id)
    vault.repository.detectCollisions()
  }

  mutating func run() throws(VaultError) -> VerificationSummary {
    try verifyMembers()
    try verifyAcknowledgements()
    for setback in try vault.setbacks() {
      switch setback {
      case .exchanged: tell(.setBack, of: vault.log.tip)
      case .returned: tell(.memberReturned, of: vault.log.tip)
      case .members(let commit), .branch(_, at: let commit, clock: _): tell(.setBack, of: commit)
      }
    }
    try verify(from: try vault.countingTips())
    try verifyBranches()
    for (key, faults) in pending.sorted(by: { $0.key < $1.key }) { tell(faults, of: key, path: nil) }
    return summary
  }

  private mutating func tell(_ reason: VaultError, of commit: ObjectName) {
    if faulty.insert(commit).inserted { report(Finding(subject: .commit(commit), commit: commit, reason: reason)) }
  }

  private func tell(_ faults: [(commit: ObjectName, reason: VaultError)], of key: ObjectKey, path: [UInt8]?) {
    for (commit, reason) in faults {
      report(Finding(subject: .secret(key.id, path: path), commit: commit, reason: reason))
    }
  }

  /// Finds acknowledgements that do not hold.
  private mutating func verifyAcknowledgements() throws(VaultError) {
    for (node, tip) in try vault.repository.branches(under: Vault.acknowledgements).sorted(by: { $0.key < $1.key }) {
      do throws(VaultError) {
        let acknowledgement = try Acknowledgement(try graph.source.loadCommit(tip), named: tip, of: vault.id)
        guard acknowledgement.node == node else { throw .commitInvalid(tip, .author) }
        // Of who was removed it counts no more, and may stay.
        guard vault.log.state(at: acknowledgement.members)?.members[node] != nil else {
          throw .commitInvalid(tip, .notAMember)
        }
      } catch {
        guard error.isUnreadable || error.isFlaw else { throw error }
        tell(error, of: tip)
      }
    }
  }

  /// Finds branches of members that end in what another made.
  private mutating func verifyBranches() throws(VaultError) {
    let membership = vault.membership
    for (node, tip) in try vault.nodeTips().sorted(by: { $0.key < $1.key })
    where membership.standing(of: node) == .writes {
      do throws(VaultError) {
        let author = try graph.commit(tip).node
        // What is no commit of the vault at all is found with the others.
        if author != node { tell(.commitInvalid(tip, .author), of: tip) }
      } catch {
        guard error.isUnreadable || error.isFlaw else { throw error }
      }
    }
  }

  /// Verifies tips and all before them, newest first; what is behind a commit that is not to be believed is not looked at.
  private mutating func verify(from tips: some Sequence<ObjectName>) throws(VaultError) {
    let rules = AncestryRules(graph: graph, log: vault.log)
    var heap = Heap<GraphCommit>()
    var met: Set<ObjectName> = []
    for tip in tips { push(tip, &heap, &met) }
    var trees: [ObjectName: DataTree] = [:]
    while let commit = heap.popMax() {
      summary.commits += 1
      do throws(VaultError) {
        try rules.verify(commit.name)
        if commit.parents.first.map({ !faulty.contains($0) }) ?? true { try verifySubtrees(of: commit, by: rules) }
        let known = trees.removeValue(forKey: commit.name)
        let tree = if let known { known } else { try graph.tree(commit) }
        if let readme = tree.readme, seen.insert(readme).inserted { verifyBlob(readme, of: commit.name) }
        for parent in commit.parents { push(parent, &heap, &met) }
        // What a parent's tree has is verified with the parent. Where that is broken, all that is here is.
        var before = DataTree()
        if let parent = commit.parents.first, !faulty.contains(parent) {
          do throws(VaultError) {
            let known = trees[parent]
            before = if let known { known } else { try graph.tree(try graph.commit(parent), sharing: tree) }
            trees[parent] = before
            if !commit.isMerge { try rules.verifyHeaders(of: commit, tree, since: before) }
          } catch {
            guard error.isUnreadable || error.isFlaw else { throw error }
            if case .commitInvalid(commit.name, _) = error { tell(error, of: commit.name) }
          }
        } else if !commit.isMerge, commit.parents.isEmpty {
          try rules.verifyHeaders(of: commit, tree, since: before)
        }
        for key in DataTree.differences(before, tree) { try verify(key, in: tree, of: commit.name) }
      } catch {
        guard error.isUnreadable || error.isFlaw else { throw error }
        tell(error, of: commit.name)
      }
    }
  }

  /// Where the parent cannot be read, that is told of the parent.
  private func verifySubtrees(
    of commit: GraphCommit, by rules: AncestryRules<Repository>
  ) throws(VaultError) {
    do throws(VaultError) {
      try rules.verifySubtrees(of: commit)
    } catch {
      guard error.isUnreadable || error.isFlaw else { throw error }
      if case .commitInvalid(commit.name, _) = error { throw error }
    }
  }

  private mutating func push(_ name: ObjectName, _ heap: inout Heap<GraphCommit>, _ met: inout Set<ObjectName>) {
    guard met.insert(name).inserted else { return }
    do throws(VaultError) {
      heap.insert(try graph.commit(name))
    } catch {
      summary.commits += 1
      tell(error, of: name)
    }
  }

  private mutating func verify(_ key: ObjectKey, in tree: DataTree, of commit: ObjectName) throws(VaultError) {
    let entries = tree.entries(of: key)
    if entries.isEmpty { return }
    // Not again what is as it was in a newer version; the same blobs in another order are another state.
    guard states.insert(ObjectID(digest: entries.flatMap(\.blob.bytes))).inserted else { return }
    do throws(VaultError) {
      let path = try sealer.verify(key, entries: entries, seen: &seen, sound: &sound, summary: &summary)
      if paths[key] == nil { paths[key] = path }
      // An older sound version tells the path of a damaged newer one.
      if let faults = pending.removeValue(forKey: key) { tell(faults, of: key, path: path) }
    } catch {
      guard error.isUnreadable else { throw error }
      for entry in entries { seen.insert(entry.blob) }
      if case .keyWithheld = error {
        summary.withheld += 1
        return
      }
      // A newer sound version tells the path, too, and so does a sound header of damaged content.
      let header = try sealer.pathIfSound(of: key, entries: entries)
      let fault = (commit: commit, reason: error)
      if let path = paths[key] ?? header {
        tell((pending.removeValue(forKey: key) ?? []) + [fault], of: key, path: path)
        paths[key] = path
      } else {
        pending[key, default: []].append(fault)
      }
    }
  }

  /// Reads every file of the membership commits; opening the vault has verified what they say.
  private mutating func verifyMembers() throws(VaultError) {
    for commit in vault.log.commits {
      var trees = [try vault.repository.loadCommit(commit).tree]
      while let tree = trees.popLast() {
        guard seen.insert(tree).inserted else { continue }
        do throws(VaultError) {
          for entry in try vault.repository.entries(ofTree: tree) {
            if entry.mode == .directory {
              trees.append(entry.object)
            } else if seen.insert(entry.object).inserted {
              verifyBlob(entry.object, of: commit)
            }
          }
        } catch {
          tell(error, of: commit)
        }
      }
    }
  }

  private mutating func verifyBlob(_ name: ObjectName, of commit: ObjectName) {
    summary.objects += 1
    do throws(VaultError) {
      summary.bytes += try vault.repository.loadBlob(name).count
    } catch {
      tell(error, of: commit)
    }
  }
}
