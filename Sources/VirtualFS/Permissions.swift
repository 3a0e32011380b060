/// Bits of a mode, as in stat.h.
enum ModeBits {
  static let setUser: UInt16 = 0o4000
  static let setGroup: UInt16 = 0o2000
  static let sticky: UInt16 = 0o1000
  static let groupExecute: UInt16 = 0o010
}

/// What access(2) asks for; the bits of R_OK, W_OK and X_OK.
struct AccessMask: OptionSet {
  let rawValue: UInt8

  static let read = AccessMask(rawValue: 4)
  static let write = AccessMask(rawValue: 2)
  static let execute = AccessMask(rawValue: 1)
}

extension Credentials {
  /// Root has every capability.
  var isPrivileged: Bool { user == 0 }

  /// Whether the group, or a supplementary one, is `group`; root is in all.
  func isIn(_ group: UInt32) -> Bool {
    isPrivileged || self.group == group || supplementaryGroups.contains(group)
  }
}

extension State {
  /// Checks modes, if that is this file system's duty and not the kernel's.
  func check(_ inode: Inode, for mask: AccessMask, by: Credentials) throws(VFSError) {
    guard options.enforcesPermissions else { return }
    try checkAlways(inode, for: mask, by: by)
  }

  /// Checks modes as access(2) does.
  func checkAlways(_ inode: Inode, for mask: AccessMask, by: Credentials) throws(VFSError) {
    if by.isPrivileged {
      // Root may execute only what anybody may.
      guard mask.contains(.execute), !inode.isDirectory, inode.mode & 0o111 == 0 else { return }
      throw VFSError(.accessDenied)
    }
    let shift: UInt16 =
      if owner(of: inode) == by.user { 6 } else if by.isIn(group(of: inode)) { 3 } else {
        0
      }
    let granted = AccessMask(rawValue: UInt8(truncatingIfNeeded: inode.mode >> shift) & 7)
    guard granted.isSuperset(of: mask) else { throw VFSError(.accessDenied) }
  }

  /// In a sticky directory entries are removed by their owner, the directory's, or root.
  func checkSticky(_ parent: Inode, _ inode: Inode, by: Credentials) throws(VFSError) {
    guard options.enforcesPermissions, parent.mode & ModeBits.sticky != 0, !by.isPrivileged else { return }
    guard owner(of: inode) == by.user || owner(of: parent) == by.user else { throw VFSError(.notPermitted) }
  }

  /// Refuses whom chmod and utimensat do not allow.
  func checkOwner(_ inode: Inode, by: Credentials) throws(VFSError) {
    guard options.enforcesPermissions, !by.isPrivileged else { return }
    guard owner(of: inode) == by.user else { throw VFSError(.notPermitted) }
  }

  func owner(of inode: Inode) -> UInt32 { options.presentedOwner?.user ?? inode.owner }

  /// The group that is shown.
  func group(of inode: Inode) -> UInt32 {
    guard let presented = options.presentedOwner else { return inode.group }
    return inode.presentedGroup ?? presented.group
  }

  /// Drops the set-id bits that a change of content or owner drops, and file capabilities.
  ///
  /// - Returns: Whether anything was dropped.
  mutating func dropPrivileges(of inode: Inode) -> Bool {
    var mode = inode.mode & ~ModeBits.setUser
    if mode & ModeBits.groupExecute != 0 { mode &= ~ModeBits.setGroup }
    let hadCapability =
      !inode.extendedAttributes.isEmpty
      && inode.extendedAttributes.removeValue(forKey: State.capabilityAttribute) != nil
    guard mode != inode.mode || hadCapability else { return false }
    inode.mode = mode
    return true
  }

  private static let capabilityAttribute = [UInt8]("security.capability".utf8)
}
