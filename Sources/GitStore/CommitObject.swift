/// A git commit: its headers and message.
package struct CommitObject: Hashable, Sendable {
  /// A header that is none of git's first four nor the signature, such as `encoding`.
  package struct Header: Hashable, Sendable {
    package var name: [UInt8]
    /// The value, unfolded: a newline in it is a continuation line in the object.
    package var value: [UInt8]

    package init(name: String, value: [UInt8]) {
      self.name = Array(name.utf8)
      self.value = value
    }

    init(name: [UInt8], value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  package var tree: ObjectName
  package var parents: [ObjectName]
  package var author: Person
  package var committer: Person
  /// Headers between `committer` and the signature, then (see ``signatureIndex``) after it.
  package var otherHeaders: [Header]
  /// The `gpgsig` header's value, unfolded, without the newline that ends it.
  package var signature: [UInt8]?
  /// How many of ``otherHeaders`` stand before the signature.
  package var signatureIndex: Int
  /// The message, all bytes after the headers' empty line.
  package var message: [UInt8]

  package init(
    tree: ObjectName, parents: [ObjectName], author: Person, committer: Person, message: [UInt8],
    signature: [UInt8]? = nil, otherHeaders: [Header] = []
  ) {
    self.tree = tree
    self.parents = parents
    self.author = author
    self.committer = committer
    self.message = message
    self.signature = signature
    self.otherHeaders = otherHeaders
    signatureIndex = otherHeaders.count
  }

  /// The commit's bytes.
  ///
  /// The parts must be what git allows; that is the caller's duty, since a malformed commit would never verify.
  package func encode() -> [UInt8] { encode(signed: true) }

  /// The bytes that a signature covers: the commit without its `gpgsig` header.
  package var signedPayload: [UInt8] { encode(signed: false) }

  private func encode(signed: Bool) -> [UInt8] {
    precondition(author.isAllowed && committer.isAllowed, "a person's name and address have no bracket or newline")
    precondition(!message.contains(0), "a commit message has no NUL")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512 + message.count + (signature?.count ?? 0))
    func line(_ name: [UInt8], _ value: [UInt8]) {
      bytes += name
      bytes.append(UInt8(ascii: " "))
      for byte in value {
        bytes.append(byte)
        if byte == UInt8(ascii: "\n") { bytes.append(UInt8(ascii: " ")) }
      }
      bytes.append(UInt8(ascii: "\n"))
    }
    line(Array("tree".utf8), tree.hexDigits)
    for parent in parents { line(Array("parent".utf8), parent.hexDigits) }
    line(Array("author".utf8), author.encode())
    line(Array("committer".utf8), committer.encode())
    for index in 0...otherHeaders.count {
      if index == signatureIndex, signed, let signature { line(Self.signatureName, signature) }
      if index < otherHeaders.count { line(otherHeaders[index].name, otherHeaders[index].value) }
    }
    bytes.append(UInt8(ascii: "\n"))
    return bytes + message
  }

  static let signatureName = Array("gpgsig".utf8)
}
