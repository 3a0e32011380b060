extension VirtualFileSystem {
  /// XATTR_NAME_MAX of limits.h, in bytes.
  static var maximumAttributeName: Int { 255 }
  /// XATTR_SIZE_MAX and XATTR_LIST_MAX of limits.h, in bytes.
  static var maximumAttributeSize: Int { 65_536 }
  /// Bytes of all names and values of one inode: a backing stores them in one header.
  static var maximumAttributeTotal: Int { 1 << 19 }

  /// getxattr(2).
  ///
  /// - Throws: ``VFSError/Code/noAttribute``, ``VFSError/Code/rangeTooSmall`` for an empty or too long name.
  public func attribute(_ name: [UInt8], of inode: InodeID) throws(VFSError) -> [UInt8] {
    try checkName(name)
    return try state.withLock { state throws(VFSError) in
      guard let value = try state.inode(inode).extendedAttributes[name] else { throw VFSError(.noAttribute) }
      return value
    }
  }

  /// listxattr(2): all names, sorted.
  public func attributeNames(of inode: InodeID) throws(VFSError) -> [[UInt8]] {
    let names = try state.withLock { state throws(VFSError) in
      Array(try state.inode(inode).extendedAttributes.keys)
    }
    return names.count < 2 ? names : names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// setxattr(2).
  ///
  /// POSIX ACLs are kept, and the mode follows from them. Who obeys them is the kernel: ``Options/enforcesPermissions`` looks at modes alone.
  ///
  /// - Throws: ``VFSError/Code/rangeTooSmall`` for a name, ``VFSError/Code/argumentListTooLong`` for a value, ``VFSError/Code/noSpace`` for a
  ///   list of names that is too long; ``VFSError/Code/exists`` and ``VFSError/Code/noAttribute`` by `mode`.
  public func setAttribute(
    _ name: [UInt8], of inode: InodeID, to value: [UInt8], mode: AttributeSetMode, by: Credentials
  ) throws(VFSError) {
    try checkName(name)
    let isList = name == AccessControlList.access || name == AccessControlList.inherited
    guard isList || !name.starts(with: "system.".utf8) else { throw VFSError(.notSupported) }
    guard value.count <= VirtualFileSystem.maximumAttributeSize else { throw VFSError(.argumentListTooLong) }
    let moment = moment()
    let available = backing.availableBytes()
    try state.withLock { state throws(VFSError) in
      let inode = try state.inode(inode)
      try state.checkWritable()
      try state.checkAttribute(name, of: inode, by: by)
      let exists = inode.extendedAttributes[name] != nil
      if exists, mode == .create { throw VFSError(.exists) }
      if !exists {
        if mode == .replace { throw VFSError(.noAttribute) }
        let length = inode.extendedAttributes.keys.reduce(name.count + 1) { $0 + $1.count + 1 }
        guard length <= VirtualFileSystem.maximumAttributeSize else { throw VFSError(.noSpace) }
      }
      let total = inode.extendedAttributes.reduce(name.count + value.count) {
        $1.key == name ? $0 : $0 + $1.key.count + $1.value.count
      }
      guard total <= VirtualFileSystem.maximumAttributeTotal else { throw VFSError(.noSpace) }
      try state.checkAttributes(of: inode, setting: name, to: value)
      try state.checkSpace(unwritten: value.count, available: available)
      if isList { return try state.setList(name, of: inode, to: value, by: by, at: moment) }
      guard inode.extendedAttributes.updateValue(value, forKey: name) != value else { return }
      state.touchAttributes(of: inode, at: moment)
    }
  }

  /// removexattr(2).
  ///
  /// - Throws: ``VFSError/Code/noAttribute``.
  public func removeAttribute(_ name: [UInt8], of inode: InodeID, by: Credentials) throws(VFSError) {
    try checkName(name)
    let moment = moment()
    try state.withLock { state throws(VFSError) in
      let inode = try state.inode(inode)
      try state.checkWritable()
      try state.checkAttribute(name, of: inode, by: by)
      guard inode.extendedAttributes.removeValue(forKey: name) != nil else { throw VFSError(.noAttribute) }
      state.touchAttributes(of: inode, at: moment)
    }
  }

  private func checkName(_ name: [UInt8]) throws(VFSError) {
    guard !name.isEmpty, name.count <= VirtualFileSystem.maximumAttributeName, !name.contains(0) else {
      throw VFSError(.rangeTooSmall)
    }
  }
}

extension State {
  /// xattr(7): `trusted` is root's, `user` is whose mode lets write, the rest is the owner's.
  fileprivate func checkAttribute(_ name: [UInt8], of inode: Inode, by: Credentials) throws(VFSError) {
    guard options.enforcesPermissions else { return }
    if name.starts(with: "trusted.".utf8), !by.isPrivileged { throw VFSError(.notPermitted) }
    if name.starts(with: "user.".utf8) {
      guard inode.isRegular || inode.isDirectory else { throw VFSError(.notPermitted) }
      try check(inode, for: .write, by: by)
    } else {
      try checkOwner(inode, by: by)
    }
  }
}
