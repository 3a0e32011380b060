internal import FuseBridge
internal import Glibc
internal import Synchronization

/// The owner of one connection to the kernel.
@safe
final class Session: @unchecked Sendable {
  // SAFETY (Sendable): libfuse's session is thread-safe for replies and notifications; the life cycle is the mount's,
  // which calls it in order.
  private let pointer: OpaquePointer

  /// Guards this process's stderr and libfuse's log, which are shared by all sessions, while one of them mounts.
  private static let mounting = Mutex(())

  /// Mounts at `directory`; `server` must outlive the session.
  init(server: Server, options: MountOptions, at directory: String) throws(MountError) {
    unsafe pointer = try unsafe Session.mounting.withLock { _ throws(MountError) in
      // SAFETY: fb_session_create only stores the pointer; the mount keeps the server alive.
      let context = unsafe Unmanaged.passUnretained(server).toOpaque()
      let flags = server.cachesListings ? UInt32(FB_SESSION_CACHE) : 0
      guard let pointer = unsafe fb_session_create(options.list, context, flags) else {
        throw .refused(Session.takeLog() ?? "libfuse refused the options")
      }
      // fusermount3 writes to the stderr that it inherits; root mounts without it.
      let token = geteuid() == 0 ? -1 : fb_stderr_capture()
      let isMounted = unsafe fb_session_mount(pointer, directory) == 0
      let helper = token < 0 ? nil : unsafe Session.text { unsafe fb_stderr_restore(token, $0, $1) }
      let log = Session.takeLog()
      if isMounted { return unsafe pointer }
      unsafe fb_session_destroy(pointer)
      throw Session.error(helper ?? log ?? "the mount failed")
    }
  }

  deinit { unsafe fb_session_destroy(pointer) }

  /// Tells what libfuse's or fusermount3's text means.
  private static func error(_ text: String) -> MountError {
    if text.contains("user_allow_other") { return .allowOtherForbidden }
    if text.contains("fusermount") && text.contains("No such file") { return .helperMissing }
    if text.contains("no write access") { return .notWritable }
    if text.contains("device not found") { return .deviceMissing }
    if text.contains("/dev/fuse") { return .deviceForbidden }
    return .refused(text.split(separator: "\n").first.map(String.init) ?? text)
  }

  private static func takeLog() -> String? { unsafe text { unsafe fb_take_log($0, $1) } }

  private static func text(_ fill: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String? {
    var text = [CChar](repeating: 0, count: 512)
    unsafe text.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { unsafe fill(base, buffer.count) }
    }
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  /// Starts the threads that serve.
  func start(threads: UInt32) throws(MountError) {
    if unsafe fb_session_start(pointer, threads) != 0 { throw .system(errno: errno) }
  }

  /// Blocks until ``wake()`` or the end of the connection; returns whether the mount is gone.
  func wait() -> Bool { unsafe fb_session_wait(pointer) != 0 }

  /// Lets ``wait()`` return; async-signal-safe.
  func wake() { unsafe fb_session_wake(pointer) }

  /// Ends the threads that serve, after what they are doing.
  func stop() { unsafe fb_session_stop(pointer) }

  /// Handles what the kernel has queued, after ``stop()``; returns whether there was anything.
  func drain() -> Bool { unsafe fb_session_drain(pointer, 65_536) > 0 }

  /// Detaches the mount, if it is still there, and closes the connection.
  func unmount() { unsafe fb_session_unmount(pointer) }

  /// Closes the connection, and touches nothing that is mounted.
  func abandon() { unsafe fb_session_abandon(pointer) }

  /// Makes the kernel forget the attributes of an inode, and its content too unless `attributesOnly`.
  func notifyInode(_ node: UInt64, attributesOnly: Bool) {
    _ = unsafe fb_notify_inode(pointer, node, attributesOnly ? -1 : 0, 0)
  }

  func notifyEntry(_ name: [UInt8], in parent: UInt64) { _ = unsafe fb_notify_entry(pointer, parent, name, name.count) }

  /// Makes the kernel forget an entry whose inode is gone, so that watches of the inode see it.
  func notifyDeleted(_ name: [UInt8], of child: UInt64, in parent: UInt64) {
    // A directory that the kernel believes full is not deleted, but its entry can be forgotten.
    if unsafe fb_notify_deleted(pointer, parent, child, name, name.count) != 0 { notifyEntry(name, in: parent) }
  }
}
