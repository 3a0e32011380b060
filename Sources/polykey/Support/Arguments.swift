import Glibc
import Synchronization

/// The command line, byte for byte.
///
/// Names in a vault are bytes, but ArgumentParser takes text. So each byte that is not UTF-8 becomes a code point of its own in that text,
/// and ``bytes(of:)`` turns these back. Whatever asks for the bytes so is noted; ``requireUnderstood()`` refuses the rest.
enum Arguments {
  /// U+10FF00 and the byte, 0x80 or more; an argument that has these code points itself is turned into them byte by byte, too.
  private static let stand: UInt32 = 0x10_FF00

  private static let given = Mutex<[String]>([])
  private static let understood = Mutex<[[UInt8]]>([])

  /// The arguments after the program's name.
  ///
  /// The kernel's copy: Swift looks for its own beside the environment, and finds nothing if a preloaded library has moved that.
  static func read() -> [String] {
    let words = kernelArguments() ?? CommandLine.arguments.map { [UInt8]($0.utf8) }
    let texts = words.dropFirst().map(text)
    given.withLock { $0 = texts }
    return texts
  }

  private static func kernelArguments() -> [[UInt8]]? {
    let descriptor = unsafe open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    // Each ends with a NUL, also an empty one at the end.
    guard bytes.last == 0 else { return nil }
    return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
  }

  /// Text that has the bytes; what is not UTF-8 stands in it as code points of their own.
  static func text(_ bytes: [UInt8]) -> String {
    var text = String.UnicodeScalarView()
    for piece in Characters(bytes) {
      if let scalar = piece.scalar, !isStand(scalar) {
        text.append(scalar)
      } else {
        for byte in piece.bytes { if let scalar = Unicode.Scalar(stand + UInt32(byte)) { text.append(scalar) } }
      }
    }
    return String(text)
  }

  /// The bytes that ``text(_:)`` made into `text`.
  static func exactBytes(of text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      if isStand(scalar) {
        bytes.append(UInt8(scalar.value - stand))
      } else {
        bytes += Array(UTF8.encode(scalar) ?? .init())
      }
    }
    return bytes
  }

  /// The bytes of an argument, or of what follows `=` in one, by who can do with any bytes.
  static func bytes(of argument: String) -> [UInt8] {
    let bytes = exactBytes(of: argument)
    if argument.unicodeScalars.contains(where: isStand) { understood.withLock { $0.append(bytes) } }
    return bytes
  }

  /// Refuses arguments that are not UTF-8 where text is wanted: another file than the one named would be meant.
  static func requireUnderstood() throws {
    let understood = understood.withLock { $0 }
    for argument in given.withLock({ $0 }) where argument.unicodeScalars.contains(where: isStand) {
      let bytes = exactBytes(of: argument)
      guard understood.contains(where: { bytes.suffix($0.count).elementsEqual($0) }) else {
        throw Failure(.usage, "\(Quoted.text(bytes)): only paths in vaults may have other bytes than UTF-8")
      }
    }
  }

  /// What the system says, if it is UTF-8.
  ///
  /// - Throws: ``Failure`` that says that `what` is not.
  static func systemText(_ pointer: UnsafePointer<CChar>, _ what: String) throws -> String {
    guard let text = unsafe String(validatingCString: pointer) else {
      throw Failure(.usage, "\(what) has other bytes than UTF-8 in it: use another")
    }
    return text
  }

  private static func isStand(_ scalar: Unicode.Scalar) -> Bool { 0x10_FF80...0x10_FFFF ~= scalar.value }
}

/// The characters of bytes that may be UTF-8, and the bytes between them that are not.
struct Characters: Sequence, IteratorProtocol {
  private let bytes: [UInt8]
  private var position = 0
  private var parser = Unicode.UTF8.ForwardParser()
  private var iterator: [UInt8].Iterator

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    iterator = bytes.makeIterator()
  }

  /// The next character with its bytes; no character: bytes that are none.
  mutating func next() -> (scalar: Unicode.Scalar?, bytes: ArraySlice<UInt8>)? {
    let start = position
    switch parser.parseScalar(from: &iterator) {
    case .emptyInput: return nil
    case .error(let length):
      position += length
      return (nil, bytes[start..<position])
    case .valid(let encoded):
      position += encoded.count
      return (UTF8.decode(encoded), bytes[start..<position])
    }
  }
}
