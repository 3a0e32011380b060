internal import SecretMemory

/// ASCII armor: an age file as strict PEM (RFC 7468) text, for 7-bit channels.
public enum Armor {
  static let begin: StaticString = "-----BEGIN AGE ENCRYPTED FILE-----"
  static let end: StaticString = "-----END AGE ENCRYPTED FILE-----"
  static let bytesPerLine = 48
  static let columnsPerLine = 64

  /// Whether `bytes` begin, after whitespace, as an armored file does.
  public static func isArmored(_ bytes: RawSpan) -> Bool {
    let bytes = unsafe bytes.pointer
    guard let start = unsafe bytes.firstIndex(where: { !isWhitespace($0) }) else { return false }
    return unsafe bytes.part(start, bytes.count - start).begins(with: begin)
  }

  /// The armored form of `file`.
  public static func encode(_ file: RawSpan) -> [UInt8] {
    var encoder = ArmorEncoder()
    var text: [UInt8] = []
    encoder.push(file, into: &text)
    encoder.finish(into: &text)
    return text
  }

  /// The file in the armor `text`.
  ///
  /// - Throws: ``AgeError/malformedArmor(_:)``.
  public static func decode(_ text: RawSpan) throws(AgeError) -> [UInt8] {
    var decoder = ArmorDecoder()
    var file: [UInt8] = []
    try decoder.push(text, into: &file)
    try decoder.finish(into: &file)
    return file
  }

  static func isWhitespace(_ character: UInt8) -> Bool { character == 0x20 || 0x09...0x0D ~= character }
}

/// Writes armor as a stream.
public struct ArmorEncoder: ~Copyable {
  private var line: [UInt8] = []
  private var isBegun = false

  /// An encoder of a file of which nothing is there yet.
  public init() {}

  /// Takes more of the file and appends the text that is ready to `output`.
  public mutating func push(_ bytes: RawSpan, into output: inout [UInt8]) {
    begin(into: &output)
    var start = 0
    while start < bytes.byteCount {
      let taken = min(Armor.bytesPerLine - line.count, bytes.byteCount - start)
      line.append(bytes.extracting(start..<(start + taken)))
      start += taken
      if line.count == Armor.bytesPerLine { writeLine(into: &output) }
    }
  }

  /// Ends the file and appends the rest of the text to `output`.
  public consuming func finish(into output: inout [UInt8]) {
    begin(into: &output)
    if !line.isEmpty { writeLine(into: &output) }
    output.append(Armor.end)
    output.append(UInt8(ascii: "\n"))
  }

  private mutating func begin(into output: inout [UInt8]) {
    guard !isBegun else { return }
    isBegun = true
    output.append(Armor.begin)
    output.append(UInt8(ascii: "\n"))
  }

  private mutating func writeLine(into output: inout [UInt8]) {
    unsafe Base64.append(line.span.bytes, to: &output, padded: true)
    output.append(UInt8(ascii: "\n"))
    line.removeAll(keepingCapacity: true)
  }
}
