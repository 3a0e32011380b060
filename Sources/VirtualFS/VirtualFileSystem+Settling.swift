// Changes of content from outside that wait for readers, and readers that wait for them; see State+Settling.swift.

extension VirtualFileSystem {
  /// Lets changes from outside land that have waited long enough, or that nobody is in the way of any more.
  ///
  /// Whoever opens through this file system with ``open(_:options:by:reply:)`` has a thread that calls it whenever `invalidate` was
  /// told anything, and again after the time that it returns, in nanoseconds; nil if nothing waits.
  @discardableResult
  public func settle() -> UInt64? {
    let moment = moment()
    let settlement = state.withLock { $0.unsettled.isEmpty ? Settlement() : $0.settle(at: moment) }
    if !settlement.stale.isEmpty { invalidate(settlement.stale) }
    for open in settlement.opens { open.reply(open.result) }
    return settlement.next.map { $0 > moment.monotonic ? $0 - moment.monotonic : 0 }
  }

  /// From now on whoever gets ``Invalidation``s calls ``confirm(_:)`` for each of new content when its cache has forgotten the old.
  public func startConfirming() { state.withLock { $0.isConfirmed = true } }

  /// The cache above holds nothing of what an inode's content was before the ``Invalidation`` that it was told.
  public func confirm(_ inode: InodeID) {
    let isLast = state.withLock { state -> Bool in
      guard let inode = state.inodes[inode], inode.untold > 0 else { return false }
      inode.untold -= 1
      return inode.untold == 0
    }
    if isLast { settle() }
  }

  /// A cache above may hold something else than an inode's content until ``confirm(_:)`` is called once more: nobody opens it meanwhile.
  ///
  /// - Returns: Whether it is to be called.
  public func hold(_ inode: InodeID) -> Bool {
    let monotonic = monotonic()
    return state.withLock { state in
      guard let inode = state.inodes[inode] else { return false }
      return state.noteUntold(inode, at: monotonic)
    }
  }

  /// Lets land all that waits, and nothing wait from now on.
  public func stopWaiting() {
    state.withLock { state in
      state.patience = 0
      state.isConfirmed = false
    }
    settle()
  }

  /// Lets new content land at once, as it is about to be changed here.
  func land(_ inode: InodeID) {
    let moment = moment()
    let stale = state.withLock { state in state.inodes[inode].map { state.land($0, at: moment) } ?? [] }
    if !stale.isEmpty { invalidate(stale) }
    settle()
  }
}
