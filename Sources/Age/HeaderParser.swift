internal import SecretMemory

/// Parses a v1 header line by line, strictly by the format's ABNF.
struct HeaderParser {
  private enum Expected {
    case versionLine
    case stanzaOrMAC
    case bodyLine(arguments: [[UInt8]], body: [UInt8])
    case nothing
  }

  /// The stanzas so far, in order.
  private(set) var stanzas: [Stanza] = []
  /// The MAC, once the header is complete.
  private(set) var mac = Bytes32(repeating: 0)

  private var expected = Expected.versionLine

  /// Bytes of the MAC line that the MAC does not cover: a space, 43 characters, a line feed.
  static let macSuffixByteCount = 45
  /// A longer header is refused, so that parsing takes bounded memory.
  ///
  /// The format sets no limit.
  static let byteCountLimit = 1 << 20

  /// Parses the header at the beginning of `file`.
  ///
  /// - Returns: The parser, complete, and the header's length in bytes.
  static func parse(
    beginningOf file: UnsafeRawBufferPointer
  ) throws(AgeError) -> (header: HeaderParser, byteCount: Int) {
    var parser = HeaderParser()
    var start = 0
    let searched = unsafe UnsafeRawBufferPointer(rebasing: file.prefix(byteCountLimit))
    while true {
      guard let end = unsafe searched.lineFeed(from: start) else {
        throw .malformedHeader(file.count > byteCountLimit ? .tooLong : .truncated)
      }
      let isComplete = try unsafe parser.take(line: searched.part(start, end - start))
      start = end + 1
      if isComplete { return (parser, start) }
    }
  }

  /// Takes the next line, without its line feed.
  ///
  /// - Returns: Whether it was the header's last.
  mutating func take(line: UnsafeRawBufferPointer) throws(AgeError) -> Bool {
    switch expected {
    case .versionLine:
      // version-line = %s"age-encryption.org/" version LF; version = 1*VCHAR
      let prefix: StaticString = "age-encryption.org/"
      guard unsafe line.begins(with: prefix) else { throw .malformedHeader(.versionLine) }
      let version = unsafe line.part(prefix.utf8CodeUnitCount, line.count - prefix.utf8CodeUnitCount)
      guard !(unsafe version.isEmpty), unsafe version.allSatisfy({ 33...126 ~= $0 }) else {
        throw .malformedHeader(.versionLine)
      }
      guard unsafe version.equals("v1") else { throw .unsupportedVersion }
      expected = .stanzaOrMAC
      return false
    case .stanzaOrMAC:
      if unsafe line.begins(with: "---") {
        try unsafe takeMAC(line)
        return true
      }
      expected = .bodyLine(arguments: try unsafe Self.arguments(of: line), body: [])
      return false
    case .bodyLine(let arguments, var body):
      expected = .nothing
      let isLast = try unsafe Self.append(bodyLine: line, to: &body)
      if isLast {
        stanzas.append(Stanza(checked: arguments, body: body))
        expected = .stanzaOrMAC
      } else {
        expected = .bodyLine(arguments: arguments, body: body)
      }
      return false
    case .nothing:
      preconditionFailure("the header has ended")
    }
  }

  // end = "--- " 43base64char LF
  private mutating func takeMAC(_ line: UnsafeRawBufferPointer) throws(AgeError) {
    guard unsafe line.begins(with: "--- "), line.count == 4 + 43 else { throw .malformedHeader(.macLine) }
    let count = unsafe withUnsafeMutableBytes(of: &mac) { unsafe Base64.decode(line.part(4, 43), into: $0) }
    guard count == 32 else { throw .malformedHeader(.macLine) }
    // header = v1-line 1*stanza end
    guard !stanzas.isEmpty else { throw .malformedHeader(.noStanza) }
    expected = .nothing
    // "An scrypt stanza, if present, MUST be the only stanza in the header."
    guard stanzas.count == 1 || !stanzas.contains(where: { $0.isOf(type: "scrypt") }) else {
      throw .malformedHeader(.scryptNotAlone)
    }
  }

  // arg-line = "-> " argument *(SP argument) LF; argument = 1*VCHAR
  private static func arguments(of line: UnsafeRawBufferPointer) throws(AgeError) -> [[UInt8]] {
    guard unsafe line.begins(with: "-> ") else { throw .malformedHeader(.stanzaLine) }
    var arguments: [[UInt8]] = []
    var start = 3
    for index in 3...line.count where index == line.count || (unsafe line[index] == UInt8(ascii: " ")) {
      let argument = unsafe line.part(start, index - start)
      guard !(unsafe argument.isEmpty), unsafe argument.allSatisfy({ 33...126 ~= $0 }) else {
        throw .malformedHeader(.stanzaLine)
      }
      unsafe arguments.append([UInt8](argument))
      start = index + 1
    }
    return arguments
  }

  // full-line = 64base64char LF; final-line = *63base64char LF. Returns whether it is the final one.
  private static func append(
    bodyLine line: UnsafeRawBufferPointer, to body: inout [UInt8]
  ) throws(AgeError) -> Bool {
    guard line.count <= Stanza.columnsPerLine else { throw .malformedHeader(.stanzaBody) }
    let isValid = unsafe withUnsafeTemporaryAllocation(byteCount: Stanza.bytesPerLine, alignment: 1) { decoded in
      guard let count = unsafe Base64.decode(line, into: decoded) else { return false }
      unsafe body.append(contentsOf: UnsafeRawBufferPointer(decoded).part(0, count))
      return true
    }
    guard isValid else { throw .malformedHeader(.stanzaBody) }
    return line.count < Stanza.columnsPerLine
  }
}
