internal import SecretMemory

/// Reads armor as a stream, strictly: LF or CRLF, whitespace (at most 1 KiB) only before BEGIN and after END.
public struct ArmorDecoder: ~Copyable {
  private enum Expected {
    case begin
    case bodyOrEnd
    case end
    case whitespace
    case failed
  }

  private var expected = Expected.begin
  // The current line as far as it is there; never longer than `lineLimit`.
  private var line: [UInt8] = []
  private var whitespaceCount = 0

  private static let whitespaceLimit = 1024
  private static let lineLimit = 1024 + Armor.columnsPerLine

  /// A decoder of a text of which nothing is there yet.
  public init() {}

  /// Takes more of the text and appends the bytes of the file that are ready to `output`.
  ///
  /// - Throws: ``AgeError/malformedArmor(_:)``; afterwards the decoder is unusable.
  public mutating func push(_ text: RawSpan, into output: inout [UInt8]) throws(AgeError) {
    guard expected != .failed else { throw .unusable }
    do throws(AgeError) {
      let text = unsafe text.pointer
      var start = 0
      while start < text.count {
        if expected == .whitespace {
          try takeTrailing(unsafe text[start])
          start += 1
          continue
        }
        let lineFeed = unsafe text.lineFeed(from: start)
        let end = lineFeed ?? text.count
        guard line.count + (end - start) <= Self.lineLimit else { throw .malformedArmor(fault) }
        unsafe line.append(contentsOf: text.part(start, end - start))
        start = end
        if lineFeed != nil {
          start += 1
          try takeLine(into: &output)
        }
      }
    } catch {
      expected = .failed
      throw error
    }
  }

  /// Ends the text and appends the rest of the file's bytes to `output`.
  ///
  /// - Throws: ``AgeError/malformedArmor(_:)``.
  public consuming func finish(into output: inout [UInt8]) throws(AgeError) {
    guard expected != .failed else { throw .unusable }
    // Only the END line may lack its line end.
    if expected == .end || expected == .bodyOrEnd, !line.isEmpty { try takeLine(into: &output) }
    guard expected == .whitespace else { throw .malformedArmor(.truncated) }
  }

  /// The rule that the line at hand breaks if it is too long.
  private var fault: ArmorFault {
    switch expected {
    case .begin: .beginLine
    case .bodyOrEnd: .bodyLine
    case .end: .endLine
    case .whitespace, .failed: .trailingData
    }
  }

  private mutating func takeTrailing(_ character: UInt8) throws(AgeError) {
    whitespaceCount += 1
    guard Armor.isWhitespace(character), whitespaceCount < Self.whitespaceLimit else {
      throw .malformedArmor(.trailingData)
    }
  }

  private mutating func takeLine(into output: inout [UInt8]) throws(AgeError) {
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    defer { line.removeAll(keepingCapacity: true) }
    switch expected {
    case .begin:
      if line.allSatisfy(Armor.isWhitespace) {
        whitespaceCount += line.count + 1
        guard whitespaceCount <= Self.whitespaceLimit else { throw .malformedArmor(.beginLine) }
        return
      }
      guard isLine(Armor.begin) else { throw .malformedArmor(.beginLine) }
      whitespaceCount = 0
      expected = .bodyOrEnd
    case .bodyOrEnd:
      if isLine(Armor.end) {
        expected = .whitespace
        return
      }
      guard 1...Armor.columnsPerLine ~= line.count else { throw .malformedArmor(.bodyLine) }
      let count = unsafe withUnsafeTemporaryAllocation(byteCount: Armor.bytesPerLine, alignment: 1) { decoded in
        let line = unsafe line.span.bytes
        let count = unsafe Base64.decode(line.pointer, into: decoded, padded: true)
        if let count { unsafe output.append(contentsOf: UnsafeRawBufferPointer(decoded).part(0, count)) }
        return count
      }
      guard let count else { throw .malformedArmor(.bodyLine) }
      if count < Armor.bytesPerLine { expected = .end }
    case .end:
      guard isLine(Armor.end) else { throw .malformedArmor(.endLine) }
      expected = .whitespace
    case .whitespace, .failed:
      preconditionFailure("no line is expected")
    }
  }

  private func isLine(_ text: StaticString) -> Bool { unsafe line.withUnsafeBytes { unsafe $0.equals(text) } }
}
