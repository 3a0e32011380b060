internal import CLibGit2
internal import Glibc

// A directory's names: renamed, removed, listed.
extension Directory {
  /// Renames, and replaces what is at the new name.
  func rename(_ source: String, to target: String) throws(GitError) {
    try recording { () throws(GitError) in
      let result = try at(source, target) { unsafe Self.result(renameat($0, $1, $2, $3)) }
      guard result >= 0 else { throw GitError(errno: -result) }
    } as: {
      .rename(from: absolute(source), to: absolute(target))
    }
  }

  /// Renames unless the new name is taken, or there is no `source`; then false.
  func renameIfFree(_ source: String, to target: String) throws(GitError) -> Bool {
    try recording { () throws(GitError) in
      var result = try at(source, target) { unsafe Self.result(clibgit2_rename_if_free($0, $1, $2, $3)) }
      if result == -EINVAL || result == -ENOSYS {
        // A file system that cannot: a second name, and then the first one goes.
        result = try at(source, target) { unsafe Self.result(linkat($0, $1, $2, $3, 0)) }
        if result >= 0 { result = try at(source) { unsafe Self.result(unlinkat($0, $1, 0)) } }
      }
      if result >= 0 { return true }
      if result == -EEXIST || result == -ENOENT { return false }
      // One without hard links, such as FAT. Nobody else writes a name with other bytes.
      guard [EPERM, EOPNOTSUPP, EMLINK, ENOSYS].contains(-result) else { throw GitError(errno: -result) }
      if try status(target) != nil { return false }
      result = try at(source, target) { unsafe Self.result(renameat($0, $1, $2, $3)) }
      guard result >= 0 else { throw GitError(errno: -result) }
      return true
    } as: {
      $0 ? .rename(from: absolute(source), to: absolute(target)) : nil
    }
  }

  /// Swaps two files' names in one step; false where the file system cannot.
  func exchange(_ one: String, _ other: String) throws(GitError) -> Bool {
    try recording { () throws(GitError) in
      let result = try at(one, other) { unsafe Self.result(clibgit2_exchange($0, $1, $2, $3)) }
      if result >= 0 { return true }
      if [-EINVAL, -ENOSYS, -ENOENT].contains(result) { return false }
      throw GitError(errno: -result)
    } as: {
      $0 ? .exchange(absolute(one), absolute(other)) : nil
    }
  }

  /// Removes a file; one that is not there is fine.
  func remove(_ path: String) throws(GitError) {
    _ = try recording { () throws(GitError) in
      let result = try at(path) { unsafe Self.result(unlinkat($0, $1, 0)) }
      if result >= 0 { return true }
      if result == -ENOENT || result == -ENOTDIR { return false }
      throw GitError(errno: -result)
    } as: {
      $0 ? .remove(absolute(path)) : nil
    }
  }

  /// Removes a directory if it is there and empty; tells whether it did.
  @discardableResult
  func removeDirectory(_ path: String) -> Bool {
    let isDone = try? recording { () throws(GitError) in
      try at(path) { unsafe Self.result(unlinkat($0, $1, AT_REMOVEDIR)) } >= 0
    } as: {
      $0 ? .remove(absolute(path)) : nil
    }
    return isDone ?? false
  }

  /// Makes a directory; false if the name is taken.
  @discardableResult
  func makeDirectory(_ path: String, mode: mode_t = 0o777) throws(GitError) -> Bool {
    try recording { () throws(GitError) in
      let result = try at(path) { unsafe Self.result(mkdirat($0, $1, mode)) }
      if result >= 0 { return true }
      if result == -EEXIST { return false }
      throw GitError(errno: -result)
    } as: {
      $0 ? .makeDirectory(absolute(path)) : nil
    }
  }

  /// Makes the directories that lead to `path`.
  func makeParents(of path: String) throws(GitError) {
    var parent = ""
    for part in path.split(separator: "/").dropLast() {
      parent += parent.isEmpty ? String(part) : "/\(part)"
      try makeDirectory(parent)
    }
  }

  /// The names in the directory at `path`, in no order, without `.` and `..`; none if it is not there.
  func names(in path: String) throws(GitError) -> [String] {
    guard let directory = try openFile(path, O_RDONLY | O_DIRECTORY) else { return [] }
    let copy = fcntl(directory.raw, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0, let stream = unsafe fdopendir(copy) else { throw GitError(errno: errno) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = unsafe readdir(stream) {
      // SAFETY: `d_name` is NUL-terminated and lives until the next `readdir` of this stream.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw GitError(errno: errno) }
    return names
  }
}
