internal import Age
internal import SecretMemory

/// An identity file under a passphrase: a stock age file to one scrypt recipient.
package struct ProtectedIdentity: Sendable {
  private let file: [UInt8]

  init(_ file: [UInt8]) { self.file = file }

  /// Opens it; takes about a second, by design.
  ///
  /// - Throws: ``VaultError/wrongPassphrase``, ``VaultError/identityMalformed``.
  package func identity(passphrase: SecretText) throws(VaultError) -> Identity {
    let text: WipedBuffer
    do {
      text = try passphrase.withBytes { bytes throws(AgeError) in
        unsafe try AgeFile.decrypt(file.span.bytes, with: [try ScryptIdentity(passphrase: bytes)])
      }
    } catch .wrongPassphrase {
      throw .wrongPassphrase
    } catch .memoryUnavailable {
      throw .memoryUnavailable
    } catch {
      throw .identityMalformed
    }
    return try text.withBytes { bytes throws(VaultError) in try IdentityFile.parse(try SecretText(copying: bytes)) }
  }

  /// The file of an identity's text under a passphrase.
  static func encrypt(_ text: SecretText, passphrase: SecretText) throws(VaultError) -> [UInt8] {
    do {
      return try passphrase.withBytes { key throws(AgeError) in
        let recipient = try ScryptRecipient(passphrase: key)
        return try text.withBytes { bytes throws(AgeError) in try AgeFile.encrypt(bytes, to: [recipient]) }
      }
    } catch {
      throw .memoryUnavailable
    }
  }
}
