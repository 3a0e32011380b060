/// Why an operation on the file system failed.
///
/// Carries no file name and no content: both are secret.
public struct VFSError: Error, Hashable, Sendable {
  /// The reason; each is one errno of errno(3), named in its comment.
  public enum Code: Hashable, Sendable, CaseIterable {
    /// ENOENT.
    case notFound
    /// EEXIST.
    case exists
    /// ENOTDIR.
    case notDirectory
    /// EISDIR.
    case isDirectory
    /// ENOTEMPTY.
    case notEmpty
    /// ENAMETOOLONG.
    case nameTooLong
    /// EINVAL.
    case invalidArgument
    /// EPERM.
    case notPermitted
    /// EACCES.
    case accessDenied
    /// EROFS.
    case readOnly
    /// ENOSPC.
    case noSpace
    /// EFBIG.
    case fileTooLarge
    /// EMLINK.
    case tooManyLinks
    /// EXDEV.
    case crossDevice
    /// EBADF.
    case badHandle
    /// ENODATA.
    case noAttribute
    /// ERANGE.
    case rangeTooSmall
    /// E2BIG.
    case argumentListTooLong
    /// ENXIO, of SEEK_DATA and SEEK_HOLE.
    case noSuchOffset
    /// EOPNOTSUPP.
    case notSupported
    /// EBUSY.
    case busy
    /// ETXTBSY.
    case textBusy
    /// ESTALE.
    case stale
    /// ENOMEM.
    case outOfMemory
    /// EIO: stored bytes that do not verify.
    case corrupt
    /// EIO: the disk.
    case io
  }

  /// The reason.
  public let code: Code

  /// An error for this reason.
  public init(_ code: Code) { self.code = code }
}
