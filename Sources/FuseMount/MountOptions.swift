package import VirtualFS

/// How a mount behaves; `default_permissions` is always on.
package struct MountOptions: Sendable {
  /// Whether other users may enter; the kernel checks modes and owners.
  package var allowOther = false
  package var readOnly = false
  /// Whether the kernel keeps names, attributes, listings and contents until told to forget them.
  package var kernelCache = true
  /// Whether a directory that is not empty may be mounted over.
  package var allowsNonEmpty = false
  /// Of which kinds of inodes the time of access is kept.
  package var accessTimes = AccessTimes.all
  /// Threads that serve requests, 2...64.
  package var threads: UInt32 = 8
  /// What is mounted, after `polykey:` in the table of mounts, without comma and backslash; nil for all vaults.
  package var source: String?
  /// Further options of mount(8), already checked; in order.
  package private(set) var extra: [String] = []

  package init() {}

  /// Options of mount(8) that go to the kernel as they are.
  private static let passed: Set<String> = [
    "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "symfollow", "nosymfollow", "dirsync",
  ]

  /// Options of fstab(5) that mean nothing to a file system.
  private static let ignored: Set<String> = [
    "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev", "relatime",
    "nostrictatime", "diratime", "default_permissions",
  ]

  /// Adds what stands after `-o`, comma-separated.
  ///
  /// - Throws: ``MountError/unknownOption(_:)``.
  package mutating func add(_ list: String) throws(MountError) {
    for option in list.split(separator: ",").map(String.init) {
      switch option {
      case "ro": readOnly = true
      case "allow_other": allowOther = true
      case "nonempty": allowsNonEmpty = true
      // The kernel leaves times of access to the file system, which keeps them as with relatime.
      case "atime": accessTimes = .all
      case "noatime":
        accessTimes = .none
        extra.append(option)
      case "nodiratime":
        if accessTimes == .all { accessTimes = .filesOnly }
        extra.append(option)
      case "kernel_cache": kernelCache = true
      case "nokernel_cache": kernelCache = false
      case _ where MountOptions.passed.contains(option): extra.append(option)
      case _ where MountOptions.ignored.contains(option): break
      case _ where option.hasPrefix("x-") || option.hasPrefix("comment="): break
      default: throw .unknownOption(option)
      }
    }
  }

  /// What it was asked for, in one line in which equal mounts are equal.
  package var summary: String {
    var words: Set<String> = Set(extra).subtracting(["rw", "async", "atime"])
    if allowOther { words.insert("allow_other") }
    if readOnly { words.insert("ro") }
    if !kernelCache { words.insert("no_cache") }
    return words.sorted().joined(separator: ",")
  }

  /// The list for libfuse; `fuse.polykey` is then the type in /proc/mounts.
  var list: String {
    let source = source.map { "polykey:\($0)" } ?? "polykey"
    var options = ["default_permissions", "fsname=\(source)", "subtype=polykey"]
    if allowOther { options.append("allow_other") }
    if readOnly { options.append("ro") }
    return (options + extra).joined(separator: ",")
  }
}
