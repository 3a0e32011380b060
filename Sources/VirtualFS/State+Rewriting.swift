// A file that is emptied and written again with the bytes that it had makes no version.
//
// Its new mtime is shown as long as the mount lasts, and not stored. What was set on purpose, as with touch, is.

/// What may be as the backing has it already.
struct Rewriting: Sendable {
  /// Its place in the snapshot.
  let index: Int
  let object: ObjectID
  let stored: ContentReference
  let block: Block
  let size: Int
}

extension Inode {
  /// Bytes of a file that is compared with what the backing has if that is not in memory.
  static var comparedSize: Int64 { 64 << 10 }

  /// Whether the clean block of `reference` stays in the cache, to be compared with what is written in its place.
  func isComparable(with reference: ContentReference) -> Bool {
    committed.map { $0.reference == reference && $0.size <= Inode.comparedSize } ?? false
  }

  /// Notes what the backing has now.
  fileprivate func noteCommitted(_ content: FileContent) {
    isRewritten = false
    committed =
      if content.parts.count == 1, case .stored(let reference) = content.parts[0] {
        Committed(size: content.size, reference: reference)
      } else { nil }
  }

  /// The content that it was given anew and that may be the stored one; nothing else of it has changed.
  fileprivate func rewriting(at index: Int) -> Rewriting? {
    guard isRewritten, isPersisted, attributesDirtySince == nil, !namesAreDirty, let committed,
      file.size == committed.size,
      committed.size <= Inode.comparedSize, file.parts.count == 1, case .fresh(let block) = file.parts[0].content
    else { return nil }
    return Rewriting(
      index: index, object: object, stored: committed.reference, block: block, size: Int(committed.size))
  }
}

extension State {
  /// Notes what the backing has now of a file, and forgets the clean block that was kept for the comparison.
  mutating func noteCommitted(_ content: FileContent, of inode: Inode) {
    let old = inode.committed
    inode.noteCommitted(content)
    guard let old, old.reference != inode.committed?.reference else { return }
    _ = cache.remove(ContentCache.Key(object: inode.object, reference: old.reference))
  }

  /// What of a snapshot may be stored already.
  func rewritings(in snapshot: Snapshot) -> [Rewriting] {
    snapshot.items.enumerated().compactMap { index, item in
      item.blocks.count == 1 ? inodes[item.inode]?.rewriting(at: index) : nil
    }
  }

  /// Takes out of a snapshot what the backing has already.
  mutating func withdraw(_ rewritings: [Rewriting], from snapshot: inout Snapshot) {
    for rewriting in rewritings.reversed() {
      let item = snapshot.items.remove(at: rewriting.index)
      snapshot.puts.remove(at: rewriting.index)
      guard let inode = inodes[item.inode] else { continue }
      inode.isInFlight = false
      guard inode.version == item.version, objects[rewriting.object] === inode, inode.isLinked else {
        inode.isRequested = inode.isRequested || item.wasRequested
        continue
      }
      settle(0, of: inode, as: rewriting.stored)
      inode.contentDirtySince = nil
      inode.isRewritten = false
      if !inode.isDirty { dirty[inode.id] = nil }
    }
  }
}

extension VirtualFileSystem {
  /// Those of `rewritings` whose bytes are the stored ones.
  func unchanged(_ rewritings: [Rewriting]) -> [Rewriting] {
    rewritings.filter { rewriting in
      let key = ContentCache.Key(object: rewriting.object, reference: rewriting.stored)
      // One that cannot be read is replaced.
      guard let old = cache.get(key) ?? (try? backing.load(rewriting.stored, of: rewriting.object)) else {
        return false
      }
      return old.isSame(as: rewriting.block, count: rewriting.size)
    }
  }
}

extension Block {
  /// Whether both hold the same `count` bytes, of which those that they do not hold are zeros.
  fileprivate func isSame(as other: Block, count: Int) -> Bool {
    unsafe withBytes { (a: UnsafeRawBufferPointer) in
      unsafe other.withBytes { (b: UnsafeRawBufferPointer) in
        let common = min(a.count, b.count, count)
        let words = common / 8
        for i in 0..<words
        where unsafe a.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)
          != b.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)
        { return false }
        for i in (words * 8)..<common where unsafe a[i] != b[i] { return false }
        for i in common..<max(common, min(a.count, count)) where unsafe a[i] != 0 { return false }
        for i in common..<max(common, min(b.count, count)) where unsafe b[i] != 0 { return false }
        return true
      }
    }
  }
}
