internal import FuseBridge
internal import Glibc
internal import VirtualFS

/// One request of the kernel.
///
/// It is answered exactly once, and none of its calls is allowed afterwards.
@safe
struct Request: @unchecked Sendable {
  // SAFETY (Sendable): libfuse lets any one thread answer; the handlers pass a request on, never share it.
  private let pointer: OpaquePointer

  /// Borrowed from libfuse until it is answered.
  init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

  /// Who asks; the umask only if something is to be made.
  var caller: Credentials {
    let caller = unsafe fb_request_caller(pointer)
    return Credentials(user: caller.user, group: caller.group, umask: UInt16(caller.umask & 0o777))
  }

  /// The thread that asks, by its number in this process's namespace; 0 if it is in another.
  var thread: UInt32 { unsafe fb_request_caller(pointer).thread }

  func succeed() { unsafe fb_reply_error(pointer, 0) }

  func fail(_ error: VFSError) { unsafe fb_reply_error(pointer, error.errno) }

  /// Answers "not implemented", which the kernel remembers.
  func decline() { unsafe fb_reply_error(pointer, ENOSYS) }

  /// Returns whether the kernel took the entry, which then counts a lookup.
  ///
  /// `timeout` is that of its attributes, in seconds.
  func reply(entry: fb_attributes, timeout: Double, nameTimeout: Double) -> Bool {
    unsafe withUnsafePointer(to: entry) { unsafe fb_reply_entry(pointer, $0, timeout, nameTimeout) } == 0
  }

  /// Returns whether the kernel took the entry and the handle.
  func reply(created: fb_attributes, timeout: Double, handle: UInt64, flags: UInt32) -> Bool {
    unsafe withUnsafePointer(to: created) { unsafe fb_reply_create(pointer, $0, timeout, handle, flags) } == 0
  }

  /// Returns whether the kernel took the handle.
  func reply(handle: UInt64, flags: UInt32) -> Bool { unsafe fb_reply_open(pointer, handle, flags) == 0 }

  /// Answers that there is no such entry; the kernel remembers it for `timeout` seconds.
  func replyAbsent(timeout: Double) { unsafe fb_reply_negative_entry(pointer, timeout) }

  func reply(attributes: fb_attributes, timeout: Double) {
    unsafe withUnsafePointer(to: attributes) { unsafe fb_reply_attributes(pointer, $0, timeout) }
  }

  func reply(_ bytes: UnsafeRawBufferPointer) { unsafe fb_reply_bytes(pointer, bytes.baseAddress, bytes.count) }

  func reply(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe reply($0) } }

  /// A symbolic link's target, up to its first NUL.
  func reply(target: [UInt8]) {
    unsafe (target + [0]).withUnsafeBufferPointer { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) { text in
        if let base = text.baseAddress { unsafe fb_reply_target(pointer, base) }
      }
    }
  }

  func reply(written count: Int) { unsafe fb_reply_written(pointer, count) }

  /// Answers a query for an extended attribute: its size if `room` is 0, else its bytes, or ERANGE.
  func reply(attribute bytes: [UInt8], room: Int) {
    if room == 0 {
      unsafe fb_reply_attribute_size(pointer, bytes.count)
    } else if bytes.count > room {
      fail(VFSError(.rangeTooSmall))
    } else {
      reply(bytes)
    }
  }

  func reply(offset: Int64) { unsafe fb_reply_offset(pointer, offset) }

  /// Answers statfs(2); nil is a file system without any room.
  func reply(_ statistics: FileSystemStatistics?) {
    let block: Int64 = 4096
    var answer = fb_statistics()
    answer.block_size = UInt32(block)
    answer.name_limit = UInt32(Name.limit)
    guard let statistics else { return unsafe fb_reply_statistics(pointer, &answer) }
    answer.blocks = UInt64(clamping: statistics.capacity / block)
    answer.free_blocks = UInt64(clamping: statistics.available / block)
    answer.inodes = UInt64(clamping: statistics.inodes)
    answer.free_inodes = UInt64(clamping: statistics.availableInodes)
    unsafe fb_reply_statistics(pointer, &answer)
  }

  /// Appends to a READDIR answer; returns the bytes used, 0 if `room` has too few.
  func add(
    _ name: [UInt8], _ attributes: fb_attributes, next: UInt64, to room: UnsafeMutableRawBufferPointer
  ) -> Int {
    guard let base = room.baseAddress else { return 0 }
    return unsafe withUnsafePointer(to: attributes) {
      unsafe fb_add_entry(pointer, base, room.count, name, name.count, $0, next)
    }
  }

  /// The same for READDIRPLUS; with `counts` the kernel counts a lookup and keeps the attributes.
  func addWithAttributes(
    _ name: [UInt8], _ attributes: fb_attributes, counts: Bool, timeout: Double, next: UInt64,
    to room: UnsafeMutableRawBufferPointer
  ) -> Int {
    guard let base = room.baseAddress else { return 0 }
    return unsafe withUnsafePointer(to: attributes) {
      unsafe fb_add_entry_plus(
        pointer, base, room.count, name, name.count, $0, counts ? 1 : 0, timeout, next)
    }
  }
}
