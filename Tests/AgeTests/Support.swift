import Age
import SecretMemory
import TestSupport

/// The age file of `plaintext`.
func encrypt(_ plaintext: [UInt8], to recipients: [any Recipient]) throws(AgeError) -> [UInt8] {
  try unsafe AgeFile.encrypt(plaintext.span.bytes, to: recipients)
}

/// The contents of the age file `file`.
func decrypt(_ file: [UInt8], with identities: [any Identity]) throws(AgeError) -> [UInt8] {
  try unsafe AgeFile.decrypt(file.span.bytes, with: identities).withBytes { unsafe [UInt8]($0.pointer) }
}

/// The first bytes of the contents of `file`.
func decryptPrefix(_ file: [UInt8], _ count: Int, with identities: [any Identity]) throws(AgeError) -> [UInt8] {
  try unsafe AgeFile.decryptPrefix(file.span.bytes, count: count, with: identities)
    .withBytes { unsafe [UInt8]($0.pointer) }
}

/// What a decryptor gives that is fed `file` in pieces of `step` bytes; the error it ends with, if any.
func stream(_ file: [UInt8], step: Int, with identities: [any Identity]) -> (plaintext: [UInt8], error: AgeError?) {
  var plaintext: [UInt8] = []
  do {
    var decryptor = try Decryptor(identities: identities)
    for start in stride(from: 0, to: file.count, by: step) {
      let piece = Array(file[start..<min(start + step, file.count)])
      try unsafe decryptor.push(piece.span.bytes) { unsafe plaintext.append(contentsOf: $0.pointer) }
    }
    try decryptor.finish { unsafe plaintext.append(contentsOf: $0.pointer) }
    return (plaintext, nil)
  } catch {
    return (plaintext, error as? AgeError)
  }
}

/// The age file that an encryptor makes that is fed `plaintext` in pieces of `step` bytes.
func streamEncrypt(_ plaintext: [UInt8], step: Int, to recipients: [any Recipient]) throws(AgeError) -> [UInt8] {
  var file: [UInt8] = []
  var encryptor = try Encryptor(PreparedHeader(to: recipients))
  for start in stride(from: 0, to: plaintext.count, by: step) {
    let piece = Array(plaintext[start..<min(start + step, plaintext.count)])
    unsafe encryptor.push(piece.span.bytes, into: &file)
  }
  encryptor.finish(into: &file)
  return file
}

extension X25519Identity {
  /// The identity as text, for programs beside ours.
  var text: String { get throws { try withEncoded { unsafe String(decoding: $0.pointer, as: UTF8.self) } } }

  /// The identity that `text` names.
  static func parse(_ text: String) throws(AgeError) -> X25519Identity {
    let bytes = [UInt8](text.utf8)
    return try unsafe X25519Identity(encoded: bytes.span.bytes)
  }
}

/// An identity of the passphrase `text`.
func passphraseIdentity(_ text: String, limit: Int = 22) throws(AgeError) -> ScryptIdentity {
  let bytes = [UInt8](text.utf8)
  return try unsafe ScryptIdentity(passphrase: bytes.span.bytes, logNLimit: limit)
}

/// A recipient of the passphrase `text`.
func passphraseRecipient(_ text: String, logN: Int = 4) throws(AgeError) -> ScryptRecipient {
  let bytes = [UInt8](text.utf8)
  return try unsafe ScryptRecipient(passphrase: bytes.span.bytes, logN: logN)
}

/// The armored form of `file`.
func armor(_ file: [UInt8]) -> [UInt8] { unsafe Armor.encode(file.span.bytes) }

/// The file in the armor `text`.
func unarmor(_ text: [UInt8]) throws(AgeError) -> [UInt8] { try unsafe Armor.decode(text.span.bytes) }

/// The error with which `decryptor` ends, if any.
func errorOfFinishing(_ decryptor: consuming Decryptor, emit: (RawSpan) throws -> Void = { _ in }) -> (any Error)? {
  do {
    try decryptor.finish(emit: emit)
    return nil
  } catch {
    return error
  }
}
