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
    if inode.isDirectory { merge.movedDirectories.append(inode.id) }
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

  /// The directory that the store has at a path; what is missing on the way is made, and stored by the next commit.
  mutating func makeDirectory(_ path: ArraySlice<Name>, _ merge: inout ExternalMerge) -> Inode {
    guard let name = path.last else { return root }
    let stored = [UInt8](path.map(\.bytes).joined(separator: [0x2F]))
    if let object = storedDirectories[stored], let inode = objects[object], inode.isDirectory, inode.isLinked {
      return inode
    }
    let parent = makeDirectory(path.dropLast(), &merge)
    if let next = parent.directory[name] {
      if next.isDirectory { return next }
      if merge.moves(next) { detach(next, name, parent, &merge) } else { setAside(next, name, parent, &merge) }
    }
    let made = makeInode(
      kind: .directory, mode: 0o700, owner: options.rootOwner, group: options.rootGroup, time: merge.moment.time)
    merge.told.note(name, in: parent)
    link(made, as: name, in: parent)
    made.isRequested = true
    return made
  }

  /// NAME~ and 8 hexadecimal digits of the object, shortened to 255 bytes, and if that is taken with more "~".
  private func freeName(like name: Name, for inode: Inode, in parent: Inode) -> Name {
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
