internal import GitStore
internal import VirtualFS

/// How far a member is.
package struct MemberProgress: Hashable, Sendable {
  /// When it wrote last, as it says itself: seconds since 1970; nil if never.
  package var time: Int64?
  /// Versions that it had not seen when it wrote last.
  package var behind: Int
}

extension Vault {
  /// How far each node is that ever wrote, by what its last version builds on.
  ///
  /// Compared with what `main` shows: nothing is merged or read.
  package func progress() throws(VaultError) -> [NodeID: MemberProgress] {
    var progress: [NodeID: MemberProgress] = [:]
    guard let view = try shownCommit() else { return progress }
    for (node, tip) in try nodeTips() where membership.members[node] != nil || membership.removed[node] != nil {
      let unseen = try Divergence.commits(reachedBy: [view], butNotBy: [tip], in: graph)
      progress[node] = MemberProgress(time: try graph.commit(tip).time, behind: unseen.count { !$0.isMerge })
    }
    return progress
  }

  /// Paths of the secrets that a removed member could read and that nobody has changed since.
  ///
  /// A value that was only encrypted anew counts as unchanged.
  package func exposed(to node: NodeID) throws(VaultError) -> [[UInt8]] {
    guard let then = membership.removed[node]?.view, let now = try view() else { return [] }
    let sealer = ObjectSealer(self)
    let old = try graph.tree(try graph.commit(then))
    let new = try DataTree(reading: now.tree, of: now.commit, from: repository, sharing: old)
    var paths: [[UInt8]] = []
    for key in old.keys {
      let (before, after) = (old.entries(of: key), new.entries(of: key))
      guard !after.isEmpty else { continue }
      guard let node = try sealer.readable(key, after), case .regular(let content) = node.body,
        let path = node.paths.first
      else { continue }
      // What cannot be read as it was counts as unchanged: better one too many in the list.
      guard !before.elementsEqual(after), let then = try sealer.readable(key, before) else {
        paths.append(path)
        continue
      }
      if case .regular(let known) = then.body, try sealer.hasSameBytes(known, content) { paths.append(path) }
    }
    return paths
  }
}

extension ObjectSealer {
  /// An object's node; nil if it cannot be read here.
  fileprivate func readable(_ key: ObjectKey, _ entries: ArraySlice<DataTree.Entry>) throws(VaultError) -> StoredNode? {
    do throws(VaultError) {
      return try node(of: key.id, entries: entries)
    } catch {
      guard error.isUnreadable else { throw error }
      return nil
    }
  }

  fileprivate func hasSameBytes(_ a: FileContent, _ b: FileContent) throws(VaultError) -> Bool {
    guard a.size == b.size else { return false }
    for index in a.parts.indices {
      let (first, second) = (try block(a, part: index), try block(b, part: index))
      guard unsafe first.withBytes({ x in unsafe second.withBytes { y in unsafe x.elementsEqual(y) } }) else {
        return false
      }
    }
    return true
  }
}
