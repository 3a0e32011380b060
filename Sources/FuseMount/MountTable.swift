internal import FuseBridge
internal import Glibc

/// The mounts of polykey that this process can see.
package enum MountTable {
  /// One mount.
  package struct Entry: Hashable, Sendable {
    /// The absolute path, in any or no encoding.
    package let path: [UInt8]
    package let isReadOnly: Bool
    /// The user who mounted it.
    package let user: UInt32?
    /// The file system's number, as `MAJOR:MINOR`: the same wherever it is mounted, and no other's while anybody holds it.
    package let device: String
    /// Whether it is polykey's.
    package let isPolykey: Bool

    /// The path for people and system calls; not exact if it is not UTF-8.
    package var directory: String { String(decoding: path, as: UTF8.self) }

    /// Whether nobody serves it any more (its process was killed); it may block while the process is busy.
    package var isStale: Bool {
      unsafe (path + [0]).withUnsafeBufferPointer { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) { bytes in
          guard let path = bytes.baseAddress else { return false }
          return unsafe fb_is_disconnected(path) != 0
        }
      }
    }
  }

  /// All of them, in the order of their mounting.
  ///
  /// - Throws: ``MountError/system(errno:)`` if /proc is not there.
  package static func entries() throws(MountError) -> [Entry] { parse(try read("/proc/self/mountinfo")) }

  /// The topmost mount at the absolute path `directory`; nil if polykey has none there.
  package static func entry(at directory: String) throws(MountError) -> Entry? {
    try entries().last { $0.path.elementsEqual(directory.utf8) }
  }

  /// The mount that is seen at the absolute path `directory`, of whatever kind; nil if none begins there.
  package static func topmost(at directory: String) throws(MountError) -> Entry? {
    parseAll(try read("/proc/self/mountinfo")).last { $0.path.elementsEqual(directory.utf8) }
  }

  /// Where a process sees the file system `device` mounted; empty if nowhere, or if we may not look.
  package static func places(of device: String, process: String = "self") -> [String] {
    guard let text = try? read("/proc/\(process)/mountinfo") else { return [] }
    return parseAll(text).filter { $0.device == device }.map(\.directory)
  }

  /// Parses polykey's entries of /proc/PID/mountinfo; proc_pid_mountinfo(5).
  static func parse(_ text: [UInt8]) -> [Entry] { parseAll(text).filter(\.isPolykey) }

  private static func parseAll(_ text: [UInt8]) -> [Entry] {
    text.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = line.split(separator: UInt8(ascii: " "))
      // After a varying number of optional fields, "-", the type, the source and the file system's options.
      guard let dash = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }), dash >= 6, fields.count > dash + 3
      else { return nil }
      let options = fields[5].split(separator: UInt8(ascii: ",")) + fields[dash + 3].split(separator: UInt8(ascii: ","))
      let user = options.first { $0.starts(with: "user_id=".utf8) }
      return Entry(
        path: unescape(fields[4]), isReadOnly: options.contains { $0.elementsEqual("ro".utf8) },
        user: user.flatMap { UInt32(String(decoding: $0.dropFirst(8), as: UTF8.self)) },
        device: String(decoding: fields[2], as: UTF8.self),
        isPolykey: fields[dash + 1].elementsEqual("fuse.polykey".utf8))
    }
  }

  /// Turns each \ooo into its byte: the kernel writes blanks, tabs, newlines and backslashes so.
  private static func unescape(_ field: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var rest = field
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
        result.append(digits.reduce(0) { $0 &* 8 &+ ($1 - 0x30) })
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return result
  }

  /// Reads a small file, whatever size it claims.
  static func read(_ path: String) throws(MountError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(errno: errno) }
    defer { close(descriptor) }
    return try readAll(descriptor)
  }

  /// Reads to the end.
  static func readAll(_ descriptor: Int32) throws(MountError) -> [UInt8] {
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .system(errno: errno) }
      if count == 0 { return result }
      result += chunk[..<count]
    }
  }
}
