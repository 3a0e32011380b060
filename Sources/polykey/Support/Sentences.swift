import GitStore
import VirtualFS

extension VFSError {
  /// What a user is told.
  var sentence: String {
    switch code {
    case .notFound: "no such file or directory"
    case .exists: "exists already"
    case .notDirectory: "not a directory"
    case .isDirectory: "is a directory"
    case .notEmpty: "the directory is not empty: give -r to remove all in it"
    case .nameTooLong: "a name has at most 255 bytes, a path 8,192"
    case .invalidArgument: "that cannot be done"
    case .notPermitted: "not permitted"
    case .accessDenied: "permission denied"
    case .readOnly: "read-only: mounted so, or your role in the vault allows no writing"
    case .noSpace: "no space left on the keynode's disk: earlier versions are intact"
    case .fileTooLarge: "larger than a vault's files may be"
    case .tooManyLinks: "too many links"
    case .crossDevice: "not in the same vault"
    case .badHandle: "not open for that"
    case .noAttribute: "no such attribute"
    case .rangeTooSmall: "the buffer is too small"
    case .argumentListTooLong: "names and attributes are too long to be stored"
    case .noSuchOffset: "no such offset"
    case .notSupported: "not supported"
    case .busy: "in use"
    case .textBusy: "being executed"
    case .stale: "is gone"
    case .outOfMemory: "no memory can be had"
    case .corrupt: "damaged: run `polykey verify`, and take it from a backup or an earlier version"
    case .io: "the keynode's disk failed, or cannot be written"
    }
  }
}

extension GitError {
  /// Whether others were in the way.
  var isContention: Bool {
    switch self {
    case .referenceMoved, .referenceLocked: true
    default: false
    }
  }

  /// What a user is told.
  var sentence: String {
    switch self {
    case .notARepository: "not a bare git repository"
    case .unsupportedRepository: "it uses a git format that is not supported"
    case .alreadyExists: "something is there already"
    case .missing(let name): "object \(name.hex.prefix(12)) is missing: run `polykey verify`, and take it from a backup"
    case .corrupt(let name): "object \(name.hex.prefix(12)) is damaged: run `polykey verify`, and take it from a backup"
    case .wrongKind(let name, let found): "object \(name.hex.prefix(12)) is a \(found.word), which was not expected"
    case .malformed(let kind): "a \(kind.word) is malformed"
    case .invalidReferenceName, .malformedReference: "a branch is malformed"
    case .referenceMoved: "a branch moved meanwhile: try again"
    case .referenceLocked: "another program holds a branch's lock: try again"
    case .packMalformed: "what was received is damaged"
    case .packTooLarge: "what was received is larger than allowed"
    case .bundleMalformed: "not a git bundle, or a damaged one"
    case .bundleUnsupported: "a kind of git bundle that is not supported: only SHA-1 and whole ones are"
    case .remote(.unsupportedAddress): "an address is a path, HOST:PATH, or a file://, ssh:// or https:// URL"
    case .remote(.unreachable): "the other repository cannot be reached"
    case .remote(.notFound): "there is no git repository at that address"
    case .remote(.notAuthenticated): "the host accepts none of your ssh keys: add one to ssh-agent"
    case .remote(.passwordMissing):
      "the host wants a user name and a password: give git one for it (see gitcredentials(7)), or use a terminal"
    case .remote(.passwordWrong): "the host does not accept the user name and password that git gave for it"
    case .remote(.passwordInAddress): "an address has no password in it: let git's credential helper keep that"
    case .remote(.hostNotTrusted): "the host's key is not trusted: connect once with ssh, and confirm its key"
    case .remote(.certificateNotTrusted):
      "the host's certificate is not trusted: name its authority's in git's http.sslCAInfo, or add that to the system's"
    case .remote(.authoritiesUnreadable):
      "the authorities' certificates that git's http.sslCAInfo or http.sslCAPath names cannot be read"
    case .remote(.refused): "the host refused, or has no such repository"
    case .notPlain: "it has a link or a special file where a plain file belongs: do not use it, put back a sound copy"
    case .outOfSpace: "no space left on the disk"
    case .io(let code): ErrorNumber.text(code)
    case .library(let code): "libgit2 failed (\(code))"
    case .cancelled: "stopped"
    }
  }
}

extension FileKind {
  /// One word for programs.
  var word: String {
    switch self {
    case .regular: "file"
    case .directory: "directory"
    case .symbolicLink: "symlink"
    case .fifo: "fifo"
    case .socket: "socket"
    case .characterDevice: "character-device"
    case .blockDevice: "block-device"
    }
  }
}
