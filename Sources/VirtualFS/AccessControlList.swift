/// A POSIX access control list, as it stands in the xattrs `system.posix_acl_access` and `system.posix_acl_default`.
///
/// Source: linux/posix_acl_xattr.h: version 2 (4 bytes), then for each entry tag (2), permissions (2) and id (4), little-endian.
struct AccessControlList: Equatable {
  static let access = [UInt8]("system.posix_acl_access".utf8)
  static let inherited = [UInt8]("system.posix_acl_default".utf8)

  private enum Tag {
    static let owner: UInt16 = 0x01
    static let user: UInt16 = 0x02
    static let owningGroup: UInt16 = 0x04
    static let group: UInt16 = 0x08
    static let mask: UInt16 = 0x10
    static let other: UInt16 = 0x20
  }

  private struct Entry: Equatable {
    let tag: UInt16
    var permissions: UInt16
    let id: UInt32
  }

  private var entries: [Entry]

  /// The list that `bytes` write; nil if they break a rule: the order of entries, one each of owner, group and other, and a mask
  /// where somebody is named.
  init?(_ bytes: [UInt8]) {
    func number(_ range: Range<Int>) -> UInt32 { bytes[range].reversed().reduce(0) { $0 << 8 | UInt32($1) } }
    guard bytes.count >= 4, (bytes.count - 4) % 8 == 0, number(0..<4) == 2 else { return nil }
    entries = stride(from: 4, to: bytes.count, by: 8).map { start in
      Entry(
        tag: UInt16(number(start..<start + 2)), permissions: UInt16(number(start + 2..<start + 4)),
        id: number(start + 4..<start + 8))
    }
    let tags = entries.map(\.tag)
    let named = tags.filter { $0 == Tag.user || $0 == Tag.group }
    let isNamed = !named.isEmpty
    let hasMask = tags.contains(Tag.mask)
    let order =
      [Tag.owner] + named.filter { $0 == Tag.user } + [Tag.owningGroup] + named.filter { $0 == Tag.group }
      + (hasMask ? [Tag.mask] : []) + [Tag.other]
    guard tags == order, hasMask || !isNamed, entries.allSatisfy({ $0.permissions <= 7 }) else { return nil }
  }

  /// As it is stored: of who is not named the id counts nothing.
  var bytes: [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0]
    for entry in entries {
      let isNamed = entry.tag == Tag.user || entry.tag == Tag.group
      let id = isNamed ? entry.id : .max
      bytes += [UInt8(truncatingIfNeeded: entry.tag), 0, UInt8(truncatingIfNeeded: entry.permissions), 0]
      bytes += (0..<4).map { UInt8(truncatingIfNeeded: id >> UInt32(8 * $0)) }
    }
    return bytes
  }

  /// Whether the permission bits of a mode say all of it.
  var isMinimal: Bool { entries.count == 3 }

  /// The permission bits of a mode, 0...0o777, that go with it: the group's are the mask's, if there is one.
  var mode: UInt16 {
    get { entries.reduce(0) { $0 | ($1.permissions << (shift(of: $1) ?? 16)) } }
    set {
      for index in entries.indices {
        if let shift = shift(of: entries[index]) { entries[index].permissions = newValue >> shift & 7 }
      }
    }
  }

  /// Where the permissions of an entry stand in a mode; nil if they do not.
  private func shift(of entry: Entry) -> UInt16? {
    switch entry.tag {
    case Tag.owner: 6
    case Tag.owningGroup: entries.contains { $0.tag == Tag.mask } ? nil : 3
    case Tag.mask: 3
    case Tag.other: 0
    default: nil
    }
  }
}

extension State {
  /// Sets a list, or takes it away (empty); the mode of a file follows from its list.
  ///
  /// - Throws: ``VFSError/Code/invalidArgument`` for what is none, ``VFSError/Code/accessDenied`` for one to be inherited from a file.
  mutating func setList(
    _ name: [UInt8], of inode: Inode, to value: [UInt8], by: Credentials, at moment: Moment
  ) throws(VFSError) {
    guard inode.kind != .symbolicLink else { throw VFSError(.notSupported) }
    let isAccess = name == AccessControlList.access
    guard isAccess || inode.isDirectory else { throw VFSError(.accessDenied) }
    var kept: AccessControlList?
    var mode = inode.mode
    // A header without entries is what setfacl -k writes.
    if value.count > 4 {
      guard let list = AccessControlList(value) else { throw VFSError(.invalidArgument) }
      kept = list
      if isAccess {
        mode = mode & ~0o777 | list.mode
        if !by.isIn(group(of: inode)) { mode &= ~ModeBits.setGroup }
        if list.isMinimal { kept = nil }
      }
    }
    guard mode != inode.mode || inode.extendedAttributes[name] != kept?.bytes else { return }
    inode.mode = mode
    inode.extendedAttributes[name] = kept?.bytes
    touchAttributes(of: inode, at: moment)
  }

  /// After a change of mode: the list says the same.
  func adjustList(of inode: Inode) {
    guard !inode.extendedAttributes.isEmpty, let bytes = inode.extendedAttributes[AccessControlList.access],
      var list = AccessControlList(bytes)
    else { return }
    list.mode = inode.mode & 0o777
    inode.extendedAttributes[AccessControlList.access] = list.bytes
  }

  /// Gives a new node what its directory hands down; returns whether that is something, and the umask then does not count.
  func inheritList(_ inode: Inode, from parent: Inode) -> Bool {
    guard !parent.extendedAttributes.isEmpty, inode.kind != .symbolicLink,
      let bytes = parent.extendedAttributes[AccessControlList.inherited], var list = AccessControlList(bytes)
    else { return false }
    if inode.isDirectory { inode.extendedAttributes[AccessControlList.inherited] = bytes }
    list.mode &= inode.mode & 0o777
    inode.mode = inode.mode & ~0o777 | list.mode
    if !list.isMinimal { inode.extendedAttributes[AccessControlList.access] = list.bytes }
    return true
  }
}
