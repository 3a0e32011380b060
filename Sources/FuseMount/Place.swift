internal import FuseBridge
internal import Glibc
internal import VirtualFS

/// Where a request goes: an inode of one volume.
struct Place {
  /// The volume's number in the high 16 bits of the kernel's inode numbers; 0 if the mount has a single volume.
  let prefix: UInt64
  let fileSystem: VirtualFileSystem
  let inode: InodeID

  /// The volume's inode number as the kernel knows it.
  func node(_ inode: InodeID) -> UInt64 { prefix | inode.rawValue }

  func wire(_ attributes: Attributes) -> fb_attributes {
    var result = fb_attributes(kind: attributes.kind, mode: attributes.mode)
    result.inode = node(attributes.inode)
    result.number = attributes.number
    result.links = attributes.links
    result.owner = attributes.owner
    result.group = attributes.group
    result.size = attributes.size
    result.allocated = attributes.allocated
    result.accessed = attributes.accessed.seconds
    result.accessed_ns = attributes.accessed.nanoseconds
    result.modified = attributes.modified.seconds
    result.modified_ns = attributes.modified.nanoseconds
    result.changed = attributes.changed.seconds
    result.changed_ns = attributes.changed.nanoseconds
    return result
  }
}

extension fb_attributes {
  /// Only the type, the mode and the device's numbers; all else is 0.
  init(kind: FileKind, mode: UInt16) {
    self.init()
    let type: mode_t
    switch kind {
    case .regular: type = S_IFREG
    case .directory: type = S_IFDIR
    case .symbolicLink: type = S_IFLNK
    case .fifo: type = S_IFIFO
    case .socket: type = S_IFSOCK
    case .characterDevice(let major, let minor):
      type = S_IFCHR
      (device_major, device_minor) = (major, minor)
    case .blockDevice(let major, let minor):
      type = S_IFBLK
      (device_major, device_minor) = (major, minor)
    }
    self.mode = type | UInt32(mode)
  }
}

extension FileKind {
  /// What mknod(2) may make, from a mode with the type's bits; nil for all else.
  init?(mode: UInt32, major: UInt32, minor: UInt32) {
    switch mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFIFO: self = .fifo
    case S_IFSOCK: self = .socket
    case S_IFCHR: self = .characterDevice(major: major, minor: minor)
    case S_IFBLK: self = .blockDevice(major: major, minor: minor)
    default: return nil
    }
  }
}
