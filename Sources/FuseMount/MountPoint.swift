internal import Glibc

/// The checks of a directory before it is mounted over.
enum MountPoint {
  /// Checks `directory`, removes a dead mount of polykey's from it, and returns its absolute path.
  static func prepare(_ directory: String, options: MountOptions) throws(MountError) -> String {
    let path = try resolve(directory)
    while let entry = try MountTable.topmost(at: path), entry.isPolykey {
      guard entry.isStale else { throw .alreadyMounted }
      do throws(MountError) { try Unmounting.unmount(path, lazy: true) } catch { throw .stale }
    }
    try checkDirectory(path, options: options)
    try checkDevice(options: options)
    return path
  }

  /// The absolute path without symbolic links; the last component may be a dead mount.
  static func resolve(_ directory: String) throws(MountError) -> String {
    if let path = realPath(directory) { return path }
    let code = errno
    guard code == ENOTCONN else { throw error(code) }
    var trimmed = Substring(directory)
    while trimmed.count > 1 && trimmed.hasSuffix("/") { trimmed.removeLast() }
    let parts = trimmed.split(separator: "/", omittingEmptySubsequences: false)
    let parent = parts.count > 1 ? parts.dropLast().joined(separator: "/") : "."
    guard let last = parts.last, let above = realPath(parent.isEmpty ? "/" : parent) else { throw error(errno) }
    return above == "/" ? "/\(last)" : "\(above)/\(last)"
  }

  private static func realPath(_ path: String) -> String? {
    guard let result = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(result) }
    return unsafe String(cString: result)
  }

  private static func error(_ code: Int32) -> MountError {
    switch code {
    case ENOENT: .missing
    case ENOTDIR: .notDirectory
    case EACCES, EPERM: .notAccessible
    case ENOTCONN: .stale
    default: .system(errno: code)
    }
  }

  private static func checkDirectory(_ path: String, options: MountOptions) throws(MountError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { throw error(errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .notDirectory }
    // fusermount3's rules for ordinary users: writable, and in a sticky directory one's own.
    if geteuid() != 0 {
      guard unsafe access(path, W_OK) == 0 else { throw .notWritable }
      guard status.st_mode & S_ISVTX == 0 || status.st_uid == geteuid() else { throw .notWritable }
    }
    if !options.allowsNonEmpty { try checkEmpty(path) }
  }

  private static func checkEmpty(_ path: String) throws(MountError) {
    guard let directory = unsafe opendir(path) else { throw error(errno) }
    defer { unsafe closedir(directory) }
    var count = 0
    while unsafe readdir(directory) != nil { count += 1 }
    guard count <= 2 else { throw .notEmpty }  // "." and ".."
  }

  private static func checkDevice(options: MountOptions) throws(MountError) {
    if unsafe access("/dev/fuse", R_OK | W_OK) != 0 { throw errno == EACCES ? .deviceForbidden : .deviceMissing }
    guard options.allowOther && geteuid() != 0 else { return }
    let lines = ((try? MountTable.read("/etc/fuse.conf")) ?? []).split(separator: UInt8(ascii: "\n"))
    let isAllowed = lines.contains { line in
      line.drop { $0 == 0x20 }.elementsEqual("user_allow_other".utf8)
    }
    guard isAllowed else { throw .allowOtherForbidden }
  }
}
