// New content from outside lands in the inode, under those who have it open. It waits for those who are in the middle of reading
// the file, and who opens it for reading waits until it has landed and a cache above knows: so who opens, reads to the end
// and closes sees one version. Nobody waits for those who hold a file open.

/// New content that waits to land.
struct Incoming: Sendable {
  var content: FileContent
  /// Its mtime; nil if one was set here meanwhile.
  var modified: Timestamp?
  /// Its ctime.
  let changed: Timestamp
  /// When the first change came that waits, on the monotonic clock.
  let since: UInt64
}

/// An open that waits until a file's content is settled.
struct WaitingOpen: Sendable {
  let options: OpenOptions
  let by: Credentials
  let reply: Reply<HandleID>
}

/// What is to be done, without the lock, after a look at what waits.
struct Settlement: Sendable {
  var stale: [Invalidation] = []
  var opens: [(reply: Reply<HandleID>, result: Result<HandleID, VFSError>)] = []
  /// When something is due next, on the monotonic clock.
  var next: UInt64?

  mutating func wait(until time: UInt64) { next = min(next ?? .max, time) }
}

extension State {
  /// When the last of those who are reading a file ceases to count; nil if nobody is.
  private func readersEnd(of inode: Inode, at now: UInt64) -> UInt64? {
    guard patience > 0, inode.openHandles > 0 else { return nil }
    var end: UInt64?
    for handle in handles.values where handle.inode === inode && handle.options.read {
      let expiry = max(handle.opened, handle.readOn ?? 0) + patience
      if expiry > now { end = max(end ?? 0, expiry) }
    }
    return end
  }

  /// Whether who opens a file now reads nothing that is about to change.
  func isSettled(_ inode: Inode, at now: UInt64) -> Bool {
    inode.incoming == nil && (inode.untold == 0 || now >= inode.untoldSince + patience)
  }

  /// Keeps a file's new content for later, if somebody is reading the old; returns whether it did.
  mutating func awaitReaders(of inode: Inode, with node: StoredNode, _ merge: inout ExternalMerge) -> Bool {
    guard case .regular(let content) = node.body, inode.contentDirtySince == nil else { return false }
    let since = inode.incoming?.since ?? merge.moment.monotonic
    inode.incoming = nil
    guard !inode.file.isSame(as: content), readersEnd(of: inode, at: merge.moment.monotonic) != nil else {
      return false
    }
    inode.incoming = Incoming(
      content: content, modified: inode.attributesDirtySince == nil ? node.modified : nil, changed: node.changed,
      since: since)
    unsettled.insert(inode.id)
    merge.told.noteWaiting(inode)
    return true
  }

  /// A cache above is told of new content: until it confirms that, nobody opens the file for reading.
  ///
  /// - Returns: Whether it is to confirm that.
  @discardableResult
  mutating func noteUntold(_ inode: Inode, at monotonic: UInt64) -> Bool {
    guard isConfirmed, inode.isKnown else { return false }
    inode.untold += 1
    inode.untoldSince = monotonic
    unsettled.insert(inode.id)
    return true
  }

  /// Shows new content that waited; returns what a cache above must forget.
  mutating func land(_ inode: Inode, at moment: Moment) -> [Invalidation] {
    guard let incoming = inode.incoming.take() else { return [] }
    // What was removed meanwhile, and is still open, stays as it was.
    guard inode.isLinked, inode.contentDirtySince == nil else { return [] }
    let before = (inode.file.size, inode.modified)
    setContent(of: inode, to: FileBody(incoming.content))
    noteCommitted(incoming.content, of: inode)
    if let modified = incoming.modified { inode.modified = modified }
    // Caches that compare size and time must see that the content is another.
    if before == (inode.file.size, inode.modified) { inode.modified = inode.modified.next }
    if inode.attributesDirtySince == nil {
      inode.changed = inode.changed == incoming.changed ? incoming.changed.next : incoming.changed
    }
    var told = ExternalNews()
    told.note(inode, .content)
    noteUntold(inode, at: moment.monotonic)
    return told.invalidations
  }

  /// Lets land what nobody is in the way of, or has waited long enough, and opens what waits for that.
  mutating func settle(at moment: Moment) -> Settlement {
    var settlement = Settlement()
    for id in unsettled.sorted() {
      if let inode = inodes[id] {
        if let incoming = inode.incoming {
          let limit = incoming.since + 2 * patience
          if moment.monotonic < limit, let end = readersEnd(of: inode, at: moment.monotonic) {
            settlement.wait(until: min(end, limit))
            continue
          }
          settlement.stale += land(inode, at: moment)
        }
        guard isSettled(inode, at: moment.monotonic) else {
          settlement.wait(until: inode.untoldSince + patience)
          continue
        }
      }
      unsettled.remove(id)
      for waiting in waitingOpens.removeValue(forKey: id) ?? [] {
        settlement.opens.append(
          (
            waiting.reply,
            attempt { () throws(VFSError) in
              let inode = try openable(id, options: waiting.options, by: waiting.by)
              return open(inode, options: waiting.options, by: waiting.by, at: moment)
            }
          ))
      }
    }
    return settlement
  }
}

// MARK: opening
extension State {
  /// The regular file that is to be opened, if that is allowed.
  func openable(_ id: InodeID, options: OpenOptions, by: Credentials) throws(VFSError) -> Inode {
    let inode = try inode(id)
    guard inode.isRegular else { throw VFSError(inode.isDirectory ? .isDirectory : .invalidArgument) }
    if options.write || options.truncate { try checkWritable() }
    if self.options.enforcesPermissions {
      var mask: AccessMask = []
      if options.read { mask.insert(.read) }
      if options.write || options.truncate { mask.insert(.write) }
      try check(inode, for: mask, by: by)
    }
    return inode
  }

  /// Opens a file that was checked.
  mutating func open(_ inode: Inode, options: OpenOptions, by: Credentials, at moment: Moment) -> HandleID {
    var truncation: Truncation?
    if options.truncate {
      // What came from outside is replaced as if it had landed.
      inode.incoming = nil
      truncation = empty(inode, at: moment)
      if !by.isPrivileged, dropPrivileges(of: inode) { touchAttributes(of: inode, at: moment) }
    }
    let handle = openHandle(inode, options: options, keepsSetID: by.isPrivileged, at: moment.monotonic)
    handles[handle]?.truncation = truncation
    return handle
  }
}
