// Changes of a file's content.

/// The result of one try under the lock.
private enum Try<Value> {
  case done(Value)
  /// Parts that must be in memory first.
  case needs(ObjectID, [ContentReference])
  /// Too much is unwritten: parts must be sealed first.
  case mustSeal
  /// New content from outside waits, and this change is to be made of that.
  case mustLand(InodeID)
}

extension VirtualFileSystem {
  /// Writes `bytes`, which are copied before the call returns; O_APPEND ignores `offset`.
  ///
  /// Replies at once, with O_SYNC after the commit. Fewer bytes are written only at the largest file size. If there is no room for the first
  /// bytes, what O_TRUNC took away is there again.
  public func write(
    _ handle: HandleID, at offset: Int64, bytes: UnsafeRawBufferPointer, reply: @escaping Reply<Int>
  ) {
    guard offset >= 0 else { return reply(.failure(VFSError(.invalidArgument))) }
    let moment = moment()
    let available = backing.availableBytes()
    let length = bytes.count
    var restored: InodeID?
    let result = attempt { () throws(VFSError) in
      try changeContent(mayGrow: true) { state, loaded throws(VFSError) -> Try<(Int, InodeID?)> in
        let (inode, open) = try state.writable(handle)
        guard inode.incoming == nil else { return .mustLand(inode.id) }
        let offset = open.options.append ? inode.file.size : offset
        guard length > 0 else { return .done((0, nil)) }
        guard offset < state.options.maximumFileSize else { throw VFSError(.fileTooLarge) }
        let count = min(length, Int(clamping: state.options.maximumFileSize - offset))
        let range = offset..<offset + Int64(count)
        do throws(VFSError) {
          try state.checkSpace(
            growth: state.growth(of: inode, range: range), unwritten: state.rewritten(of: inode, range: range),
            available: available)
        } catch {
          if state.undoTruncation(by: open) { restored = inode.id }
          throw error
        }
        let missing = state.missing(in: inode, range: range, loaded: loaded)
        guard missing.isEmpty else { return .needs(inode.object, missing) }
        unsafe state.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), to: inode, at: offset, loaded: &loaded)
        return .done((count, state.finishChange(of: inode, by: open, at: moment)))
      }
    }
    if let restored { invalidate([.inode(restored, .attributes, isOpen: true)]) }
    finish(result, reply: reply)
  }

  /// fallocate(2).
  public func allocate(
    _ handle: HandleID, offset: Int64, length: Int64, mode: AllocationMode, reply: @escaping Reply<Void>
  ) {
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard offset >= 0, length > 0 else { return reply(.failure(VFSError(.invalidArgument))) }
    guard !overflow, end <= options.maximumFileSize else { return reply(.failure(VFSError(.fileTooLarge))) }
    let moment = moment()
    let available = backing.availableBytes()
    let result = attempt { () throws(VFSError) in
      try changeContent(mayGrow: true) { state, loaded throws(VFSError) -> Try<(Void, InodeID?)> in
        let (inode, open) = try state.writable(handle)
        guard inode.incoming == nil else { return .mustLand(inode.id) }
        let newSize =
          switch mode {
          case .allocate(keepSize: false), .zeroRange(keepSize: false): max(end, inode.file.size)
          default: inode.file.size
          }
        let range = (offset..<end).clamped(to: 0..<newSize)
        if case .allocate = mode {
          try state.checkSpace(growth: state.growth(of: inode, range: range), available: available)
          state.extend(inode, to: newSize)
          state.reserve(range, of: inode)
        } else {
          let missing = state.missing(in: inode, range: range, loaded: loaded)
          guard missing.isEmpty else { return .needs(inode.object, missing) }
          if case .punchHole = mode {
            state.zero(range, of: inode, asHole: true, loaded: &loaded)
          } else {
            try state.checkSpace(growth: state.growth(of: inode, range: range), available: available)
            state.extend(inode, to: newSize)
            state.zero(range, of: inode, asHole: false, loaded: &loaded)
          }
        }
        return .done(((), state.finishChange(of: inode, by: open, at: moment)))
      }
    }
    finish(result, reply: reply)
  }

  /// copy_file_range(2); copies at most 4 MiB a call, as the caller goes on by itself.
  public func copyRange(
    from source: HandleID, at offset: Int64, to target: HandleID, at targetOffset: Int64, count: Int,
    reply: @escaping Reply<Int>
  ) {
    guard offset >= 0, targetOffset >= 0, count >= 0 else { return reply(.failure(VFSError(.invalidArgument))) }
    let count = min(count, 4 * FileContent.partSize)
    let overlap = attempt { () throws(VFSError) in
      try state.withLock { state throws(VFSError) in
        let sameFile = try state.handle(source).inode === state.handle(target).inode
        if try state.handle(target).options.append { throw VFSError(.badHandle) }
        return sameFile && abs(offset - targetOffset) < Int64(count)
      }
    }
    switch overlap {
    case .failure(let error): return reply(.failure(error))
    case .success(true): return reply(.failure(VFSError(.invalidArgument)))
    case .success(false): break
    }
    do throws(VFSError) {
      try unsafe read(source, at: offset, count: count) { bytes in
        unsafe write(target, at: targetOffset, bytes: bytes, reply: reply)
      }
    } catch {
      reply(.failure(error))
    }
  }

  /// lseek(2) with SEEK_DATA or SEEK_HOLE, by pages of 4 KiB.
  ///
  /// Holes are those that were never written or were punched. Once stored, a 1 MiB part that is all zero is a hole, and after the
  /// contents were read from the store again every other part is data as a whole.
  ///
  /// - Throws: ``VFSError/Code/noSuchOffset`` beyond the end, and if no data follows.
  public func seek(_ handle: HandleID, offset: Int64, to target: SeekTarget) throws(VFSError) -> Int64 {
    try state.withLock { state throws(VFSError) in
      let inode = try state.handle(handle).inode
      guard let found = inode.file.seek(target, from: offset) else { throw VFSError(.noSuchOffset) }
      return found
    }
  }

  /// Truncates, or extends by a hole.
  ///
  /// - Returns: Whether the handle is synchronous.
  func resize(
    _ inode: InodeID, handle: HandleID?, to size: Int64, change: AttributeChange, by: Credentials
  ) throws(VFSError) -> (attributes: Attributes, isSynchronous: Bool) {
    guard size >= 0 else { throw VFSError(.invalidArgument) }
    guard size <= options.maximumFileSize else { throw VFSError(.fileTooLarge) }
    let moment = moment()
    let available = backing.availableBytes()
    return try changeContent(mayGrow: false) { state, loaded throws(VFSError) -> Try<(Attributes, Bool)> in
      let inode = try state.inode(inode)
      try state.checkWritable()
      guard inode.isRegular else { throw VFSError(inode.isDirectory ? .isDirectory : .invalidArgument) }
      var open: Handle?
      if let handle {
        open = try state.writable(handle).handle
      } else {
        try state.check(inode, for: .write, by: by)
      }
      try state.checkChange(change, of: inode, by: by)
      guard inode.incoming == nil else { return .mustLand(inode.id) }
      if size > inode.file.size { try state.checkSpace(available: available) }
      // The bytes that stay of the last part, if it is cut, are needed.
      let cut = size..<max(size, (size + Int64(FileContent.partSize) - 1) & -Int64(FileContent.partSize))
      if size < inode.file.size {
        let missing = state.missing(in: inode, range: cut, loaded: loaded)
        guard missing.isEmpty else { return .needs(inode.object, missing) }
      }
      open?.hasWritten = true
      state.resize(inode, to: size, loaded: &loaded)
      state.touchContent(of: inode, at: moment)
      if !(open?.keepsSetID ?? by.isPrivileged), state.dropPrivileges(of: inode) {
        state.touchAttributes(of: inode, at: moment)
      }
      state.apply(change, to: inode, by: by, at: moment)
      if open == nil { inode.isRequested = true }
      return .done((state.attributes(of: inode), open?.options.synchronous ?? false))
    }
  }

  private func finish<Value: Sendable>(_ result: Result<(Value, InodeID?), VFSError>, reply: @escaping Reply<Value>) {
    switch result {
    case .failure(let error): reply(.failure(error))
    case .success((let value, nil)): reply(.success(value))
    case .success((let value, let inode?)): makeDurable(inode, thenReply: value, to: reply)
    }
  }

  /// Tries `body` under the lock until nothing that it needs is missing; loads and seals between the tries.
  private func changeContent<Value>(
    mayGrow: Bool, _ body: (inout State, inout Loaded) throws(VFSError) -> Try<Value>
  ) throws(VFSError) -> Value {
    var loaded: Loaded = [:]
    while true {
      let result = try state.withLock { state throws(VFSError) -> Try<Value> in
        if mayGrow, state.mustSeal { return .mustSeal }
        return try body(&state, &loaded)
      }
      switch result {
      case .done(let value): return value
      case .mustSeal: try sealAhead()
      case .mustLand(let inode): land(inode)
      case .needs(let object, let references):
        for reference in references {
          let key = ContentCache.Key(object: object, reference: reference)
          if let block = cache.remove(key) {
            loaded[reference] = block
          } else {
            loaded[reference] = try backing.load(reference, of: object)
          }
        }
      }
    }
  }

  /// Stores parts of large files until few enough are unwritten.
  private func sealAhead() throws(VFSError) {
    while true {
      // Some at a time: the backing may have several cores.
      let jobs = state.withLock { $0.nextSealJobs(4) }
      if jobs.isEmpty { return }
      do throws(VFSError) {
        let fresh = jobs.filter { !$0.block.isZero }
        let parts = fresh.map { FreshPart(block: $0.block, object: $0.object, index: $0.part) }
        let references = parts.isEmpty ? [] : try backing.seal(parts)
        state.withLock { state in
          for job in jobs where job.block.isZero { state.finish(job, as: nil) }
          for (job, reference) in zip(fresh, references) { state.finish(job, as: reference) }
        }
      } catch {
        state.withLock { state in for job in jobs { state.postpone(job) } }
        throw error
      }
    }
  }
}

extension State {
  /// The inode of a handle that may be written.
  fileprivate func writable(_ id: HandleID) throws(VFSError) -> (inode: Inode, handle: Handle) {
    let handle = try handle(id)
    guard handle.options.write, handle.inode.isRegular else { throw VFSError(.badHandle) }
    try checkWritable()
    return (handle.inode, handle)
  }

  /// Notes a change made through a handle.
  ///
  /// - Returns: The inode if the change has to be durable at once.
  fileprivate mutating func finishChange(of inode: Inode, by handle: Handle, at moment: Moment) -> InodeID? {
    handle.hasWritten = true
    touchContent(of: inode, at: moment)
    if !handle.keepsSetID, dropPrivileges(of: inode) { touchAttributes(of: inode, at: moment) }
    return handle.options.synchronous ? inode.id : nil
  }
}
