internal import Glibc
internal import VirtualFS

extension VFSError {
  /// The errno that the calling program sees; errno(3).
  var errno: Int32 {
    switch code {
    case .notFound: ENOENT
    case .exists: EEXIST
    case .notDirectory: ENOTDIR
    case .isDirectory: EISDIR
    case .notEmpty: ENOTEMPTY
    case .nameTooLong: ENAMETOOLONG
    case .invalidArgument: EINVAL
    case .notPermitted: EPERM
    case .accessDenied: EACCES
    case .readOnly: EROFS
    case .noSpace: ENOSPC
    case .fileTooLarge: EFBIG
    case .tooManyLinks: EMLINK
    case .crossDevice: EXDEV
    case .badHandle: EBADF
    case .noAttribute: ENODATA
    case .rangeTooSmall: ERANGE
    case .argumentListTooLong: E2BIG
    case .noSuchOffset: ENXIO
    case .notSupported: EOPNOTSUPP
    case .busy: EBUSY
    case .textBusy: ETXTBSY
    case .stale: ESTALE
    case .outOfMemory: ENOMEM
    case .corrupt: EIO
    case .io: EIO
    }
  }
}
