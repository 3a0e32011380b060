internal import SecretMemory

/// Files of identities or recipients: one to a line; blank lines and lines that begin with `#` are skipped.
public enum KeyFile {
  /// The identities in the bytes of an identity file, at least one.
  ///
  /// - Throws: ``AgeError/malformedKeyFile(line:_:)``, ``AgeError/noKeys``, ``AgeError/memoryUnavailable``.
  public static func identities(in file: RawSpan) throws(AgeError) -> [X25519Identity] {
    try parse(file) { (line) throws(AgeError) in try X25519Identity(encoded: line) }
  }

  /// The recipients in the bytes of a recipients file, at least one.
  ///
  /// - Throws: ``AgeError/malformedKeyFile(line:_:)``, ``AgeError/noKeys``.
  public static func recipients(in file: RawSpan) throws(AgeError) -> [X25519Recipient] {
    try parse(file) { (line) throws(AgeError) in try X25519Recipient(encoded: line) }
  }

  private static func parse<Key>(
    _ file: RawSpan, _ parseLine: (RawSpan) throws(AgeError) -> Key
  ) throws(AgeError) -> [Key] {
    let bytes = unsafe file.pointer
    var keys: [Key] = []
    var number = 0
    var start = 0
    while start < bytes.count {
      let next = unsafe bytes.lineFeed(from: start) ?? bytes.count
      var end = next
      if end > start, unsafe bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      number += 1
      if end > start, unsafe bytes[start] != UInt8(ascii: "#") {
        do throws(AgeError) {
          keys.append(try parseLine(file.extracting(start..<end)))
        } catch .malformedKey(let fault) {
          throw .malformedKeyFile(line: number, fault)
        }
      }
      start = next + 1
    }
    guard !keys.isEmpty else { throw .noKeys }
    return keys
  }
}
