internal import Glibc
internal import VirtualFS

/// What the kernel keeps for an open file: the handle, and whether it appends.
struct OpenFile {
  private static let appendBit: UInt64 = 1 << 63

  let handle: HandleID
  let appends: Bool

  /// The kernel's number of this open file.
  var wire: UInt64 { handle.rawValue | (appends ? OpenFile.appendBit : 0) }

  init(handle: HandleID, appends: Bool) {
    self.handle = handle
    self.appends = appends
  }

  init(wire: UInt64) {
    handle = HandleID(rawValue: wire & ~OpenFile.appendBit)
    appends = wire & OpenFile.appendBit != 0
  }
}

extension OpenOptions {
  /// From the flags of open(2).
  init(flags: Int32) {
    self.init()
    let mode = flags & O_ACCMODE
    read = mode == O_RDONLY || mode == O_RDWR
    write = mode == O_WRONLY || mode == O_RDWR
    append = flags & O_APPEND != 0
    truncate = flags & O_TRUNC != 0
    synchronous = flags & O_DSYNC != 0  // a part of O_SYNC
  }
}
