package import GitStore
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
  package init() {}
}

extension Vault {
  /// Verifies everything reachable: each commit's message, signature, clock and tree; that each object decrypts and is well-formed.
  ///
  /// Calls `report` with each fault, and goes on behind it where it can.
  package func verify(report: (Finding) -> Void) throws(VaultError) -> VerificationSummary {
    var summary = VerificationSummary()
    try verifyMembers(&summary, report: report)
    guard var name = try headCommit() else { return summary }
    let sealer = ObjectSealer(self)
    var seen: Set<ObjectName> = []
    // Paths in the newest sound version of each object, and the faults of objects of which no path is known yet.
    var paths: [ObjectID: [UInt8]] = [:]
    var pending: [ObjectID: [(ObjectName, VaultError)]] = [:]
    var tree: DataTree?
    var child: (name: ObjectName, message: CommitMessage)?
    func finish() {
      for (object, faults) in pending.sorted(by: { $0.key < $1.key }) { tell(faults, of: object, path: nil) }
    }
    func tell(_ faults: [(ObjectName, VaultError)], of object: ObjectID, path: [UInt8]?) {
      for (commit, reason) in faults {
        report(Finding(subject: .secret(object, path: path), commit: commit, reason: reason))
      }
    }
    while true {
      summary.commits += 1
      let commit: CommitObject
      do throws(VaultError) {
        commit = try repository.loadCommit(name)
        let message = try CommitVerifier(self).verify(commit, named: name)
        if let child { try CommitVerifier.verifyOrder(child.message, named: child.name, parents: [message]) }
        child = (name, message)
        if commit.parents.isEmpty { try CommitVerifier.verifyOrder(message, named: name, parents: []) }
        guard commit.parents.count <= 1 else { throw .commitInvalid(name, .parents) }
      } catch {
        report(Finding(subject: .commit(name), commit: name, reason: error))
        finish()
        return summary
      }
      do throws(VaultError) {
        let shown = try DataTree(reading: commit.tree, of: name, from: repository, sharing: tree)
        if let readme = shown.readme, seen.insert(readme).inserted {
          verifyBlob(readme, of: name, &summary, report: report)
        }
        let changed = if let tree { DataTree.differences(tree, shown) } else { shown.objects }
        for object in changed {
          let entries = shown.entries(of: object)
          guard !entries.isEmpty else { continue }
          do throws(VaultError) {
            let node = try sealer.verify(object, entries: entries, seen: &seen, summary: &summary)
            if paths[object] == nil { paths[object] = node.paths.first }
            // An older sound version tells the path of a damaged newer one.
            if let faults = pending.removeValue(forKey: object) { tell(faults, of: object, path: node.paths.first) }
          } catch {
            // A newer sound version tells the path, too, and so does a sound header of damaged content.
            let header = try sealer.pathIfSound(of: object, entries: entries)
            if let path = paths[object] ?? header {
              tell((pending.removeValue(forKey: object) ?? []) + [(name, error)], of: object, path: path)
              paths[object] = path
            } else {
              pending[object, default: []].append((name, error))
            }
          }
        }
        tree = shown
      } catch {
        report(Finding(subject: .commit(name), commit: name, reason: error))
      }
      guard let parent = commit.parents.first else { break }
      name = parent
    }
    finish()
    return summary
  }

  /// Reads every file of the membership commit; opening the vault has verified what they say.
  private func verifyMembers(
    _ summary: inout VerificationSummary, report: (Finding) -> Void
  ) throws(VaultError) {
    var trees = [try repository.loadCommit(membership.commit).tree]
    while let tree = trees.popLast() {
      do throws(VaultError) {
        for entry in try repository.entries(ofTree: tree) {
          if entry.mode == .directory {
            trees.append(entry.object)
          } else {
            verifyBlob(entry.object, of: membership.commit, &summary, report: report)
          }
        }
      } catch {
        report(Finding(subject: .commit(membership.commit), commit: membership.commit, reason: error))
      }
    }
  }

  private func verifyBlob(
    _ name: ObjectName, of commit: ObjectName, _ summary: inout VerificationSummary, report: (Finding) -> Void
  ) {
    summary.objects += 1
    do throws(VaultError) {
      summary.bytes += try repository.loadBlob(name).count
    } catch {
      report(Finding(subject: .commit(commit), commit: commit, reason: error))
    }
  }
}
