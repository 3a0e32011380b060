/// One path at which two trees differ.
package struct TreeDifference: Hashable, Sendable {
  /// The path's bytes from the root, parts joined with `/`.
  package let path: [UInt8]
  /// What is there in the older tree; never a directory.
  package let old: TreeEntry?
  /// What is there in the newer tree; never a directory.
  package let new: TreeEntry?
}

extension ObjectSource {
  /// Calls `body` for each file that differs between two trees, in git's order; equal subtrees are not even read.
  ///
  /// Either tree may be nil for none, as before a first commit. Throws what reading and `body` throw.
  package func differences(
    old: ObjectName?, new: ObjectName?, _ body: (TreeDifference) throws(GitError) -> Void
  ) throws(GitError) {
    try differences(old: old, new: new, below: [], body)
  }

  private func differences(
    old: ObjectName?, new: ObjectName?, below prefix: [UInt8], _ body: (TreeDifference) throws(GitError) -> Void
  ) throws(GitError) {
    guard old != new else { return }
    var olds = try entries(old)[...]
    var news = try entries(new)[...]
    while true {
      let left = olds.first
      let right = news.first
      var from: TreeEntry?
      var to: TreeEntry?
      switch (left, right) {
      case (nil, nil): return
      case (let left?, nil): from = left
      case (nil, let right?): to = right
      case (let left?, let right?):
        if !TreeEntry.precedes(right, left) { from = left }
        if !TreeEntry.precedes(left, right) { to = right }
      }
      if from != nil { olds.removeFirst() }
      if to != nil { news.removeFirst() }
      if from == to { continue }
      let path = prefix + (from?.name ?? to?.name ?? [])
      if from?.mode == .directory || to?.mode == .directory {
        try differences(old: from?.object, new: to?.object, below: path + [UInt8(ascii: "/")], body)
      } else {
        try body(TreeDifference(path: path, old: from, new: to))
      }
    }
  }

  private func entries(_ name: ObjectName?) throws(GitError) -> [TreeEntry] {
    guard let name else { return [] }
    return try tree(name).entries
  }
}
