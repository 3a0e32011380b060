/// Why a key or a signature could not be read, made or accepted.
///
/// Carries no key, comment or content.
public enum SSHSignatureError: Error, Hashable, Sendable {
  /// A public key line or private key file that breaks its format.
  case malformedKey
  /// A key of another type than ssh-ed25519, or a file of several keys.
  case unsupportedKeyType
  /// A private key file under a passphrase; `ssh-keygen -p` removes it.
  case encryptedKey
  /// A signature that breaks its format.
  case malformedSignature
  /// A signature in a version, by a key type or with a hash that we do not verify.
  case unsupportedSignature
  /// A signature made for another purpose than the expected one.
  case wrongNamespace
  /// A signature by another key than the expected one.
  case wrongKey
  /// The signature is not one of this message.
  case signatureMismatch
  /// An empty namespace, or a name, principal or comment with a character that its line cannot hold.
  case invalidName
  /// Locked memory for a key could not be had, or libsodium could not be started.
  case secretMemoryUnavailable
}
