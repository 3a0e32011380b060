import Glibc
import Vault

/// Whether other users of the machine can get at the keynode.
enum KeynodePrivacy {
  /// Says on stderr which of the identity's files, and whether the keynode's directory, others may read or change.
  static func warn(_ paths: KeynodePaths) {
    if let mode = mode(paths.home) {
      Console.tell("warning: other users may look into the keynode (mode \(mode)): run `chmod 700 \(paths.home)`")
    }
    for path in [paths.plainIdentity, paths.protectedIdentity] {
      guard let mode = mode(path) else { continue }
      Console.tell("warning: other users may read the identity (mode \(mode)): run `chmod 600 \(path)`")
    }
  }

  /// The mode of what is there, in octal, if it allows anything to others than its owner.
  private static func mode(_ path: String) -> String? {
    var status = stat()
    guard unsafe stat(path, &status) == 0, status.st_mode & 0o077 != 0 else { return nil }
    return String(status.st_mode & 0o777, radix: 8)
  }
}
