// Names that other writers of the store gave.

extension State {
  /// Gives an inode the names that it has in the store.
  mutating func place(_ inode: Inode, at paths: [Path], _ merge: inout ExternalMerge) {
    var wanted: [(parent: Inode, name: Name)] = []
    for path in inode.isDirectory ? [paths[0]] : paths {
      let parent = makeDirectory(path.parents, &merge)
      // A directory cannot be moved into itself: one of its new parents was moved here meanwhile. It stays where it is.
      if inode.isDirectory, parent.isInside(inode) { return touchNames(of: inode) }
      wanted.append((parent, path.name))
    }
    if inode.isDirectory, !inode.links.isEmpty,
      inode.links.first.map({ $0.parent !== wanted[0].parent || $0.name != wanted[0].name }) ?? false
    {
      noteOrphans(below: inode, &merge)
    }
    for link in inode.links
    where !wanted.contains(where: { $0.parent === link.parent && $0.name == link.name }) {
      detach(inode, link, &merge)
    }
    for (parent, name) in wanted where parent.directory[name] !== inode {
      attach(inode, as: name, in: parent, &merge)
    }
  }

  private mutating func attach(
    _ inode: Inode, as name: Name, in parent: Inode, _ merge: inout ExternalMerge
  ) {
    var isElsewhere = false
    var name = name
    if let other = parent.directory[name] {
      if merge.moves(other), other.directory.isEmpty || merge.puts[other.object] != nil {
        detach(other, name, parent, &merge)
      } else if inode.isDirectory, !other.isDirectory {
        setAside(other, name, parent, &merge)
      } else if other.isDirectory || other.isDirty || !other.isPersisted {
        name = freeName(like: name, for: inode, in: parent)
        isElsewhere = true
      } else {
        detach(other, name, parent, &merge)
        dropIfUnused(other)
      }
    }
    merge.told.note(name, in: parent)
    parent.directory.insert(inode, as: name)
    inode.links.append(
      Inode.Link(
        parent: parent, name: name, isEphemeral: options.isEphemeral(name), isProvisional: options.isProvisional(name)))
    touchEntries(of: parent, at: merge.moment)
    if isElsewhere { touchNames(of: inode) }
  }

  private mutating func detach(
    _ inode: Inode, _ name: Name, _ parent: Inode, _ merge: inout ExternalMerge
  ) {
    guard let link = inode.links.first(where: { $0.parent === parent && $0.name == name }) else { return }
    detach(inode, link, &merge)
  }

  /// Takes one name away.
  mutating func detach(_ inode: Inode, _ link: Inode.Link, _ merge: inout ExternalMerge) {
    merge.told.note(link.name, in: link.parent)
    link.parent.directory.remove(link.name)
    merge.displaced.insert(inode.id)
    inode.links.removeAll { $0.parent === link.parent && $0.name == link.name }
    touchEntries(of: link.parent, at: merge.moment)
    if link.parent.isImplied, link.parent.directory.isEmpty { merge.emptied.append(link.parent) }
  }

  /// Notes what lies below a directory that is about to move, and has its own path in the store: it stays where it is.
  private func noteOrphans(below directory: Inode, _ merge: inout ExternalMerge) {
    var paths: [InodeID: [UInt8]] = [.root: []]
    var pending = [directory]
    while let next = pending.popLast() {
      for inode in next.directory.inodes {
        if inode.isDirectory { pending.append(inode) }
        guard inode.isPersisted, !inode.namesAreDirty, merge.puts[inode.object] == nil,
          !merge.removed.contains(inode.object)
        else { continue }
        merge.orphans.append((inode, inode.links.compactMap { Path(path(of: $0, paths: &paths)) }))
      }
    }
  }

  /// Puts what lay below moved directories back to its own path.
  mutating func placeOrphans(_ merge: inout ExternalMerge) {
    for (inode, paths) in merge.orphans where inode.isLinked && !inode.namesAreDirty && !paths.isEmpty {
      if inode.isDirectory { setStoredPath(of: inode.object, inode: inode, to: inode.storedPath) }
      place(inode, at: paths, &merge)
    }
  }

  /// Takes implied directories away through which no path leads any more.
  mutating func removeEmptied(_ merge: inout ExternalMerge) {
    while let directory = merge.emptied.popLast() {
      guard directory.isImplied, directory.directory.isEmpty, !directory.isRoot, !directory.isDirty else { continue }
      for link in directory.links { detach(directory, link, &merge) }
      if objects[directory.object] === directory { objects[directory.object] = nil }
      dirty[directory.id] = nil
      dropIfUnused(directory)
    }
  }

  /// Shows a directory that lost its place in the root.
  mutating func rescue(_ inode: Inode, _ merge: inout ExternalMerge) {
    guard let lost = try? Name("lost".utf8) else { return }
    let name = freeName(like: lost, for: inode, in: root)
    merge.told.note(name, in: root)
    link(inode, as: name, in: root)
  }

  /// Moves a file out of the way of a directory.
  private mutating func setAside(
    _ inode: Inode, _ name: Name, _ parent: Inode, _ merge: inout ExternalMerge
  ) {
    detach(inode, name, parent, &merge)
    let newName = freeName(like: name, for: inode, in: parent)
    merge.told.note(newName, in: parent)
    link(inode, as: newName, in: parent)
  }

  /// The directory that the store has at a path; what is missing on the way is implied by the path, and never stored for that.
  mutating func makeDirectory(_ path: ArraySlice<Name>, _ merge: inout ExternalMerge) -> Inode {
    // From the deepest directory on that the store has; step by step, as others decide how deep it is.
    var (directory, start) = (root, path.startIndex)
    let stored = [UInt8](path.map(\.bytes).joined(separator: [0x2F]))
    var length = stored.count
    for index in path.indices.reversed() {
      if storedLengths[length] ?? 0 > 0, let object = storedDirectories[Array(stored[..<length])],
        let inode = objects[object], inode.isDirectory, inode.isLinked
      {
        (directory, start) = (inode, index + 1)
        break
      }
      length -= path[index].bytes.count + 1
    }
    // What each step's number follows from, hashed on from the step before.
    var number = ObjectID(path: path[..<start].map(\.bytes).joined(separator: [0x2F]))
    for index in path.indices[start...] {
      if index > path.startIndex { number = number.continued([0x2F]) }
      number = number.continued(path[index].bytes)
      directory = makeDirectory(path[index], in: directory, numberedAs: number, &merge)
    }
    return directory
  }

  private mutating func makeDirectory(
    _ name: Name, in parent: Inode, numberedAs number: ObjectID, _ merge: inout ExternalMerge
  ) -> Inode {
    if let next = parent.directory[name] {
      if next.isDirectory { return next }
      if merge.moves(next) { detach(next, name, parent, &merge) } else { setAside(next, name, parent, &merge) }
    }
    let made = makeInode(
      kind: .directory, numberedAs: number, mode: 0o700, owner: options.rootOwner,
      group: options.rootGroup, time: merge.moment.time)
    merge.told.note(name, in: parent)
    link(made, as: name, in: parent)
    imply(made)
    return made
  }

  /// Makes a directory one that only the paths through it stand for.
  mutating func imply(_ directory: Inode) {
    directory.isImplied = true
    directory.isPersisted = false
    directory.isRequested = false
    directory.namesAreDirty = false
    dirty[directory.id] = nil
  }

  /// Makes an implied directory one of its own, as somebody here works in it.
  mutating func establish(_ directory: Inode) {
    guard directory.isImplied else { return }
    directory.isImplied = false
    directory.isRequested = true
    directory.version.names += 1
    directory.namesAreDirty = true
    noteDirty(directory)
  }

  /// NAME~ and 8 hexadecimal digits of the object, shortened to 255 bytes, and if that is taken with more "~".
  func freeName(like name: Name, for inode: Inode, in parent: Inode) -> Name {
    let digits = Array("0123456789abcdef".utf8)
    var suffix: [UInt8] = [0x7E]
    for shift in stride(from: 60, through: 32, by: -4) {
      suffix.append(digits[Int(inode.object.high >> UInt64(shift)) & 15])
    }
    while true {
      if let free = try? Name(name.bytes.prefix(Name.limit - suffix.count) + suffix), parent.directory[free] == nil {
        return free
      }
      suffix.append(0x7E)
    }
  }
}

/// A stored path, taken apart.
struct Path {
  let parents: ArraySlice<Name>
  let name: Name

  /// Nil if a component is none, such as "..".
  init?(_ bytes: [UInt8]) {
    var names: [Name] = []
    for component in bytes.split(separator: 0x2F, omittingEmptySubsequences: false) {
      guard let name = try? Name(component) else { return nil }
      names.append(name)
    }
    guard let last = names.last else { return nil }
    parents = names.dropLast()
    name = last
  }
}
