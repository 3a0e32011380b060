internal import Glibc
internal import Synchronization

extension Repository {
  /// Joins the users of the repository; the first one cleans up after those before.
  func join() throws(GitError) {
    guard let users else { return }
    do throws(GitError) {
      try makeOwnDirectories()
    } catch .outOfSpace {
      isUnnoted.store(true, ordering: .relaxed)
    }
    if flock(users.raw, LOCK_EX | LOCK_NB) == 0 {
      try recover()
      // All that is there now is durable: building on it needs no sync.
      _ = try references()
      pending.withLock { $0.everything = false }
    } else {
      // Others are at work, perhaps with commits that only a sync of everything covers, and they are to know that we were; or they only read, for
      // lack of room.
      pending.withLock { $0.everything = true }
      if try session()?.hasSuffix(" open\n") != true { isUnnoted.store(true, ordering: .relaxed) }
      // On a full disk nothing is written, so nothing can be lost.
      try? root.write([1], to: users, at: 0)
    }
    try IncomingDirectory.removeAbandoned(in: root)
    while flock(users.raw, LOCK_SH) != 0 {
      let code = errno
      guard code == EINTR else { throw GitError(errno: code) }
    }
  }

  private func makeOwnDirectories() throws(GitError) {
    for directory in ["polykey/durable", "polykey/spare"] { try root.makeDirectory(directory) }
  }

  /// Does before the first write what there was no room for when the repository was opened: reading needs none.
  ///
  /// - Throws: ``GitError/outOfSpace``.
  func prepareToWrite() throws(GitError) {
    guard isUnnoted.load(ordering: .relaxed) else { return }
    try makeOwnDirectories()
    try noteSession(clean: false)
    isUnnoted.store(false, ordering: .relaxed)
  }

  private func session() throws(GitError) -> String? {
    try root.read(Self.session).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Makes what is pending durable, as far as that works, and notes that nothing is.
  func leave() {
    guard let users else { return }
    readyFiles.removeAll()
    if hasPendingWrites { guard (try? makeDurable()) != nil else { return } }
    guard flock(users.raw, LOCK_EX | LOCK_NB) == 0 else { return }
    // One of several that had it open may have been killed before it synced.
    if let size = try? root.status(of: users).size, size > 0 {
      guard (try? syncing { () throws(GitError) in try syncEverything() }) != nil else { return }
      try? root.truncate(users, to: 0)
    }
    try? noteSession(clean: true)
  }

  private func recover() throws(GitError) {
    let session = try session()
    let boot = try Self.bootIdentifier()
    if let session, !session.hasSuffix(" clean\n") {
      try removeLeftovers()
      if session.hasPrefix(boot) {
        // Only a process died: what it wrote is whole, but perhaps not on the disk.
        try syncEverything()
      } else {
        try PowerLossRecovery(repository: self).run()
      }
    }
    // All that is there is durable now.
    for name in try root.names(in: "polykey/durable") { try root.remove("polykey/durable/\(name)") }
    if let users, try root.status(of: users).size > 0 { try root.truncate(users, to: 0) }
    do throws(GitError) {
      try noteSession(clean: false)
    } catch .outOfSpace {
      isUnnoted.store(true, ordering: .relaxed)
    }
  }

  static let session = "polykey/session"

  private func noteSession(clean: Bool) throws(GitError) {
    let text = "\(try Self.bootIdentifier()) \(clean ? "clean" : "open")\n"
    // "open" must reach the disk before any write does, else a power loss would pass unnoticed.
    try root.replace(Self.session, with: Array(text.utf8), temporary: "\(Self.session).new", durable: !clean)
  }

  private static func bootIdentifier() throws(GitError) -> String {
    let text = try Directory(path: "/proc/sys/kernel/random").readStream("boot_id")
    return String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// Removes files that a killed process of ours left under construction.
  private func removeLeftovers() throws(GitError) {
    for directory in try root.names(in: "objects") where directory.utf8.count == 2 {
      for name in try root.names(in: "objects/\(directory)") where name.hasPrefix(Self.temporaryMark) {
        try root.remove("objects/\(directory)/\(name)")
      }
    }
    for directory in try root.names(in: ReadyFiles.directory) {
      for name in try root.names(in: "\(ReadyFiles.directory)/\(directory)") {
        try root.remove("\(ReadyFiles.directory)/\(directory)/\(name)")
      }
    }
  }
}

extension Directory {
  /// The bytes of a file whose size is not known beforehand, such as one of procfs; at most 4,096.
  func readStream(_ path: String) throws(GitError) -> [UInt8] {
    guard let file = try openFile(path, O_RDONLY) else { throw .io(ENOENT) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(file.raw, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw GitError(errno: errno) }
    return Array(bytes[..<count])
  }
}
