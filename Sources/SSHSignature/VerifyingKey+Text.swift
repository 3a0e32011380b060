extension VerifyingKey {
  /// The key as a line of authorized_keys or a .pub file, without a newline: "ssh-ed25519 AAAA… comment".
  ///
  /// - Throws: ``SSHSignatureError/invalidName`` for a comment with control characters.
  public func publicKeyLine(comment: String = "") throws(SSHSignatureError) -> String {
    guard comment.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .invalidName }
    return comment.isEmpty ? typeAndKey : typeAndKey + " " + comment
  }

  /// Reads a line as ``publicKeyLine(comment:)`` writes it, with or without its newline.
  ///
  /// - Returns: The key and its comment, which is empty where the line has none.
  /// - Throws: ``SSHSignatureError/unsupportedKeyType``, ``SSHSignatureError/malformedKey``.
  public static func parse(publicKeyLine line: String) throws(SSHSignatureError) -> (key: VerifyingKey, comment: String)
  {
    var line = line[...]
    // Compared as bytes: "\r\n" is one Character.
    if line.utf8.last == UInt8(ascii: "\n") { line = line[..<line.utf8.index(before: line.utf8.endIndex)] }
    guard line.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .malformedKey }
    let fields = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count >= 2 else { throw .malformedKey }
    guard fields[0].elementsEqual(typeName.utf8) else { throw .unsupportedKeyType }
    let text = [UInt8](fields[1])
    guard let count = Base64.decodedCount(text.span, text.indices) else { throw .malformedKey }
    var isRight = false
    let blob = [UInt8](capacity: count) { (output: inout OutputSpan<UInt8>) in
      isRight = Base64.decode(text.span, text.indices, to: &output)
    }
    guard isRight else { throw .malformedKey }
    let key = try VerifyingKey(blob: blob.span, blob.indices)
    return (key, fields.count == 3 ? String(Substring(fields[2])) : "")
  }

  /// A line of an allowed signers file: `principal namespaces="git" ssh-ed25519 AAAA…`, without a newline.
  ///
  /// - Parameters:
  ///   - principal: Whom the key stands for: not empty, of printable ASCII without what patterns and quoting use.
  ///   - namespaces: What the key may sign, at least one; under the same rules.
  /// - Returns: The line.
  /// - Throws: ``SSHSignatureError/invalidName``.
  ///
  /// Source: ssh-keygen(1), "ALLOWED SIGNERS".
  public func allowedSignersLine(
    principal: String, namespaces: [String] = ["git"]
  ) throws(SSHSignatureError) -> String {
    guard !namespaces.isEmpty else { throw .invalidName }
    for name in [principal] + namespaces {
      // A line that starts with "#" is a comment.
      guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"\\,*?!#".utf8.contains($0) }) else {
        throw .invalidName
      }
    }
    return "\(principal) namespaces=\"\(namespaces.joined(separator: ","))\" \(typeAndKey)"
  }

  private var typeAndKey: String {
    let blob = blob
    let text = [UInt8](capacity: Base64.encodedCount(blob.count)) { (output: inout OutputSpan<UInt8>) in
      Base64.encode(blob.span, to: &output)
    }
    return VerifyingKey.typeName + " " + String(decoding: text, as: UTF8.self)
  }
}
