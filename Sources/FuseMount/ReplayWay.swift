internal import FuseBridge
internal import Glibc
internal import VirtualFS

/// The way from a mount's root to a directory below it, which may be gone.
struct ReplayWay {
  let directory: UInt64
  private(set) var names: [[UInt8]] = []
  /// The directories on it that are no more.
  private(set) var graves: [Spot: Subject] = [:]

  /// Nil if nothing leads there, also not through directories that `graves` knows.
  init?(to directory: UInt64, in volumes: VolumeTable, graves: [UInt64: Spot]) {
    self.directory = directory
    var node = directory
    var below: [[UInt8]] = []
    while true {
      if volumes.isList(node) { break }
      guard let place = try? volumes.place(of: node) else { return nil }
      if let path = place.fileSystem.path(to: place.inode) {
        names = path.map(\.bytes)
        if volumes.single == nil {
          guard let name = volumes.name(ofVolumeWith: node) else { return nil }
          names.insert(name, at: 0)
        }
        break
      }
      guard let spot = graves[node], below.count < graves.count else { return nil }
      self.graves[spot] = Subject(node: node, kind: .directory)
      below.append(spot.name)
      node = spot.directory
    }
    names += below.reversed()
  }
}

/// A descriptor of a directory below the mount, closed with its owner.
///
/// While there is one the mount is busy, so it lives for one round of replays at most.
final class ReplayDirectory {
  let node: UInt64
  let descriptor: Int32

  private let volumes: VolumeTable

  private init(node: UInt64, descriptor: Int32, in volumes: VolumeTable) {
    self.node = node
    self.descriptor = descriptor
    self.volumes = volumes
  }

  deinit { close(descriptor) }

  /// The mount's root.
  ///
  /// - Throws: ``MountError/system(errno:)``, with ENOENT if another file system is there.
  static func root(
    at path: String, device: UInt64, in volumes: VolumeTable
  ) throws(MountError) -> ReplayDirectory {
    let descriptor = unsafe fb_open_root(path)
    guard descriptor >= 0 else { throw .system(errno: -descriptor) }
    let root = ReplayDirectory(node: 1, descriptor: descriptor, in: volumes)
    try root.check(device)
    return root
  }

  /// The device number of what is mounted at `path`; asks nobody.
  static func device(at path: String) -> UInt64? {
    let descriptor = unsafe fb_open_root(path)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var (number, device): (UInt64, UInt64) = (0, 0)
    return unsafe fb_identify(descriptor, &number, &device) == 0 ? device : nil
  }

  /// The directory at the end of `way`, from this one, the root.
  func open(_ way: ReplayWay, device: UInt64) throws(MountError) -> ReplayDirectory {
    var directory = self
    for (index, name) in way.names.enumerated() {
      let descriptor = unsafe withCString(name) { unsafe fb_open_directory(directory.descriptor, $0) }
      guard descriptor >= 0 else { throw .system(errno: -descriptor) }
      let node = index == way.names.count - 1 ? way.directory : 0
      directory = ReplayDirectory(node: node, descriptor: descriptor, in: volumes)
    }
    // What is called below it changes nothing only if it is our directory, and not one of a file system mounted on it.
    try directory.check(device)
    return directory
  }

  private func check(_ device: UInt64) throws(MountError) {
    var (number, found): (UInt64, UInt64) = (0, 0)
    let error = unsafe fb_identify(descriptor, &number, &found)
    guard error == 0 else { throw .system(errno: -error) }
    guard number == UInt64(volumes.number(of: node)), found == device else { throw .system(errno: ENOENT) }
  }
}

/// Lends a name's bytes with a NUL behind them to a call that returns a negative errno if it fails.
func withCString(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32) -> Int32 {
  unsafe (name + [0]).withUnsafeBufferPointer { bytes in
    unsafe bytes.withMemoryRebound(to: CChar.self) { text in
      guard let base = text.baseAddress else { return -EINVAL }
      return unsafe body(base)
    }
  }
}
