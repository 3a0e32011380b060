extension VirtualFileSystem {
  /// What stat(2) tells.
  public func attributes(of inode: InodeID) throws(VFSError) -> Attributes {
    try state.withLock { state throws(VFSError) in state.attributes(of: try state.inode(inode)) }
  }

  /// chmod(2), chown(2), utimensat(2) and truncate(2).
  ///
  /// With `size` on an inode without `handle` (truncate(2)) it replies after the commit; with one opened with O_SYNC too; else at once.
  public func setAttributes(
    of inode: InodeID, _ change: AttributeChange, handle: HandleID?, by: Credentials,
    reply: @escaping Reply<Attributes>
  ) {
    if let size = change.size {
      let resized = attempt { () throws(VFSError) in
        try resize(inode, handle: handle, to: size, change: change, by: by)
      }
      switch resized {
      case .failure(let error): reply(.failure(error))
      case .success((let attributes, let isSynchronous)):
        if isSynchronous {
          makeDurable(inode, thenReply: attributes, to: reply)
        } else if handle == nil {
          commit(of: .inode(inode), thenReply: attributes, to: reply)
        } else {
          reply(.success(attributes))
        }
      }
      return
    }
    let moment = moment()
    reply(
      attempt { () throws(VFSError) in
        try state.withLock { state throws(VFSError) in
          let inode = try state.inode(inode)
          try state.checkWritable()
          try state.checkChange(change, of: inode, by: by)
          state.apply(change, to: inode, by: by, at: moment)
          return state.attributes(of: inode)
        }
      })
  }

  /// The target of a symbolic link.
  public func readLink(_ inode: InodeID) throws(VFSError) -> [UInt8] {
    let time = now()
    return try state.withLock { state throws(VFSError) in
      let inode = try state.inode(inode)
      guard inode.kind == .symbolicLink else { throw VFSError(.invalidArgument) }
      state.touchAccess(of: inode, at: time)
      return inode.target
    }
  }

  /// access(2): whether the bits R_OK (4), W_OK (2) and X_OK (1) of `mask` are granted.
  ///
  /// - Throws: ``VFSError/Code/accessDenied``, ``VFSError/Code/readOnly``.
  public func access(_ inode: InodeID, mask: UInt8, by: Credentials) throws(VFSError) {
    try state.withLock { state throws(VFSError) in
      let inode = try state.inode(inode)
      let mask = AccessMask(rawValue: mask & 7)
      if mask.contains(.write), inode.isRegular || inode.isDirectory || inode.kind == .symbolicLink {
        try state.checkWritable()
      }
      try state.checkAlways(inode, for: mask, by: by)
    }
  }
}

extension State {
  /// Refuses a change of attributes that is not allowed.
  func checkChange(_ change: AttributeChange, of inode: Inode, by: Credentials) throws(VFSError) {
    if let presented = options.presentedOwner {
      // The stored owner is another machine's: it cannot be changed through what is presented in its place.
      guard change.owner ?? presented.user == presented.user else { throw VFSError(.notPermitted) }
    }
    guard options.enforcesPermissions, !by.isPrivileged else { return }
    if change.mode != nil { try checkOwner(inode, by: by) }
    if let owner = change.owner, owner != self.owner(of: inode) { throw VFSError(.notPermitted) }
    if let group = change.group {
      try checkOwner(inode, by: by)
      guard by.isIn(group) else { throw VFSError(.notPermitted) }
    }
    try checkTimes(change, of: inode, by: by)
  }

  /// Given times are the owner's to set; the present time is for whoever may write, too.
  private func checkTimes(_ change: AttributeChange, of inode: Inode, by: Credentials) throws(VFSError) {
    let times = [change.accessed, change.modified].compactMap(\.self)
    guard !times.isEmpty, change.size == nil, owner(of: inode) != by.user else { return }
    guard times.allSatisfy({ $0 == .now }) else { throw VFSError(.notPermitted) }
    try check(inode, for: .write, by: by)
  }

  /// Makes a change of attributes that was checked; its size is not looked at.
  mutating func apply(_ change: AttributeChange, to inode: Inode, by: Credentials, at moment: Moment) {
    let before = (inode.owner, inode.group, inode.mode, inode.modified)
    if change.owner != nil || change.group != nil {
      if !inode.isDirectory { _ = dropPrivileges(of: inode) }
      if options.presentedOwner == nil {
        inode.owner = change.owner ?? inode.owner
        inode.group = change.group ?? inode.group
      } else {
        inode.presentedGroup = change.group ?? inode.presentedGroup
      }
    }
    if let mode = change.mode {
      inode.mode = mode & 0o7777
      let group = group(of: inode)
      if !by.isIn(group) { inode.mode &= ~ModeBits.setGroup }
      adjustList(of: inode)
    }
    if change.modified != nil { inode.incoming?.modified = nil }
    switch change.modified {
    case .at(let time)?: inode.modified = time
    case .now?: inode.modified = moment.time
    case nil: break
    }
    switch change.accessed {
    case .at(let time)?: inode.accessed = time
    case .now?: inode.accessed = moment.time
    case nil: break
    }
    if before == (inode.owner, inode.group, inode.mode, inode.modified) {
      // Nothing that is stored: editors and copiers set what is so already, and no version must come of it.
      inode.changed = moment.time
    } else {
      touchAttributes(of: inode, at: moment)
    }
  }
}
