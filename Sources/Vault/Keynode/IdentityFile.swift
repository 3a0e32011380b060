internal import Age
internal import Glibc
internal import SecretMemory

/// The keynode's identity on disk: a stock age identity file, in clear (0600) or under a passphrase.
package enum IdentityFile {
  /// What is on disk.
  package enum Stored {
    case plain(Identity)
    case protected(ProtectedIdentity)
  }

  /// Bytes of the largest identity file that is read.
  private static let limit = 1 << 16

  /// Reads the identity of the keynode at `paths`.
  ///
  /// - Throws: ``VaultError/keynodeMissing(path:)``, ``VaultError/identityMalformed``; ``GitError/notPlain`` if the keynode's `state` has links or
  ///   special files in it.
  package static func open(at paths: KeynodePaths) throws(VaultError) -> Stored {
    try Files.requirePlain(below: paths.state)
    if let bytes = try read(paths.protectedIdentity) { return .protected(ProtectedIdentity(bytes)) }
    guard let bytes = try read(paths.plainIdentity) else {
      throw .keynodeMissing(path: paths.home)
    }
    var text = bytes
    defer { unsafe text.withUnsafeMutableBytes { unsafe wipe($0) } }
    return unsafe .plain(try parse(try SecretText(copying: text.span.bytes)))
  }

  private static func read(_ path: String) throws(VaultError) -> [UInt8]? {
    do {
      return try Files.read(path, limit: limit)
    } catch {
      throw error == .io(EFBIG) ? .identityMalformed : error
    }
  }

  /// The identity in an age identity file's text, which must have exactly one.
  package static func parse(_ text: SecretText) throws(VaultError) -> Identity {
    let keys: [X25519Identity]
    do {
      keys = try text.withBytes { bytes throws(AgeError) in try KeyFile.identities(in: bytes) }
    } catch {
      throw .identityMalformed
    }
    guard keys.count == 1, let key = keys.first else { throw .identityMalformed }
    return try key.withSecret { bytes throws(VaultError) in
      do {
        return try Identity(secret: try SecretBytes(copying: bytes))
      } catch {
        throw .memoryUnavailable
      }
    }
  }

  /// The text of an identity file.
  package static func text(of identity: Identity) throws(VaultError) -> SecretText {
    do {
      let line = try identity.decryption.encoded()
      return try line.withBytes { bytes throws(VaultError) in try SecretText(copying: bytes) }
    } catch {
      throw .memoryUnavailable
    }
  }

  /// Writes the files of a new keynode; the identity in clear if `passphrase` is nil.
  ///
  /// - Throws: ``VaultError/keynodeExists(path:)``.
  package static func create(
    _ identity: Identity, label: String?, passphrase: SecretText?, at paths: KeynodePaths
  ) throws(VaultError) {
    try Files.makeDirectory(paths.home)
    // Of two that make it one is first, and the other finds it.
    let lock = try DirectoryLock(paths.home)
    defer { withExtendedLifetime(lock) {} }
    guard !Keynode.exists(at: paths) else { throw .keynodeExists(path: paths.home) }
    try Files.makeDirectory(paths.vaults)
    try Files.makeDirectory(paths.state)
    var text = ["node \(identity.node)", "ssh \(identity.publicKeyLine)", "age \(identity.recipient)"]
    if let label { text.append("label \(label)") }
    try Files.replace(paths.publicIdentity, with: [UInt8](text.map { "\($0)\n" }.joined().utf8), mode: 0o644)
    try write(identity, passphrase: passphrase, at: paths)
  }

  /// Puts the identity under another passphrase, or in clear; the old file is removed after the new one is on disk.
  package static func change(
    _ identity: Identity, passphrase: SecretText?, at paths: KeynodePaths
  ) throws(VaultError) {
    // Else one could remove the file that the other has just written, and the other that of the first.
    let lock = try DirectoryLock(paths.home)
    defer { withExtendedLifetime(lock) {} }
    try write(identity, passphrase: passphrase, at: paths)
    let stale = passphrase == nil ? paths.protectedIdentity : paths.plainIdentity
    // And what a killed process had written of it.
    for file in [stale, "\(stale).new"] where Files.exists(file) { try Files.remove(file) }
  }

  /// The label in `identity.pub`; nil if there is none.
  package static func label(at paths: KeynodePaths) throws(VaultError) -> String? {
    guard let bytes = try Files.read(paths.publicIdentity, limit: limit) else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("label ") {
      return String(line.dropFirst(6))
    }
    return nil
  }

  private static func write(
    _ identity: Identity, passphrase: SecretText?, at paths: KeynodePaths
  ) throws(VaultError) {
    let text = try text(of: identity)
    if let passphrase {
      try Files.replace(
        paths.protectedIdentity, with: try ProtectedIdentity.encrypt(text, passphrase: passphrase), mode: 0o600)
    } else {
      var failure: VaultError?
      unsafe text.withUnsafeBytes { bytes in
        do throws(VaultError) {
          try unsafe Files.replace(paths.plainIdentity, with: bytes, mode: 0o600)
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
    }
  }
}
