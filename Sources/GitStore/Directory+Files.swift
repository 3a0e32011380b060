internal import CLibGit2
internal import Glibc

// A directory's files: opened, read, written, and waited for.
extension Directory {
  /// Opens `path`; nil if there is no such file, or for `O_EXCL` if there is one.
  ///
  /// - Throws: ``GitError/notPlain`` for all but plain files and directories.
  func openFile(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(GitError) -> Descriptor? {
    guard let recorder, flags & (O_WRONLY | O_RDWR | O_CREAT) != 0 else { return try openPlain(path, flags, mode) }
    let exists = { (try? self.status(path)) ?? nil != nil }
    return try recorder.recordOpening(absolute(path), mode: mode, exists: exists) { () throws(GitError) in
      try openPlain(path, flags, mode)
    }
  }

  private func openPlain(_ path: String, _ flags: Int32, _ mode: mode_t) throws(GitError) -> Descriptor? {
    // Without O_NONBLOCK somebody's FIFO would be waited for; on a plain file it means only that a lease is not.
    let flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
    var attempts = 0
    while true {
      let raw = try at(path) { unsafe Self.result(openat($0, $1, flags, mode)) }
      switch raw {
      case 0...:
        let file = Descriptor(adopting: raw)
        if flags & O_EXCL == 0 { try requirePlain(file) }
        return file
      case -EINTR: continue
      case -EAGAIN where attempts < 1000:
        attempts += 1
        usleep(1000)
      case -ENOENT, -ENOTDIR: return nil
      case -EEXIST where flags & O_EXCL != 0: return nil
      case -ELOOP, -ENXIO: throw .notPlain
      default: throw GitError(errno: -raw)
      }
    }
  }

  private func requirePlain(_ file: Descriptor) throws(GitError) {
    let status = try status(of: file)
    guard status.isFile || status.isDirectory else { throw .notPlain }
  }

  /// The whole of the file at `path`; nil if there is none.
  ///
  /// - Throws: ``GitError/io(_:)`` with EFBIG if it has more than `limit` bytes.
  func read(_ path: String, limit: Int = Directory.smallFile) throws(GitError) -> [UInt8]? {
    guard let file = try openFile(path, O_RDONLY) else { return nil }
    let status = try status(of: file)
    guard status.isFile else { return nil }
    guard status.size <= limit else { throw .io(EFBIG) }
    var bytes = [UInt8](repeating: 0, count: status.size)
    var filled = 0
    while filled < bytes.count {
      // SAFETY: the range [filled, count) lies in the buffer.
      let count = unsafe bytes.withUnsafeMutableBytes {
        unsafe pread(file.raw, $0.baseAddress.map { unsafe $0 + filled }, $0.count - filled, off_t(filled))
      }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        throw GitError(errno: code)
      }
      if count == 0 { break }
      filled += count
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  /// Bytes of the largest file beside objects, packs and `packed-refs` that is read.
  static let smallFile = 1 << 20

  func write(_ bytes: [UInt8], to file: Descriptor) throws(GitError) {
    guard let recorder else { return try writePlain(bytes, to: file) }
    let offset = Int(lseek(file.raw, 0, SEEK_CUR))
    try recorder.record(file) { () throws(GitError) in
      try writePlain(bytes, to: file)
    } as: {
      .write(file: $0, offset: offset, bytes: bytes)
    }
  }

  private func writePlain(_ bytes: [UInt8], to file: Descriptor) throws(GitError) {
    var written = 0
    while written < bytes.count {
      // SAFETY: the range [written, count) lies in the buffer.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(file.raw, $0.baseAddress.map { unsafe $0 + written }, $0.count - written)
      }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        throw GitError(errno: code)
      }
      written += count
    }
  }

  /// Writes `bytes` over what the file has at `offset`.
  func write(_ bytes: [UInt8], to file: Descriptor, at offset: Int) throws(GitError) {
    try recording(file) { () throws(GitError) in
      let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file.raw, $0.baseAddress, $0.count, off_t(offset)) }
      guard written == bytes.count else { throw written < 0 ? GitError(errno: errno) : .outOfSpace }
    } as: {
      .write(file: $0, offset: offset, bytes: bytes)
    }
  }

  func truncate(_ file: Descriptor, to size: Int) throws(GitError) {
    try recording(file) { () throws(GitError) in
      guard ftruncate(file.raw, off_t(size)) == 0 else { throw GitError(errno: errno) }
    } as: {
      .truncate(file: $0, size: size)
    }
  }

  func status(_ path: String) throws(GitError) -> FileStatus? {
    var status = stat()
    let result = try at(path) { unsafe Self.result(fstatat($0, $1, &status, AT_SYMLINK_NOFOLLOW)) }
    if result >= 0 { return FileStatus(status) }
    if result == -ENOENT || result == -ENOTDIR { return nil }
    throw GitError(errno: -result)
  }

  func status(of file: Descriptor) throws(GitError) -> FileStatus {
    var status = stat()
    guard unsafe fstat(file.raw, &status) == 0 else { throw GitError(errno: errno) }
    return FileStatus(status)
  }

  /// Sets a file's permission bits, as far as that is allowed.
  func setMode(_ path: String, _ mode: mode_t) throws(GitError) {
    _ = try recording { () throws(GitError) in
      try at(path) { unsafe Self.result(fchmodat($0, $1, mode, 0)) } >= 0
    } as: {
      $0 ? .setMode(absolute(path), mode: UInt32(mode)) : nil
    }
  }

  /// Makes a file as young as if it had just been written, as far as that is allowed; false if it is not there.
  func touch(_ path: String) throws(GitError) -> Bool {
    try at(path) { unsafe Self.result(utimensat($0, $1, nil, AT_SYMLINK_NOFOLLOW)) } != -ENOENT
  }

  // MARK: Waiting for the disk

  /// Begins writing a file's data to the disk; only a hint.
  func startWriteback(_ file: Descriptor) { _ = clibgit2_start_writeback(file.raw) }

  /// Waits until a file's data, and what is needed to find it, is on the disk.
  func syncData(_ file: Descriptor) throws(GitError) {
    try recording(file) { () throws(GitError) in
      guard fdatasync(file.raw) == 0 else { throw GitError(errno: errno) }
    } as: {
      .syncFile($0)
    }
  }

  /// Waits until the entries of the directory at `path`, or the file there, are on the disk; false if it is not there.
  @discardableResult
  func sync(_ path: String) throws(GitError) -> Bool {
    guard let file = try openFile(path, O_RDONLY) else { return false }
    let isDirectory = if recorder != nil { try status(of: file).isDirectory } else { false }
    let sync = { () throws(GitError) -> Void in guard fsync(file.raw) == 0 else { throw GitError(errno: errno) } }
    if isDirectory {
      try recording(sync) { .syncDirectory(absolute(path)) }
    } else {
      try recording(file, sync) { .syncFile($0) }
    }
    return true
  }

  /// Waits until all that was written to the file system is on the disk; for one that has to be told of each file see
  /// ``Repository/syncEverything()``.
  func syncFileSystem() throws(GitError) {
    try recording { () throws(GitError) in
      guard clibgit2_sync_file_system(descriptor.raw) == 0 else { throw GitError(errno: errno) }
    } as: {
      .syncEverything
    }
  }

  /// What kind of file system it is on (statfs(2)); 0 if that cannot be told.
  var fileSystemType: UInt64 { clibgit2_file_system_type(descriptor.raw) }

  /// Writes a small file, and replaces an older one in one step.
  func replace(_ path: String, with bytes: [UInt8], temporary: String, durable: Bool) throws(GitError) {
    try remove(temporary)
    guard let file = try openFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644) else { throw .io(EEXIST) }
    try write(bytes, to: file)
    if durable { try syncData(file) }
    try rename(temporary, to: path)
    if durable { try sync(Directory.parent(of: path)) }
  }
}
