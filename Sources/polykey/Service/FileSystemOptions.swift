import Glibc
import VirtualFS

/// The options that every file system of this program has.
enum FileSystemOptions {
  /// The options; `temporaryNames` tells whether files under the names of editors and copiers are no versions for a while (the command
  /// line means what it names).
  static func standard(readOnly: Bool = false, temporaryNames: Bool = true) -> Options {
    var options = Options()
    options.isReadOnly = readOnly
    if temporaryNames {
      options.isEphemeral = { NamePatterns.ephemeral.contains($0.bytes) }
      options.isProvisional = { NamePatterns.provisional.contains($0.bytes) }
      options.isReplacement = { NamePatterns.replacement.contains($0.bytes) }
      options.isLock = { NamePatterns.lock.contains($0.bytes) }
    }
    // It is there when something is in it, and is no directory of anybody's.
    options.isReserved = { $0.bytes == [UInt8](".conflicts".utf8) }
    options.rootOwner = getuid()
    options.rootGroup = getgid()
    // Numeric owners mean nothing on another machine; root alone presents, and may change, the stored ones.
    if getuid() != 0 { options.presentedOwner = (user: getuid(), group: getgid()) }
    return options
  }
}
