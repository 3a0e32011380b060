internal import CLinux
internal import Glibc
internal import SecretMemory

/// The identity in the kernel's user keyring (keyrings(7)), so that a passphrase is not asked for each time.
///
/// It is in kernel memory, for this user's processes only, and expires by itself.
package struct KernelKeyring {
  private let description: String

  /// The keyring entry of the keynode at `paths`.
  package init(_ paths: KeynodePaths) { description = "polykey:\(paths.home)" }

  /// Permissions of the key (keyctl_setperm(3)): all for the possessor; view, read, search and write for this user.
  private static let permissions: UInt32 = 0x3F0F_0000

  /// Keeps `identity` for `seconds`.
  package func store(_ identity: Identity, seconds: UInt32) throws(VaultError) {
    let key = identity.withSecret { secret in
      unsafe secret.withUnsafeBytes { bytes in
        unsafe clinux_add_user_key(description, bytes.baseAddress, bytes.count, Int32(KEY_SPEC_USER_KEYRING))
      }
    }
    guard key >= 0 else { throw .io(errno) }
    guard clinux_set_key_permissions(key, KernelKeyring.permissions) == 0, clinux_set_key_timeout(key, seconds) == 0
    else {
      let code = errno
      clinux_invalidate_key(key)
      throw .io(code)
    }
  }

  /// The identity that is kept; nil if there is none, or no keyring.
  package func identity() throws(VaultError) -> Identity? {
    guard let key else { return nil }
    do {
      var length = 0
      let secret = unsafe try SecretBytes(count: Identity.secretSize) { bytes in
        length = unsafe clinux_read_key(key, bytes.baseAddress, bytes.count)
      }
      guard length == Identity.secretSize else { return nil }
      return try Identity(secret: secret)
    } catch {
      throw .memoryUnavailable
    }
  }

  /// Forgets the identity; false if none was kept.
  package func forget() -> Bool {
    guard let key else { return false }
    return clinux_invalidate_key(key) == 0
  }

  private var key: Int32? {
    let key = unsafe clinux_search_user_key(Int32(KEY_SPEC_USER_KEYRING), description)
    return key >= 0 ? key : nil
  }
}
