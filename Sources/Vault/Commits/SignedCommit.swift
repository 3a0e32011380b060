internal import GitStore
internal import SSHSignature

/// A commit that a node signs: the only kind that a vault's branches have.
struct SignedCommit {
  var tree: ObjectName
  var parents: [ObjectName]
  var message: [UInt8]
  /// Seconds since 1970; the commit is dated in UTC.
  var time: Int64

  /// The namespace of git's SSH signatures; gpg.format=ssh in git-config(1).
  static let namespace = "git"

  /// Encodes and signs the commit; the signature covers every byte but the `gpgsig` header itself.
  func object(signedBy identity: Identity) throws(VaultError) -> NewObject {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(1024)
    bytes.append(contentsOf: "tree ".utf8)
    bytes.append(contentsOf: tree.hexDigits)
    for parent in parents {
      bytes.append(contentsOf: "\nparent ".utf8)
      bytes.append(contentsOf: parent.hexDigits)
    }
    let date = "\(time) +0000".utf8
    for header in ["\nauthor ", "\ncommitter "] {
      bytes.append(contentsOf: header.utf8)
      bytes.append(contentsOf: identity.person)
      bytes.append(contentsOf: date)
    }
    bytes.append(0x0A)
    let headerEnd = bytes.count
    bytes.append(0x0A)
    bytes.append(contentsOf: message)
    let signature = try identity.sign(bytes, namespace: SignedCommit.namespace)
    var header = [UInt8]("gpgsig ".utf8)
    header.reserveCapacity(signature.count + 16)
    // Each line but the first of a header begins with a space; the signature's own last newline ends it.
    for line in signature.split(separator: 0x0A) {
      if header.count > 7 { header.append(0x20) }
      header.append(contentsOf: line)
      header.append(0x0A)
    }
    bytes.insert(contentsOf: header, at: headerEnd)
    return NewObject(kind: .commit, bytes: bytes)
  }

  /// The e-mail address in a node's commits, which is its principal in an allowed-signers file.
  static func principal(of node: NodeID) -> String { "\(node)@polykey" }
}
