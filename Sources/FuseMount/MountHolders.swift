internal import FuseBridge
internal import Glibc

/// A process that keeps a mount in use.
package struct MountHolder: Hashable, Sendable {
  package enum Way: Hashable, Sendable {
    /// An open file, a working directory, a mapping or a program.
    case files
    /// It sees the mount in a mount namespace of its own, as a container does.
    case namespace
  }

  package let process: Int32
  /// The program's name, of at most 15 bytes.
  package let name: String
  package let way: Way
}

/// Who keeps a file system in use, as far as /proc tells this user.
package enum MountHolders {
  /// The processes that hold the file system `device`, but ourselves and `server`, which serves it; one for each mount namespace.
  ///
  /// Asks neither the file system nor the process that serves it, so it returns whatever these do.
  package static func processes(of device: String, besides server: Int32?) -> [MountHolder] {
    var holders: [MountHolder] = []
    let ours = link("/proc/self/ns/mnt")
    var namespaces: Set<String> = []
    for process in processes() where process != getpid() && process != server {
      let folder = "/proc/\(process)"
      var way: MountHolder.Way?
      if holdsFiles(folder, device) {
        way = .files
      } else if let namespace = link("\(folder)/ns/mnt"), namespace != ours, namespaces.insert(namespace).inserted,
        !MountTable.places(of: device, process: String(process)).isEmpty
      {
        way = .namespace
      }
      if let way { holders.append(MountHolder(process: process, name: name(folder), way: way)) }
    }
    return holders
  }

  /// Whether our own working directory is on the file system `device`.
  package static func isWorkingDirectory(on device: String) -> Bool { isOn(device, "/proc/self/cwd") }

  private static func processes() -> [pid_t] { names(in: "/proc").compactMap { pid_t($0) }.sorted() }

  private static func holdsFiles(_ folder: String, _ device: String) -> Bool {
    for place in ["cwd", "root", "exe"] where isOn(device, "\(folder)/\(place)") { return true }
    for name in names(in: "\(folder)/fd") where isOn(device, "\(folder)/fd/\(name)") { return true }
    // Lines of address, permissions, offset, device and so on; the device in two hexadecimal numbers.
    guard let maps = try? MountTable.read("\(folder)/maps") else { return false }
    for line in maps.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 4)
      guard fields.count >= 4, fields[3] != [0x30, 0x30, 0x3A, 0x30, 0x30] else { continue }
      let numbers = String(decoding: fields[3], as: UTF8.self).split(separator: ":").compactMap { Int($0, radix: 16) }
      if numbers.count == 2, "\(numbers[0]):\(numbers[1])" == device { return true }
    }
    return false
  }

  private static func isOn(_ device: String, _ path: String) -> Bool {
    var (major, minor): (UInt32, UInt32) = (0, 0)
    return unsafe fb_device(path, &major, &minor) == 0 && "\(major):\(minor)" == device
  }

  private static func name(_ folder: String) -> String {
    let name = String(decoding: (try? MountTable.read("\(folder)/comm")) ?? [], as: UTF8.self)
    return String(name.prefix { $0 != "\n" })
  }

  private static func link(_ path: String) -> String? {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = unsafe bytes.withUnsafeMutableBytes { room -> Int in
      guard let base = unsafe room.baseAddress?.assumingMemoryBound(to: CChar.self) else { return -1 }
      return unsafe readlink(path, base, room.count)
    }
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }

  private static func names(in path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      names.append(
        unsafe withUnsafePointer(to: &entry.pointee.d_name) {
          unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        })
    }
    return names
  }
}
