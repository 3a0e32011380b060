internal import FuseBridge
internal import Glibc
internal import Synchronization
package import VirtualFS

/// A file system with its name in the root of a mount that serves several.
package struct Volume: Sendable {
  /// A file name: 1...255 bytes without "/" and NUL.
  package let name: [UInt8]
  package let fileSystem: VirtualFileSystem

  package init(name: [UInt8], fileSystem: VirtualFileSystem) {
    self.name = name
    self.fileSystem = fileSystem
  }
}

/// Which volume of a mount; never reused while the mount lasts.
package struct VolumeID: Hashable, Sendable {
  /// 0 for the single volume of a mount without a root of its own; else 1...65_534.
  let number: UInt64

  /// The volume of a ``Mount/Layout/single(_:)`` mount.
  package static let single = VolumeID(number: 0)
}

/// The volumes of one mount, and the root directory that lists them.
///
/// With a single volume its inode numbers are the kernel's. With several the high 16 bits of the kernel's numbers
/// are the volume's, and FUSE's root, 1, is a directory of this table.
final class VolumeTable: Sendable {
  /// Guarded by `state`.
  private struct State {
    /// By number - 1; nil when removed.
    var volumes: [Volume?] = []
    var changed = VolumeTable.now()
  }

  static let limit = 65_534
  private static let shift: UInt64 = 48

  /// The volume whose inode numbers are the kernel's own.
  let single: VirtualFileSystem?
  private let state = Mutex(State())

  init(single: VirtualFileSystem?) { self.single = single }

  private static func now() -> Timestamp {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }

  /// Whether `node` is the directory that lists the volumes.
  func isList(_ node: UInt64) -> Bool { node == 1 && single == nil }

  /// Where requests for the kernel's inode `node` go.
  ///
  /// - Throws: `notPermitted` for the directory of volumes, which nothing can change; `stale` if its volume was removed.
  func place(of node: UInt64) throws(VFSError) -> Place {
    if let single { return Place(prefix: 0, fileSystem: single, inode: InodeID(rawValue: node)) }
    guard let volume = fileSystem(VolumeID(number: node >> VolumeTable.shift)) else {
      throw VFSError(node == 1 ? .notPermitted : .stale)
    }
    let mask = (UInt64(1) << VolumeTable.shift) - 1
    return Place(prefix: node & ~mask, fileSystem: volume, inode: InodeID(rawValue: node & mask))
  }

  /// The kernel's number of an inode of a volume.
  static func node(_ inode: InodeID, of volume: VolumeID) -> UInt64 { volume.number << shift | inode.rawValue }

  func fileSystem(_ volume: VolumeID) -> VirtualFileSystem? {
    if let single { return single }
    return state.withLock { state in
      guard volume.number > 0, volume.number <= state.volumes.count else { return nil }
      return state.volumes[Int(volume.number) - 1]?.fileSystem
    }
  }

  /// What programs are shown for the kernel's inode `node`.
  func number(of node: UInt64) -> UInt32 {
    if isList(node) { return InodeNumbers.root }
    guard let place = try? place(of: node), let attributes = try? place.fileSystem.attributes(of: place.inode) else {
      return VolumeTable.ghostNumber(of: node)
    }
    return attributes.number
  }

  /// What the replayer alone is shown for an inode that is no more.
  static func ghostNumber(of node: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: node) }

  /// The name of the volume that the kernel's inode `node` belongs to.
  func name(ofVolumeWith node: UInt64) -> [UInt8]? {
    let number = node >> VolumeTable.shift
    return state.withLock { state in
      number > 0 && number <= state.volumes.count ? state.volumes[Int(number) - 1]?.name : nil
    }
  }

  func add(_ volume: Volume) throws(MountError) -> VolumeID {
    guard (try? Name(volume.name)) != nil else { throw .invalidVolumeName }
    guard single == nil else { throw .duplicateVolume }
    return try state.withLock { state throws(MountError) in
      guard !state.volumes.contains(where: { $0?.name == volume.name }) else { throw .duplicateVolume }
      guard state.volumes.count < VolumeTable.limit else { throw .tooManyVolumes }
      state.volumes.append(volume)
      state.changed = VolumeTable.now()
      return VolumeID(number: UInt64(state.volumes.count))
    }
  }

  func remove(named name: [UInt8]) -> VirtualFileSystem? {
    state.withLock { state in
      guard let index = state.volumes.firstIndex(where: { $0?.name == name }) else { return nil }
      defer { state.volumes[index] = nil }
      state.changed = VolumeTable.now()
      return state.volumes[index]?.fileSystem
    }
  }

  func volume(named name: [UInt8]) -> VolumeID? {
    state.withLock { state in
      state.volumes.firstIndex { $0?.name == name }.map { VolumeID(number: UInt64($0) + 1) }
    }
  }

  /// All volumes that are mounted now, with their numbers.
  var all: [(id: VolumeID, volume: Volume)] {
    state.withLock { state in
      zip(1..., state.volumes).compactMap { number, volume in
        volume.map { (VolumeID(number: UInt64(number)), $0) }
      }
    }
  }

  var fileSystems: [VirtualFileSystem] { single.map { [$0] } ?? all.map(\.volume.fileSystem) }

  /// stat(2) of the directory of volumes: everyone may read it, nobody may change it.
  var listAttributes: fb_attributes {
    let (count, changed) = state.withLock { ($0.volumes.count { $0 != nil }, $0.changed) }
    var result = fb_attributes(kind: .directory, mode: 0o555)
    result.inode = 1
    result.number = InodeNumbers.root
    result.links = UInt32(2 + count)
    (result.owner, result.group) = (getuid(), getgid())
    (result.accessed, result.modified, result.changed) = (changed.seconds, changed.seconds, changed.seconds)
    result.accessed_ns = changed.nanoseconds
    result.modified_ns = changed.nanoseconds
    result.changed_ns = changed.nanoseconds
    return result
  }
}
