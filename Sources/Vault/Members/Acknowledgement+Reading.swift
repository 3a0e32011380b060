internal import GitStore

// What a repository knows of acceptance and of signs of life.
extension Acknowledgement {
  /// The newest acknowledgement of each node, verified; one that does not hold is left out.
  static func newest(
    in repository: Repository, as log: MembershipLog, known cache: RecentlyRead<Acknowledgement>
  ) throws(VaultError) -> [NodeID: Acknowledgement] {
    var found: [NodeID: Acknowledgement] = [:]
    for (node, tip) in try repository.branches(under: Vault.acknowledgements) {
      do throws(VaultError) {
        let known = cache[tip]
        let acknowledgement =
          if let known { known } else { try Acknowledgement(try repository.loadCommit(tip), named: tip, of: log.vault) }
        cache[tip] = acknowledgement
        if acknowledgement.node == node, acknowledgement.isByMember(of: log) { found[node] = acknowledgement }
      } catch {
        guard error.isFlaw || error.isUnreadable else { throw error }
      }
    }
    return found
  }

  /// The membership commits that nodes have accepted last, as their acknowledgements say; of those that have none, as their newest data commits do.
  ///
  /// Of a node that was ever removed, in whatever fork, only acknowledgements count: not everybody knows the same data commits of it.
  static func accepted(
    in repository: Repository, as log: MembershipLog, known cache: RecentlyRead<Acknowledgement>
  ) throws(VaultError) -> [NodeID: ObjectName] {
    var accepted: [NodeID: ObjectName] = [:]
    for (node, tip) in try repository.branches(under: Vault.nodes) where !log.wasEverRemoved(node) {
      do throws(VaultError) {
        guard let message = CommitMessage(try repository.loadCommit(tip).message), message.node == node else {
          continue
        }
        accepted[node] = message.members
      } catch {
        guard error.isUnreadable else { throw error }
      }
    }
    for (node, newest) in try newest(in: repository, as: log, known: cache) { accepted[node] = newest.members }
    return accepted
  }

  /// When each node last signed something, in seconds since 1970 as it says itself.
  static func lastHeard(
    in repository: Repository, as log: MembershipLog, known cache: RecentlyRead<Acknowledgement>
  ) throws(VaultError) -> [NodeID: Int64] {
    var heard = try newest(in: repository, as: log, known: cache).mapValues(\.time)
    for (node, tip) in try repository.branches(under: Vault.nodes) {
      do throws(VaultError) {
        heard[node] = max(heard[node] ?? .min, try repository.loadCommit(tip).author.seconds)
      } catch {
        guard error.isUnreadable else { throw error }
      }
    }
    return heard
  }
}

extension Repository {
  /// The branches that are named after a node.
  func branches(under prefix: String) throws(VaultError) -> [NodeID: ObjectName] {
    var tips: [NodeID: ObjectName] = [:]
    for (name, tip) in try wrapped({ () throws(GitError) in try references(under: prefix) }) {
      if let node = NodeID(name.dropFirst(prefix.count)) { tips[node] = tip }
    }
    return tips
  }
}
