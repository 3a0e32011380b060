extension CommitObject {
  /// Reads a commit's bytes and refuses whatever is not the one encoding of its parts, as ``encode()`` writes it.
  ///
  /// - Throws: ``GitError/malformed(_:)`` for a missing, repeated or misplaced header, an unknown spelling, a NUL.
  package init(parsing bytes: [UInt8]) throws(GitError) {
    guard let commit = Self.parse(bytes), commit.encode() == bytes else { throw .malformed(.commit) }
    self = commit
  }

  private static func parse(_ bytes: [UInt8]) -> CommitObject? {
    // fsck: nulInHeader, nulInCommit.
    guard !bytes.contains(0) else { return nil }
    var rest = bytes[...]
    guard let tree = takeName("tree", from: &rest) else { return nil }
    var parents: [ObjectName] = []
    while let parent = takeName("parent", from: &rest) { parents.append(parent) }
    guard let author = takeLine("author", from: &rest).flatMap(Person.init(parsing:)),
      let committer = takeLine("committer", from: &rest).flatMap(Person.init(parsing:))
    else { return nil }
    var headers: [Header] = []
    var signature: [UInt8]?
    var signatureIndex: Int?
    while rest.first != UInt8(ascii: "\n") {
      guard let header = takeHeader(from: &rest) else { return nil }
      if header.name == signatureName {
        guard signature == nil else { return nil }
        signature = header.value
        signatureIndex = headers.count
      } else {
        headers.append(header)
      }
    }
    let reserved = ["tree", "parent", "author", "committer"].map { Array($0.utf8) }
    guard !headers.contains(where: { reserved.contains($0.name) }) else { return nil }
    var commit = CommitObject(
      tree: tree, parents: parents, author: author, committer: committer, message: Array(rest.dropFirst()),
      signature: signature, otherHeaders: headers)
    commit.signatureIndex = signatureIndex ?? headers.count
    return commit
  }

  private static func takeName(_ header: String, from rest: inout ArraySlice<UInt8>) -> ObjectName? {
    guard rest.starts(with: header.utf8) else { return nil }
    return takeLine(header, from: &rest).flatMap { ObjectName(hex: $0) }
  }

  private static func takeLine(_ header: String, from rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    let prefix = Array("\(header) ".utf8)
    guard rest.starts(with: prefix), let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    defer { rest = rest[(end + 1)...] }
    return rest[(rest.startIndex + prefix.count)..<end]
  }

  /// Takes one header with its continuation lines, which begin with a space.
  private static func takeHeader(from rest: inout ArraySlice<UInt8>) -> Header? {
    guard let space = rest.firstIndex(of: UInt8(ascii: " ")), space > rest.startIndex else { return nil }
    let name = Array(rest[..<space])
    guard !name.contains(UInt8(ascii: "\n")) else { return nil }
    var value: [UInt8] = []
    var start = space + 1
    while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
      value += rest[start..<end]
      guard end + 1 < rest.endIndex, rest[end + 1] == UInt8(ascii: " ") else {
        rest = rest[(end + 1)...]
        return Header(name: name, value: value)
      }
      value.append(UInt8(ascii: "\n"))
      start = end + 2
    }
    return nil
  }
}
