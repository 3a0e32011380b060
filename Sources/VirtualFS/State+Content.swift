// Changes of file contents, with the sums that depend on them.

/// Blocks of stored parts that an operation is about to change, fetched while no lock was held.
typealias Loaded = [ContentReference: Block]

extension State {
  /// The stored parts that a change of `range` must have in memory: those that it covers only partly.
  func missing(in inode: Inode, range: Range<Int64>, loaded: Loaded) -> [ContentReference] {
    var missing: [ContentReference] = []
    for (index, piece) in FileBody.pieces(of: range) where index < inode.file.parts.count {
      guard case .stored(let reference) = inode.file.parts[index].content, loaded[reference] == nil else { continue }
      if piece.lowerBound > 0 || piece.upperBound < inode.file.validBytes(of: index) { missing.append(reference) }
    }
    return missing
  }

  /// Bytes that `range` would add to the data pages.
  func growth(of inode: Inode, range: Range<Int64>) -> Int64 {
    var pages = 0
    for (index, piece) in FileBody.pieces(of: range) {
      let touched = PageSet.touched(piece)
      if index < inode.file.parts.count {
        for page in touched where !inode.file.parts[index].pages.contains(page) { pages += 1 }
      } else {
        pages += touched.count
      }
    }
    return Int64(pages * PageSet.pageSize)
  }

  /// Bytes that the backing has to store again if `range` is changed, as it stores parts whole.
  func rewritten(of inode: Inode, range: Range<Int64>) -> Int {
    var bytes = 0
    for (index, piece) in FileBody.pieces(of: range) {
      bytes += piece.count
      guard index < inode.file.parts.count, case .stored = inode.file.parts[index].content else { continue }
      bytes += inode.file.validBytes(of: index)
    }
    return bytes
  }

  /// Refuses what does not fit, before anything is changed.
  ///
  /// - Parameters:
  ///   - growth: Bytes that the data pages would grow by.
  ///   - unwritten: Bytes that the store's disk would have to take.
  ///   - available: Bytes that it has left.
  /// - Throws: ``VFSError/Code/noSpace``.
  func checkSpace(growth: Int64 = 0, unwritten: Int = 0, available: Int64) throws(VFSError) {
    guard usedBytes + growth <= options.capacity else { throw VFSError(.noSpace) }
    guard available - options.diskReserve > Int64(freshBytes) + Int64(unwritten) else { throw VFSError(.noSpace) }
  }

  /// Refuses a rename or removal whose version could not be stored, before anything is changed.
  ///
  /// - Throws: ``VFSError/Code/noSpace``.
  func checkSpaceForNames(available: Int64) throws(VFSError) {
    guard available >= options.diskReserve / 32 else { throw VFSError(.noSpace) }
  }

  /// Copies `bytes` into a file, whose partly covered stored parts are all in `loaded`.
  mutating func write(_ bytes: UnsafeRawBufferPointer, to inode: Inode, at offset: Int64, loaded: inout Loaded) {
    let range = offset..<offset + Int64(bytes.count)
    extend(inode, to: max(inode.file.size, range.upperBound))
    var done = 0
    for (index, piece) in FileBody.pieces(of: range) {
      let block = exclusiveBlock(of: inode, part: index, room: piece.upperBound, loaded: &loaded)
      unsafe block.write(UnsafeRawBufferPointer(rebasing: bytes[done..<done + piece.count]), at: piece.lowerBound)
      done += piece.count
      setPart(index, of: inode, to: .fresh(block))
      changePages(of: inode, part: index) { $0.insert(PageSet.touched(piece)) }
    }
  }

  /// Makes a range zero, clipped to the file: as holes, or with its pages kept as data.
  mutating func zero(_ range: Range<Int64>, of inode: Inode, asHole: Bool, loaded: inout Loaded) {
    for (index, piece) in FileBody.pieces(of: range.clamped(to: 0..<inode.file.size)) {
      if piece.lowerBound == 0, piece.upperBound >= inode.file.validBytes(of: index) {
        setPart(index, of: inode, to: .hole)
      } else if case .hole = inode.file.parts[index].content {
      } else {
        let block = exclusiveBlock(of: inode, part: index, room: 1, loaded: &loaded)
        block.zero(piece)
        setPart(index, of: inode, to: .fresh(block))
      }
      let isWhole = piece.upperBound >= inode.file.validBytes(of: index)
      let holed = PageSet.enclosed(piece.lowerBound..<(isWhole ? FileContent.partSize : piece.upperBound))
      changePages(of: inode, part: index) { pages in
        if asHole { pages.remove(holed) } else { pages.insert(PageSet.touched(piece)) }
      }
    }
  }

  /// Makes the pages of a range data, without changing a byte.
  mutating func reserve(_ range: Range<Int64>, of inode: Inode) {
    for (index, piece) in FileBody.pieces(of: range.clamped(to: 0..<inode.file.size)) {
      changePages(of: inode, part: index) { $0.insert(PageSet.touched(piece)) }
    }
  }

  /// Changes the size; the part that a smaller size cuts is in `loaded` if it is stored.
  mutating func resize(_ inode: Inode, to size: Int64, loaded: inout Loaded) {
    guard size < inode.file.size else { return extend(inode, to: size) }
    if size == 0 { inode.isRewritten = true }
    let kept = FileBody.partCount(size)
    for index in kept..<inode.file.parts.count { setPart(index, of: inode, to: .hole) }
    let tail = Int(size % Int64(FileContent.partSize))
    if tail > 0 {
      if case .hole = inode.file.parts[kept - 1].content {
      } else {
        let block = exclusiveBlock(of: inode, part: kept - 1, room: 1, loaded: &loaded)
        block.truncate(to: tail)
        setPart(kept - 1, of: inode, to: .fresh(block))
      }
    }
    usedBytes -= inode.file.countedBytes
    inode.file.cut(to: size)
    usedBytes += inode.file.countedBytes
  }

  mutating func extend(_ inode: Inode, to size: Int64) {
    let old = inode.file.parts.count
    inode.file.extend(to: size)
    // From now on the file is large enough to be sealed ahead.
    if old == 1, inode.file.parts.count > 1, case .fresh = inode.file.parts[0].content {
      sealQueue.append((inode.id, 0))
    }
  }

  /// Replaces the whole content, as an external change does.
  mutating func setContent(of inode: Inode, to body: FileBody) {
    for index in inode.file.parts.indices { setPart(index, of: inode, to: .hole) }
    usedBytes += body.countedBytes - inode.file.countedBytes
    inode.file = body
    for part in body.parts { if case .fresh(let block) = part.content { countFresh(block, by: 1) } }
  }

  private mutating func changePages(of inode: Inode, part: Int, _ change: (inout PageSet) -> Void) {
    usedBytes -= inode.file.countedBytes
    inode.file.changePages(of: part, change)
    usedBytes += inode.file.countedBytes
  }
}

// MARK: parts
extension State {
  /// Gives a part new content, keeps the sums, and forgets the clean block of the old.
  mutating func setPart(_ index: Int, of inode: Inode, to content: Part.Content) {
    if inode.file.parts[index].isShared {
      usedBytes -= inode.file.countedBytes
      inode.file.unshare(index)
      usedBytes += inode.file.countedBytes
    }
    switch inode.file.parts[index].content {
    case .hole: break
    case .stored(let reference):
      if !inode.isComparable(with: reference) {
        _ = cache.remove(ContentCache.Key(object: inode.object, reference: reference))
      }
      if inode.file.parts[index].isAhead { discarded.append(reference) }
    case .fresh(let block): countFresh(block, by: -1)
    }
    inode.file.parts[index].content = content
    inode.file.parts[index].isAhead = false
    if case .fresh(let block) = content {
      countFresh(block, by: 1)
      if inode.file.parts.count > 1 { queueForSealing(inode, part: index) }
    }
  }

  /// Takes a part's block out of the file, with room for `room` bytes and no other reference, to be changed and put back.
  private mutating func exclusiveBlock(of inode: Inode, part: Int, room: Int, loaded: inout Loaded) -> Block {
    guard var block = takeBlock(of: inode, part: part, loaded: &loaded) else {
      return Block(capacity: Block.room(for: room, from: 0))
    }
    let capacity = Block.room(for: room, from: block.capacity)
    if capacity == block.capacity, Block.isExclusive(&block) { return block }
    return block.copy(capacity: capacity)
  }

  /// A part's block if it has one; a fresh part is left a hole.
  private mutating func takeBlock(of inode: Inode, part: Int, loaded: inout Loaded) -> Block? {
    switch inode.file.parts[part].content {
    case .hole: return nil
    case .stored(let reference): return loaded.removeValue(forKey: reference)
    case .fresh(let block):
      inode.file.parts[part].content = .hole
      countFresh(block, by: -1)
      return block
    }
  }

  private mutating func countFresh(_ block: Block, by sign: Int) {
    freshBytes += sign * block.capacity
    freshParts += sign
  }
}

// MARK: sealing ahead
extension State {
  /// A part of a large file that is to be stored before its commit.
  struct SealJob {
    let inode: InodeID
    let object: ObjectID
    let part: Int
    let block: Block
  }

  var mustSeal: Bool { freshBytes > options.dirtyLimit && sealQueueStart < sealQueue.count }

  private mutating func queueForSealing(_ inode: Inode, part: Int) {
    guard !inode.file.parts[part].isQueued else { return }
    inode.file.parts[part].isQueued = true
    sealQueue.append((inode.id, part))
  }

  /// Parts that have been fresh for longest, at most `count`, if too much is fresh.
  mutating func nextSealJobs(_ count: Int) -> [SealJob] {
    var jobs: [SealJob] = []
    while jobs.count < count, let job = nextSealJob() { jobs.append(job) }
    return jobs
  }

  /// The part that has been fresh for longest, if too much is fresh.
  ///
  /// Parts of small files are left out, as the backing stores those whole; so are those of a commit being made.
  private mutating func nextSealJob() -> SealJob? {
    guard freshBytes > options.dirtyLimit else { return nil }
    var postponed: [(inode: InodeID, part: Int)] = []
    defer {
      sealQueue.append(contentsOf: postponed)
      if sealQueueStart > 64, sealQueueStart * 2 > sealQueue.count {
        sealQueue.removeSubrange(..<sealQueueStart)
        sealQueueStart = 0
      }
    }
    while sealQueueStart < sealQueue.count {
      let (id, part) = sealQueue[sealQueueStart]
      sealQueueStart += 1
      guard let inode = inodes[id], part < inode.file.parts.count else { continue }
      inode.file.parts[part].isQueued = false
      guard case .fresh(let block) = inode.file.parts[part].content, inode.file.parts.count > 1 else { continue }
      if inode.isInFlight {
        inode.file.parts[part].isQueued = true
        postponed.append((id, part))
        continue
      }
      return SealJob(inode: id, object: inode.object, part: part, block: block)
    }
    return nil
  }

  /// Takes a sealed part's place; nothing if the part was changed meanwhile, or is just being committed.
  mutating func finish(_ job: SealJob, as reference: ContentReference?) {
    guard let inode = inodes[job.inode], inode.object == job.object, job.part < inode.file.parts.count,
      case .fresh(let block) = inode.file.parts[job.part].content, block === job.block
    else {
      if let reference { discarded.append(reference) }
      return
    }
    if inode.isInFlight {
      if let reference { discarded.append(reference) }
      return queueForSealing(inode, part: job.part)
    }
    settle(job.part, of: inode, as: reference)
    inode.file.parts[job.part].isAhead = reference != nil
  }

  /// A sealing failed: the part waits for another try.
  mutating func postpone(_ job: SealJob) {
    guard let inode = inodes[job.inode], job.part < inode.file.parts.count else { return }
    queueForSealing(inode, part: job.part)
  }

  /// A fresh part is in the backing now: its block becomes clean.
  mutating func settle(_ index: Int, of inode: Inode, as reference: ContentReference?) {
    guard case .fresh(let block) = inode.file.parts[index].content else { return }
    guard let reference else {
      setPart(index, of: inode, to: .hole)
      changePages(of: inode, part: index) { $0.remove(0..<256) }
      return
    }
    setPart(index, of: inode, to: .stored(reference))
    cache.insert(block, for: ContentCache.Key(object: inode.object, reference: reference))
  }
}
