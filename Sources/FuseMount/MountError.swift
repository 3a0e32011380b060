package import VirtualFS

/// Why a directory could not be mounted, served or unmounted; `description` is one sentence for the user.
///
/// Carries no path: the caller knows which directory it asked for.
package enum MountError: Error, Hashable, CustomStringConvertible {
  /// The mount point does not exist.
  case missing
  /// The mount point, or a directory above it, is not a directory.
  case notDirectory
  /// The mount point cannot be looked at: permissions, or another user's private mount.
  case notAccessible
  /// An ordinary user may mount only over directories that it may write to.
  case notWritable
  case notEmpty
  /// A healthy mount of polykey is there.
  case alreadyMounted
  /// The process that served the mount is gone, and the mount could not be removed.
  case stale
  case deviceMissing
  case deviceForbidden
  /// allow_other by an ordinary user without user_allow_other in /etc/fuse.conf.
  case allowOtherForbidden
  /// fusermount3 is not installed or not set-user-ID root.
  case helperMissing
  case unknownOption(String)
  /// A volume's name is not a valid file name.
  case invalidVolumeName
  /// A volume of this name is mounted already, or the mount has a single volume.
  case duplicateVolume
  /// More than 65,534 volumes were added since the mount began.
  case tooManyVolumes
  /// Files below the mount point are in use.
  case busy
  /// No polykey is mounted there.
  case notMounted
  /// Another user's mount.
  case notPermitted
  /// The last changes could not be stored.
  case notSaved(VFSError)
  /// The system refused; `errno` of errno(3).
  case system(errno: Int32)
  /// libfuse or fusermount3 refused for a reason that has no case of its own; their first line.
  case refused(String)

  package var description: String {
    switch self {
    case .missing: "the mount point does not exist"
    case .notDirectory: "the mount point is not a directory"
    case .notAccessible: "the mount point cannot be accessed"
    case .notWritable: "the mount point is not writable by you"
    case .notEmpty: "the mount point is not empty (option nonempty mounts over it)"
    case .alreadyMounted: "polykey is already mounted there"
    case .stale: "a dead mount is in the way and could not be removed (try: fusermount3 -uz)"
    case .deviceMissing: "/dev/fuse does not exist (is the kernel module fuse loaded?)"
    case .deviceForbidden: "/dev/fuse may not be opened by you"
    case .allowOtherForbidden: "allow_other needs the line user_allow_other in /etc/fuse.conf"
    case .helperMissing: "fusermount3 was not found (package fuse3), and only root can mount without it"
    case .unknownOption(let option): "unknown mount option \(option)"
    case .invalidVolumeName: "the volume's name is not a valid file name"
    case .duplicateVolume: "a volume of this name is already mounted"
    case .tooManyVolumes: "too many volumes were added to this mount"
    case .busy: "files in it are in use (--lazy detaches it all the same)"
    case .notMounted: "polykey is not mounted there"
    case .notPermitted: "the mount is not yours"
    case .notSaved(let error): "the last changes could not be stored (\(error.code))"
    case .system(let errno): "the system refused (error \(errno))"
    case .refused(let line): line
    }
  }
}
