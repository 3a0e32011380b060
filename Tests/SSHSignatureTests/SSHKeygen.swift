import Foundation
import SSHSignature
import TestSupport

/// A key, its files on disk for OpenSSH's programs, and those programs.
struct SSHKeygen {
  let directory: TemporaryDirectory
  let key: SigningKey

  /// Writes the files of the key of `seed`: "key" and "signers", for the principal "me" and any namespace.
  init(seed: UInt8 = 1) throws {
    directory = try TemporaryDirectory()
    key = try unsafe SigningKey(seed: [UInt8](repeating: seed, count: 32).span.bytes)
    try writeKey(key.withPrivateKeyFile(comment: "a comment") { text in text.indices.map { text[$0] } }, to: "key")
    let line = try key.verifyingKey.allowedSignersLine(principal: "me@host", namespaces: ["git", "file", "x-y.z"])
    _ = try directory.write(Array((line + "\n").utf8), to: "signers")
  }

  /// Writes a private key file with the mode that OpenSSH insists on.
  func writeKey(_ text: [UInt8], to name: String) throws {
    let path = try directory.write(text, to: name)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
  }

  /// What `ssh-keygen -Y sign` makes of `message`.
  func sign(_ message: [UInt8], namespace: String, options: [String] = []) throws -> [UInt8] {
    try Program.check(
      ["ssh-keygen", "-Y", "sign", "-f", directory("key"), "-n", namespace] + options, input: message
    ).output
  }

  /// Whether `ssh-keygen -Y verify` accepts the signature.
  func verifies(_ signature: [UInt8], of message: [UInt8], namespace: String) throws -> Bool {
    let path = try directory.write(signature, to: "signature")
    let program = try Program.run(
      ["ssh-keygen", "-Y", "verify", "-f", directory("signers"), "-I", "me@host", "-n", namespace, "-s", path],
      input: message)
    return program.status == 0
  }
}
