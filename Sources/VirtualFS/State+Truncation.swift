// A file that O_TRUNC emptied for what then found no room: it is as it was.

/// What a file was when a handle's O_TRUNC emptied it.
struct Truncation {
  let body: FileBody
  let modified: Timestamp
  /// The content's version when it was empty.
  fileprivate var version: UInt64 = 0
  fileprivate let externalRounds: UInt64
}

extension State {
  /// O_TRUNC of a file that is about to be opened.
  ///
  /// - Returns: What to put back if nothing can be written; nil if the store has it not just so.
  mutating func empty(_ inode: Inode, at moment: Moment) -> Truncation? {
    let isStored = inode.isPersisted && inode.contentDirtySince == nil && inode.file.size > 0
    var truncation =
      isStored
      ? Truncation(body: inode.file, modified: inode.modified, externalRounds: externalRounds) : nil
    var none: Loaded = [:]
    resize(inode, to: 0, loaded: &none)
    touchContent(of: inode, at: moment)
    truncation?.version = inode.version.content
    return truncation
  }

  /// Puts back what a handle's O_TRUNC emptied, if nothing has come of that yet.
  ///
  /// - Returns: Whether the file has its content again.
  mutating func undoTruncation(by handle: Handle) -> Bool {
    let inode = handle.inode
    guard let before = handle.truncation, !handle.hasWritten, inode.contentDirtySince != nil, !inode.isInFlight,
      inode.version.content == before.version
    else { return false }
    handle.truncation = nil
    setContent(of: inode, to: before.body)
    inode.modified = before.modified
    inode.version.content += 1
    // What others changed meanwhile was not taken in, since the file was changed here: then it stays so.
    if before.externalRounds == externalRounds {
      inode.contentDirtySince = nil
      if !inode.isDirty { dirty[inode.id] = nil }
    }
    return true
  }
}
