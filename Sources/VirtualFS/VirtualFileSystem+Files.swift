// Opening, closing and reading.

extension VirtualFileSystem {
  /// Creates and opens a regular file, or without `exclusive` opens one that is there.
  ///
  /// Replies at once: the new file is committed when it is closed (or after 5 s).
  ///
  /// - Throws: ``VFSError/Code/exists``, ``VFSError/Code/isDirectory``; ``VFSError/Code/stale`` if the name turned out to be something
  ///   else than a regular file, which the caller is to look up again.
  public func create(
    _ name: Name, in parent: InodeID, mode: UInt16, options: OpenOptions, exclusive: Bool, by: Credentials
  ) throws(VFSError) -> (entry: Entry, handle: HandleID) {
    let moment = moment()
    let available = backing.availableBytes()
    let made = try state.withLock { state throws(VFSError) -> (Entry, HandleID)? in
      let directory = try state.writableDirectory(parent, by: by)
      if let present = directory.directory[name] {
        if exclusive { throw VFSError(.exists) }
        if options.read, !options.truncate, !state.isSettled(present, at: moment.monotonic) { throw VFSError(.stale) }
        return nil
      }
      try state.checkSpace(available: available)
      let inode = try state.make(name, in: directory, kind: .regular, mode: mode, by: by, at: moment)
      // Dirty from birth, so that it is committed after 5 s though nothing is written.
      state.touchContent(of: inode, at: moment)
      let handle = state.openHandle(inode, options: options, keepsSetID: by.isPrivileged, at: moment.monotonic)
      return (state.enter(inode), handle)
    }
    if let made { return made }
    let entry = try lookup(name, in: parent)
    do throws(VFSError) {
      switch entry.attributes.kind {
      case .regular: break
      case .directory: throw VFSError(.isDirectory)
      default: throw VFSError(.stale)
      }
      return (entry, try open(entry.attributes.inode, options: options, by: by))
    } catch {
      forget(entry.attributes.inode, lookups: 1)
      throw error
    }
  }

  /// Opens a regular file as it is now.
  ///
  /// - Throws: ``VFSError/Code/isDirectory``, ``VFSError/Code/invalidArgument`` for other kinds, ``VFSError/Code/readOnly``.
  public func open(_ inode: InodeID, options: OpenOptions, by: Credentials) throws(VFSError) -> HandleID {
    let moment = moment()
    let (handle, hasWaiting) = try state.withLock { state throws(VFSError) in
      let inode = try state.openable(inode, options: options, by: by)
      return (state.open(inode, options: options, by: by, at: moment), !state.waitingOpens.isEmpty && options.truncate)
    }
    if hasWaiting { settle() }
    return handle
  }

  /// Opens a regular file; for reading once no change of its content from outside waits to land or to be confirmed.
  ///
  /// So who opens, reads and closes within ``Options/readerPatience`` sees one version. Errors are those of ``open(_:options:by:)``.
  public func open(_ inode: InodeID, options: OpenOptions, by: Credentials, reply: @escaping Reply<HandleID>) {
    let moment = moment()
    let opened = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) -> HandleID? in
        let node = try state.openable(inode, options: options, by: by)
        if options.read, !options.truncate, !state.isSettled(node, at: moment.monotonic) {
          state.waitingOpens[inode, default: []].append(WaitingOpen(options: options, by: by, reply: reply))
          return nil
        }
        return state.open(node, options: options, by: by, at: moment)
      }
    }
    switch opened {
    case .failure(let error): reply(.failure(error))
    case .success(let handle?):
      if options.truncate { settle() }
      reply(.success(handle))
    case .success(nil): break
    }
  }

  /// close(2) of one descriptor: replies after the commit of what was written, at once if nothing was.
  ///
  /// The first close of a descriptor through which nothing was written leaves the commit, if one is due, to the next or to ``release(_:)``.
  public func flush(_ handle: HandleID, reply: @escaping Reply<Void>) {
    let needsCommit = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) -> InodeID? in
        let handle = try state.handle(handle)
        guard handle.options.write || handle.options.truncate else { return nil }
        guard !handle.inode.isTemporary else { return nil }
        // A shell opens with O_TRUNC, duplicates the descriptor and closes the first one before it writes:
        // an empty version that nobody meant must not come of it.
        if !handle.hasWritten, !handle.wasFlushedUnwritten {
          handle.wasFlushedUnwritten = true
          return nil
        }
        // What has changed otherwise is committed within a second.
        guard handle.inode.isDirty || !handle.inode.isPersisted else { return nil }
        return state.request(handle.inode) ? handle.inode.id : nil
      }
    }
    switch needsCommit {
    case .failure(let error): reply(.failure(error))
    case .success(nil): reply(.success(()))
    case .success(let inode?): commit(of: .inode(inode), thenReply: (), to: reply)
    }
  }

  /// fsync(2) and fdatasync(2): replies when the file is durable, as a version or, under a temporary name, kept beside the versions.
  public func synchronize(_ handle: HandleID, reply: @escaping Reply<Void>) {
    let inode = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) in try state.handle(handle).inode.id }
    }
    switch inode {
    case .failure(let error): reply(.failure(error))
    case .success(let inode): makeDurable(inode, thenReply: (), to: reply)
    }
  }

  /// Closes a handle of a file or directory; one that was closed already is ignored.
  ///
  /// What was written and not flushed is committed, though nobody is told how that ends.
  public func release(_ handle: HandleID) {
    let now = monotonic()
    let (needsCommit, isAwaited) = state.withLock { state -> (Bool, Bool) in
      guard let handle = state.handles.removeValue(forKey: handle) else { return (false, false) }
      let inode = handle.inode
      inode.openHandles -= 1
      inode.idleSince = now
      guard inode.isLinked else {
        state.dropIfUnused(inode)
        return (false, false)
      }
      let needsCommit =
        inode.openHandles == 0 && (inode.contentDirtySince != nil || !inode.isPersisted) && !inode.isRequested
        && !inode.isInFlight && !inode.isTemporary
        && state.request(inode)
      return (needsCommit, inode.incoming != nil)
    }
    if isAwaited { settle() }
    if needsCommit { commit(durable: false) { _ in } }
  }

  /// Lends `body` up to `count` bytes from `offset`; fewer only at the end of the file.
  ///
  /// The pointer is dead when `body` returns.
  ///
  /// All bytes are of one moment. Within one part of the file nothing is copied.
  ///
  /// - Throws: ``VFSError/Code/badHandle`` if it is not open for reading, and what ``Backing/load(_:of:)`` throws.
  public func read<R>(
    _ handle: HandleID, at offset: Int64, count: Int, body: (UnsafeRawBufferPointer) -> R
  ) throws(VFSError) -> R {
    guard offset >= 0, count >= 0 else { throw VFSError(.invalidArgument) }
    let moment = moment()
    let plan = try state.withLock { state throws(VFSError) in
      try state.planRead(handle, at: offset, count: count, moment: moment)
    }
    guard plan.count > 0 else { return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    if plan.rest.isEmpty {
      let block = try block(of: plan.first, object: plan.object) ?? Zeros.block
      return unsafe block.withBytes { bytes in
        let end = plan.start + plan.count
        guard end > bytes.count else { return unsafe body(UnsafeRawBufferPointer(rebasing: bytes[plan.start..<end])) }
        // The part goes on with zeros that its block does not hold.
        return unsafe withJoined(plan.count) { joined in
          if plan.start < bytes.count {
            unsafe joined.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[plan.start...]))
          }
        } body: {
          unsafe body($0)
        }
      }
    }
    return try unsafe join(plan, body: body)
  }

  private func join<R>(_ plan: ReadPlan, body: (UnsafeRawBufferPointer) -> R) throws(VFSError) -> R {
    var blocks: [Block?] = []
    for content in [plan.first] + plan.rest { blocks.append(try block(of: content, object: plan.object)) }
    return unsafe withJoined(plan.count) { joined in
      var filled = 0
      var start = plan.start
      for block in blocks {
        let wanted = min(FileContent.partSize - start, plan.count - filled)
        unsafe block?.withBytes { bytes in
          let end = min(bytes.count, start + wanted)
          guard start < end else { return }
          unsafe UnsafeMutableRawBufferPointer(rebasing: joined[filled...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        }
        filled += wanted
        start = 0
      }
    } body: {
      unsafe body($0)
    }
  }

  /// Lends `count` bytes that were zero before `fill`; wiped afterwards, as every block is.
  private func withJoined<R>(
    _ count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void, body: (UnsafeRawBufferPointer) -> R
  ) -> R {
    unsafe Block(count: count, fill: fill).withBytes { bytes in unsafe body(bytes) }
  }

  /// A part's bytes, loaded if need be; nil for a hole.
  private func block(of content: Part.Content, object: ObjectID) throws(VFSError) -> Block? {
    switch content {
    case .hole: return nil
    case .fresh(let block): return block
    case .stored(let reference):
      let key = ContentCache.Key(object: object, reference: reference)
      if let block = cache.get(key) { return block }
      let block = try backing.load(reference, of: object)
      cache.insert(block, for: key)
      return block
    }
  }
}

/// One part of zeros, for reading holes.
private enum Zeros {
  static let block = unsafe Block(count: FileContent.partSize) { _ in }
}

/// What a read lends: a range that begins in one part and may go on in others.
struct ReadPlan: Sendable {
  let object: ObjectID
  var first = Part.Content.hole
  var rest: [Part.Content] = []
  /// Bytes into the first part.
  var start = 0
  var count = 0
}

extension State {
  fileprivate func planRead(
    _ handle: HandleID, at offset: Int64, count: Int, moment: Moment
  ) throws(VFSError) -> ReadPlan {
    let handle = try self.handle(handle)
    guard handle.options.read else { throw VFSError(.badHandle) }
    let inode = handle.inode
    var plan = ReadPlan(object: inode.object)
    let size = inode.file.size
    guard offset < size, count > 0 else { return plan }
    handle.readOn = Int64(count) < size - offset ? moment.monotonic : nil
    touchAccess(of: inode, at: moment.time)
    let part = Int(offset / Int64(FileContent.partSize))
    plan.start = Int(offset % Int64(FileContent.partSize))
    plan.count = Int(min(Int64(count), size - offset))
    plan.first = inode.file.parts[part].content
    if plan.start + plan.count > FileContent.partSize {
      let last = Int((offset + Int64(plan.count) - 1) / Int64(FileContent.partSize))
      plan.rest = inode.file.parts[(part + 1)...last].map { $0.content }
    }
    return plan
  }

  /// Access times as relatime keeps them: only if older than the last change, or than a day; in memory only.
  func touchAccess(of inode: Inode, at time: Timestamp) {
    guard !options.isReadOnly, options.accessTimes != .none else { return }
    if inode.isDirectory, options.accessTimes == .filesOnly { return }
    if inode.accessed <= inode.modified || inode.accessed <= inode.changed
      || time.seconds - inode.accessed.seconds >= 86_400
    {
      inode.accessed = time
    }
  }

  /// Asks for the commit of a file's content.
  ///
  /// - Returns: Whether there is something to commit that the backing is to have.
  func request(_ inode: Inode) -> Bool {
    guard inode.isLinked, !inode.isTemporary, inode.isDirty || !inode.isPersisted else { return false }
    inode.isRequested = true
    inode.heldPlace = nil
    return true
  }
}
