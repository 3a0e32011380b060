internal import SecretMemory

/// One recipient stanza of a header: the file key, wrapped for one recipient.
public struct Stanza: Hashable, Sendable {
  /// The arguments, at least one, each of 1 or more characters 33...126; the first is the type, such as `X25519`.
  public let arguments: [[UInt8]]

  /// The body, decoded; may be empty.
  public let body: [UInt8]

  /// A stanza of the given arguments and body.
  ///
  /// - Precondition: The arguments are as ``arguments`` says.
  public init(arguments: [[UInt8]], body: [UInt8]) {
    precondition(!arguments.isEmpty && arguments.allSatisfy { !$0.isEmpty && $0.allSatisfy { 33...126 ~= $0 } })
    self.init(checked: arguments, body: body)
  }

  init(checked arguments: [[UInt8]], body: [UInt8]) {
    self.arguments = arguments
    self.body = body
  }

  /// Whether the first argument is `name`.
  func isOf(type name: StaticString) -> Bool {
    unsafe arguments[0].withUnsafeBytes { unsafe $0.equals(name) }
  }

  /// Decodes argument `index` into `output`; false if it is not canonical base64 of exactly that many bytes.
  func decodeArgument(_ index: Int, into output: UnsafeMutableRawBufferPointer) -> Bool {
    unsafe arguments[index].withUnsafeBytes { unsafe Base64.decode($0, into: output) == output.count }
  }

  /// Appends the stanza as it stands in a header.
  func append(to header: inout [UInt8]) {
    header.append("->")
    for argument in arguments {
      header.append(UInt8(ascii: " "))
      header.append(contentsOf: argument)
    }
    header.append(UInt8(ascii: "\n"))
    let body = unsafe body.span.bytes
    var offset = 0
    while true {
      // "The body MUST end with a line shorter than 64 characters, which MAY be empty."
      let count = min(Self.bytesPerLine, body.byteCount - offset)
      Base64.append(body.extracting(offset..<(offset + count)), to: &header)
      header.append(UInt8(ascii: "\n"))
      offset += count
      if count < Self.bytesPerLine { break }
    }
  }

  /// Bytes of body in a full line of 64 columns.
  static let bytesPerLine = 48
  /// Characters in a full line.
  static let columnsPerLine = 64
}
