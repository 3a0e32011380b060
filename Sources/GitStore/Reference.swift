/// What a reference holds.
package enum Reference: Hashable, Sendable {
  /// The object it points to.
  case direct(ObjectName)
  /// The full name of another reference.
  case symbolic(String)

  /// The file's bytes.
  var encoded: [UInt8] {
    switch self {
    case .direct(let name): name.hexDigits + [UInt8(ascii: "\n")]
    case .symbolic(let target): Array("ref: \(target)\n".utf8)
    }
  }

  /// Reads a loose reference's bytes.
  init(parsing bytes: [UInt8]) throws(GitError) {
    var line = bytes[...]
    while let last = line.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: " ") { line = line.dropLast() }
    if line.starts(with: "ref:".utf8) {
      let target = String(decoding: line.dropFirst(4).drop { $0 == UInt8(ascii: " ") }, as: UTF8.self)
      guard ReferenceName.isAllowed(target) else { throw .malformedReference }
      self = .symbolic(target)
    } else {
      guard let name = ObjectName(hex: line) else { throw .malformedReference }
      self = .direct(name)
    }
  }
}
