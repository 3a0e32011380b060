// Changes of names: each checks all before it changes anything.

extension State {
  /// What a change of names leaves to do.
  enum Outcome {
    /// Nothing that the backing knows has changed.
    case inMemory
    case needsCommit
  }

  /// The directory `id`, where entries may be made or removed.
  mutating func writableDirectory(_ id: InodeID, by: Credentials) throws(VFSError) -> Inode {
    let directory = try directory(id)
    try checkWritable()
    try check(directory, for: [.write, .execute], by: by)
    guard directory.isLinked else { throw VFSError(.notFound) }
    establish(directory)
    return directory
  }

  /// Refuses a name of the root that has a meaning of its own, and could not be stored.
  private func checkFree(_ name: Name, in parent: Inode) throws(VFSError) {
    if parent.isRoot, options.isReserved(name) { throw VFSError(.notPermitted) }
  }

  /// Makes a node with a new name.
  mutating func make(
    _ name: Name, in parent: Inode, kind: FileKind, mode: UInt16, target: [UInt8] = [], by: Credentials,
    at moment: Moment
  ) throws(VFSError) -> Inode {
    guard parent.directory[name] == nil else { throw VFSError(.exists) }
    try checkFree(name, in: parent)
    guard inodes.count < options.maximumInodes else { throw VFSError(.noSpace) }
    var mode = mode & 0o7777
    var group = by.group
    if parent.mode & ModeBits.setGroup != 0 {
      group = parent.group
      if kind == .directory {
        mode |= ModeBits.setGroup
      } else if mode & ModeBits.setGroup != 0, mode & ModeBits.groupExecute != 0, !by.isIn(group) {
        mode &= ~ModeBits.setGroup
      }
    }
    let inode = makeInode(kind: kind, mode: mode, owner: by.user, group: group, time: moment.time)
    inode.target = target
    if !inheritList(inode, from: parent), kind != .symbolicLink { inode.mode &= ~(by.umask & 0o777) }
    link(inode, as: name, in: parent)
    // A regular file asks to be committed when it is closed.
    inode.isRequested = !inode.isRegular
    touchEntries(of: parent, at: moment)
    return inode
  }

  /// Changes a directory's times in memory, as its entries changed.
  func touchEntries(of directory: Inode, at moment: Moment) {
    directory.modified = moment.time
    directory.changed = moment.time
  }

  mutating func makeLink(
    _ name: Name, in parent: InodeID, to id: InodeID, by: Credentials, at moment: Moment
  ) throws(VFSError) -> (entry: Entry, outcome: Outcome) {
    let inode = try inode(id)
    let parent = try writableDirectory(parent, by: by)
    guard !inode.isDirectory else { throw VFSError(.notPermitted) }
    guard inode.isLinked else { throw VFSError(.notFound) }
    guard parent.directory[name] == nil else { throw VFSError(.exists) }
    try checkFree(name, in: parent)
    guard inode.links.count < State.maximumLinks else { throw VFSError(.tooManyLinks) }
    link(inode, as: name, in: parent)
    inode.changed = moment.time
    inode.isRequested = true
    touchEntries(of: parent, at: moment)
    return (enter(inode), inode.isEphemeral ? .inMemory : .needsCommit)
  }

  /// Each further link stores all of them anew: 255 of a small file take some 50 MB of history, 1,000 would take 770.
  static var maximumLinks: Int { 255 }

  mutating func removeFile(
    _ name: Name, in parent: InodeID, by: Credentials, at moment: Moment
  ) throws(VFSError) -> Outcome {
    let parent = try writableDirectory(parent, by: by)
    guard let inode = parent.directory[name] else { throw VFSError(.notFound) }
    guard !inode.isDirectory else { throw VFSError(.isDirectory) }
    try checkSticky(parent, inode, by: by)
    return remove(inode, name: name, from: parent, at: moment)
  }

  mutating func removeDirectory(
    _ name: Name, in parent: InodeID, by: Credentials, at moment: Moment
  ) throws(VFSError) -> Outcome {
    let parent = try writableDirectory(parent, by: by)
    guard let inode = parent.directory[name] else { throw VFSError(.notFound) }
    guard inode.isDirectory else { throw VFSError(.notDirectory) }
    try checkSticky(parent, inode, by: by)
    guard inode.directory.isEmpty else { throw VFSError(.notEmpty) }
    return remove(inode, name: name, from: parent, at: moment)
  }

  private mutating func remove(_ inode: Inode, name: Name, from parent: Inode, at moment: Moment) -> Outcome {
    unlink(inode, name: name, from: parent)
    inode.changed = moment.time
    touchEntries(of: parent, at: moment)
    let isKnown = noteRemoval(of: inode)
    dropIfUnused(inode)
    return isKnown ? .needsCommit : .inMemory
  }
}

// MARK: rename
extension State {
  mutating func rename(
    _ name: Name, in parentID: InodeID, to newName: Name, in newParentID: InodeID, flags: RenameFlags,
    by: Credentials, at moment: Moment
  ) throws(VFSError) -> Outcome {
    let parent = try writableDirectory(parentID, by: by)
    let newParent = try writableDirectory(newParentID, by: by)
    guard let inode = parent.directory[name] else { throw VFSError(.notFound) }
    try checkFree(newName, in: newParent)
    if flags == .exchange { try checkFree(name, in: parent) }
    let target = newParent.directory[newName]
    if inode.isDirectory, newParent.isInside(inode) { throw VFSError(.invalidArgument) }
    try checkSticky(parent, inode, by: by)
    if let target { try checkSticky(newParent, target, by: by) }
    if parent !== newParent {
      // The entry ".." of a moved directory is written.
      if inode.isDirectory { try check(inode, for: .write, by: by) }
      if flags == .exchange, let target, target.isDirectory { try check(target, for: .write, by: by) }
    }
    switch (flags, target) {
    case (.exchange, nil): throw VFSError(.notFound)
    case (.noReplace, .some): throw VFSError(.exists)
    case (.exchange, let target?):
      if target.isDirectory, parent.isInside(target) { throw VFSError(.invalidArgument) }
      if target === inode { return .inMemory }
      exchange((inode, name, parent), (target, newName, newParent))
      target.changed = moment.time
    case (_, let target?):
      // Two names of one file: POSIX wants nothing to be done.
      if target === inode { return .inMemory }
      if inode.isDirectory {
        guard target.isDirectory else { throw VFSError(.notDirectory) }
        guard target.directory.isEmpty else { throw VFSError(.notEmpty) }
      } else if target.isDirectory {
        throw VFSError(.isDirectory)
      }
      let known = replace((target, newName, newParent), by: (inode, name, parent), at: moment)
      finishRename(of: inode, parent, newParent, at: moment)
      return known || !inode.isEphemeral ? .needsCommit : .inMemory
    case (_, nil):
      let holds = parent === newParent && inode.canBeHeld && !options.isEphemeral(name) && options.isEphemeral(newName)
      if parent === newParent {
        parent.directory.rename(name, to: newName)
        moveLink(of: inode, name: name, in: parent, to: newName, in: newParent)
      } else {
        parent.directory.remove(name)
        newParent.directory.insert(inode, as: newName)
        moveLink(of: inode, name: name, in: parent, to: newName, in: newParent)
      }
      if holds {
        hold(inode, Inode.HeldPlace(parent: parent.id, name: name, since: moment.monotonic))
        inode.changed = moment.time
        touchEntries(of: parent, at: moment)
        return .inMemory
      }
    }
    if let target { target.isRequested = true }
    finishRename(of: inode, parent, newParent, at: moment)
    return inode.isEphemeral && target?.isEphemeral ?? true ? .inMemory : .needsCommit
  }

  private mutating func finishRename(of inode: Inode, _ parent: Inode, _ newParent: Inode, at moment: Moment) {
    inode.changed = moment.time
    inode.isRequested = true
    establish(inode)
    touchEntries(of: parent, at: moment)
    touchEntries(of: newParent, at: moment)
  }

  private mutating func moveLink(
    of inode: Inode, name: Name, in parent: Inode, to newName: Name, in newParent: Inode
  ) {
    inode.links.removeAll { $0.parent === parent && $0.name == name }
    addLink(of: inode, name: newName, in: newParent)
  }

  private typealias Place = (inode: Inode, name: Name, parent: Inode)

  private mutating func exchange(_ a: Place, _ b: Place) {
    a.parent.directory.replace(a.name, by: b.inode)
    b.parent.directory.replace(b.name, by: a.inode)
    a.inode.links.removeAll { $0.parent === a.parent && $0.name == a.name }
    b.inode.links.removeAll { $0.parent === b.parent && $0.name == b.name }
    addLink(of: a.inode, name: b.name, in: b.parent)
    addLink(of: b.inode, name: a.name, in: a.parent)
  }

  /// Puts `source` in the place of `target`, which loses that name.
  ///
  /// - Returns: Whether the backing knows `target`.
  private mutating func replace(_ target: Place, by source: Place, at moment: Moment) -> Bool {
    source.parent.directory.remove(source.name)
    target.parent.directory.replace(target.name, by: source.inode)
    let adopts = source.inode.canAdopt(target.inode)
    removeLink(of: target.inode, name: target.name, in: target.parent)
    moveLink(of: source.inode, name: source.name, in: source.parent, to: target.name, in: target.parent)
    target.inode.changed = moment.time
    let isKnown: Bool
    if adopts {
      adopt(target.inode.object, by: source.inode, at: moment.monotonic)
      target.inode.isPersisted = false
      isKnown = true
    } else {
      isKnown = noteRemoval(of: target.inode)
    }
    dropIfUnused(target.inode)
    return isKnown
  }

  /// Lets a new file go on with the history of the object that it replaces.
  mutating func adopt(_ object: ObjectID, by inode: Inode, at monotonic: UInt64) {
    objects[inode.object] = nil
    if let old = objects[object], old !== inode {
      // What came from outside for the one that is replaced is so, too.
      old.incoming = nil
      // The number is the object's; but who has the old one open must be able to tell them apart.
      if old.openHandles == 0 { swap(&inode.number, &old.number) }
    }
    inode.object = object
    objects[object] = inode
    inode.isPersisted = true
    inode.version.content += 1
    inode.version.attributes += 1
    if inode.contentDirtySince == nil { inode.contentDirtySince = monotonic }
    if inode.attributesDirtySince == nil { inode.attributesDirtySince = monotonic }
    noteDirty(inode)
  }
}

extension Inode {
  /// Whether it is a new file that may replace `other` as the same object.
  ///
  /// Not if parts were sealed already: the backing sealed them for the object that it is now.
  func canAdopt(_ other: Inode) -> Bool {
    guard isRegular, !isPersisted, !isInFlight, links.count == 1 else { return false }
    guard other.isRegular, other.isPersisted, other.links.count == 1 else { return false }
    return file.parts.allSatisfy { if case .stored = $0.content { false } else { true } }
  }
}
