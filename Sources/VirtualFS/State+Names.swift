// Changes of names: each checks all before it changes anything.

extension State {
  /// What a change of names leaves to do.
  enum Outcome {
    /// Nothing that the backing knows has changed.
    case inMemory
    /// With what must be stored for the call to succeed.
    case needsCommit(Waiter.Subject)
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
    try checkPath(name, in: parent)
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
    inode.idleSince = moment.monotonic
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
    try checkPath(name, in: parent)
    try checkLinks(of: inode, adding: name, in: parent)
    try checkFree(name, in: parent)
    link(inode, as: name, in: parent)
    inode.changed = moment.time
    inode.isRequested = true
    touchEntries(of: parent, at: moment)
    return (enter(inode), inode.isTemporary ? .inMemory : .needsCommit(.inode(inode.id)))
  }

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
    return isKnown ? .needsCommit(.none) : .inMemory
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
      try checkMove(of: inode, from: (parent, name), to: (newParent, newName))
      try checkMove(of: target, from: (newParent, newName), to: (parent, name))
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
      try checkMove(of: inode, from: (parent, name), to: (newParent, newName))
      if canHold(inode, name, parent, newName, newParent) {
        let known = giveWay((target, newName, newParent), to: (inode, name, parent), at: moment)
        hold(inode, Inode.HeldPlace(parent: parent.id, name: name, since: moment.monotonic))
        return known ? .needsCommit(.none) : .inMemory
      }
      let known = replace((target, newName, newParent), by: (inode, name, parent), at: moment)
      finishRename(of: inode, parent, newParent, at: moment)
      return known || !inode.isTemporary ? .needsCommit(.inode(inode.id)) : .inMemory
    case (_, nil):
      try checkMove(of: inode, from: (parent, name), to: (newParent, newName))
      let holds = canHold(inode, name, parent, newName, newParent)
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
    return inode.isTemporary && target?.isTemporary ?? true ? .inMemory : .needsCommit(.inode(inode.id))
  }

  /// Whether a stored file is to be an editor's backup, that is to be stored at its old place for a while.
  private func canHold(_ inode: Inode, _ name: Name, _ parent: Inode, _ newName: Name, _ newParent: Inode) -> Bool {
    parent === newParent && inode.canBeHeld && !options.isEphemeral(name) && options.isEphemeral(newName)
  }

  private mutating func finishRename(of inode: Inode, _ parent: Inode, _ newParent: Inode, at moment: Moment) {
    inode.changed = moment.time
    inode.idleSince = moment.monotonic
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
    // A backup is no new version of the backup before it.
    let isBackup = options.isEphemeral(target.name) && !options.isEphemeral(source.name)
    guard !isBackup, source.inode.canAdopt(target.inode) else { return giveWay(target, to: source, at: moment) }
    let object = target.inode.object
    // Its object is no more to be removed: it goes on.
    target.inode.isPersisted = false
    objects[object] = nil
    _ = giveWay(target, to: source, at: moment, isRemoval: false)
    adopt(object, by: source.inode, from: target.inode, at: moment.monotonic)
    return true
  }

  /// Puts `source` in the place of `target`, as an object of its own.
  ///
  /// - Returns: Whether the backing has to be told that `target` lost that name.
  private mutating func giveWay(
    _ target: Place, to source: Place, at moment: Moment, isRemoval: Bool = true
  ) -> Bool {
    source.parent.directory.remove(source.name)
    target.parent.directory.replace(target.name, by: source.inode)
    removeLink(of: target.inode, name: target.name, in: target.parent)
    moveLink(of: source.inode, name: source.name, in: source.parent, to: target.name, in: target.parent)
    for inode in [target.inode, source.inode] { inode.changed = moment.time }
    for parent in [source.parent, target.parent] { touchEntries(of: parent, at: moment) }
    let isKnown = isRemoval && noteRemoval(of: target.inode)
    dropIfUnused(target.inode)
    return isKnown
  }

  /// Lets a file go on with the history of the object that it replaces, which was `old`; one that it had itself is no more.
  mutating func adopt(_ object: ObjectID, by inode: Inode, from old: Inode, at monotonic: UInt64) {
    if objects[inode.object] === inode { objects[inode.object] = nil }
    if inode.isPersisted || inode.isInFlight { removals.insert(inode.object) }
    removals.remove(object)
    // What came from outside for the one that is replaced is so, too.
    old.incoming = nil
    // The number is the object's; but who has the old one open must be able to tell them apart.
    if old.openHandles == 0 { swap(&inode.number, &old.number) }
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
  /// Whether it is a file that may replace `other` as the same object.
  func canAdopt(_ other: Inode) -> Bool {
    isRegular && links.count == 1 && other.isRegular && other.links.count == 1
      && (other.isPersisted || other.isInFlight)
  }
}
