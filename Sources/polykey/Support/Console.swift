import Glibc
import SecretMemory
import Synchronization
import Vault

/// Standard streams and the terminal.
enum Console {
  /// Whether a person can be asked.
  static var hasTerminal: Bool { isatty(0) == 1 && isatty(2) == 1 }

  /// One sentence on stderr.
  static func complain(_ sentence: String) { write(line: "polykey: \(sentence)", to: 2) }

  /// A line on stderr that is no error.
  static func tell(_ line: String) { write(line: line, to: 2) }

  static func print(_ line: String) { write(line: line, to: 1) }

  /// A piece of a line.
  enum Piece {
    case text(String)
    /// What others named, of any bytes.
    case name([UInt8])
  }

  /// A line with a path in it, which is quoted on a terminal where it could be mistaken; a program gets its bytes.
  static func print(path: [UInt8], _ rest: String = "") { print([.name(path), .text(rest)]) }

  static func print(_ pieces: [Piece]) {
    let isTerminal = isatty(1) == 1
    var line: [UInt8] = []
    for piece in pieces {
      switch piece {
      case .text(let text): line += [UInt8]((isTerminal ? harmless(text) : text).utf8)
      case .name(let name): line += isTerminal ? Quoted.forTerminal(name) : Quoted.forLines(name)
      }
    }
    write(line + [0x0A], to: 1)
  }

  private static func write(line: String, to descriptor: Int32) {
    if descriptor == 2 {
      ProgressLine.clear()
      MountLog.keepSmall()
    }
    write([UInt8]("\(isatty(descriptor) == 1 ? harmless(line) : line)\n".utf8), to: descriptor)
  }

  /// On a terminal, what others wrote must not move its cursor, nor turn its text.
  private static func harmless(_ line: String) -> String {
    func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
      "\n\t".unicodeScalars.contains(scalar) || Quoted.isHarmless(scalar)
    }
    if line.unicodeScalars.allSatisfy(isHarmless) { return line }
    return String(String.UnicodeScalarView(line.unicodeScalars.map { isHarmless($0) ? $0 : "?" }))
  }

  /// The errno of the first write to stdout that failed; 0: none did.
  private static let outputError = Atomic<Int32>(0)

  /// - Throws: ``Failure`` if not all that was printed has been written; who closed the pipe has seen enough.
  static func finishOutput() throws {
    let code = outputError.load(ordering: .relaxed)
    guard code != 0, code != EPIPE else { return }
    throw Failure(code == ENOSPC ? .noSpace : .failed, "cannot write to standard output: \(ErrorNumber.text(code))")
  }

  /// Writes all of `bytes`; false if the reader is gone or the disk is full.
  @discardableResult
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe write($0, to: descriptor) }
  }

  @discardableResult
  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
      let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        if descriptor == 1 { _ = outputError.compareExchange(expected: 0, desired: code, ordering: .relaxed) }
        return false
      }
      offset += count
    }
    return true
  }

  /// Asks for a passphrase on the terminal, without echo.
  static func passphrase(_ prompt: String) throws -> SecretText {
    let terminal = unsafe open("/dev/tty", O_RDWR | O_CLOEXEC)
    guard terminal >= 0 else { throw Failure(VaultError.passphraseNeeded) }
    defer { close(terminal) }
    var before = termios()
    guard unsafe tcgetattr(terminal, &before) == 0 else {
      throw Failure(.identity, "the terminal cannot hide what is typed: give --passphrase-file")
    }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO)
    let signals = HeldSignals()
    defer { signals.release() }
    unsafe tcsetattr(terminal, TCSAFLUSH, &silent)
    defer { unsafe tcsetattr(terminal, TCSAFLUSH, &before) }
    write([UInt8]("\(prompt): ".utf8), to: terminal)
    guard signals.waitForInput(on: terminal) else { throw Failure(.failed, "interrupted: nothing was changed") }
    let line = try readSecretLine(from: terminal)
    write([0x0A], to: terminal)
    return line
  }

  /// Bytes of the longest line that a terminal passes on; what is typed behind it is lost.
  private static let longestLine = 4094

  /// Asks twice for a secret of one line on the terminal, without echo.
  static func newSecret() throws -> SecretText {
    tell(
      "Type or paste one line; it is not shown. For more than a line, or a long one, use a file: polykey set … < FILE")
    let secret = try passphrase("Secret")
    guard secret.count > 0 else { throw Failure(.failed, "nothing was typed: nothing was changed") }
    guard secret.count <= longestLine else {
      throw Failure(.failed, "that is too long to be typed: give it on standard input; nothing was changed")
    }
    guard secret.hasSameBytes(as: try passphrase("The same again")) else {
      throw Failure(.failed, "the two differ: nothing was changed")
    }
    return secret
  }

  /// Reads a secret of at most 4,096 bytes up to the end of its first line.
  static func readSecretLine(from descriptor: Int32) throws -> SecretText {
    try readSecret(from: descriptor, limit: 4096, oneLine: true)
  }

  /// Reads a secret of at most `limit` bytes up to the end, or to the end of the first line; without a newline at its end.
  static func readSecret(from descriptor: Int32, limit: Int, oneLine: Bool = false) throws -> SecretText {
    var failure: Failure?
    let text = try unsafe SecretText(limit: limit) { bytes in
      var count = 0
      reading: while true {
        guard count < limit else {
          failure = Failure(.identity, "that is too long for a passphrase or phrase")
          return 0
        }
        // A line is read byte by byte, so that what follows it is left to others.
        let got = unsafe read(descriptor, bytes.baseAddress.map { unsafe $0 + count }, oneLine ? 1 : limit - count)
        if got < 0, errno == EINTR { continue }
        if got < 0 {
          failure = Failure(.failed, "cannot read the passphrase or phrase: \(ErrorNumber.text(errno))")
          return 0
        }
        count += got
        if got == 0 { break reading }
        let last = unsafe bytes[count - 1]
        if oneLine, last == 0x0A { break reading }
      }
      while count > 0, let last = unsafe bytes[..<count].last, last == 0x0A || last == 0x0D { count -= 1 }
      return count
    }
    if let failure { throw failure }
    return text
  }

  /// Reads all of stdin in pieces of at most 1 MiB.
  static func readInput(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let buffer = try WipedBuffer(uninitializedCount: 1 << 20)
    while true {
      var code: Int32 = 0
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        let count = unsafe read(0, bytes.baseAddress, bytes.count)
        code = errno
        return count
      }
      if count < 0 {
        if code == EINTR { continue }
        throw Failure(.failed, "cannot read standard input: \(ErrorNumber.text(code))")
      }
      if count == 0 { return }
      try unsafe buffer.withUnsafeBytes { try unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
  }
}

/// Texts of errno values.
enum ErrorNumber {
  /// What strerror(3) says, in lower case.
  static func text(_ code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    let sentence = unsafe String(cString: text)
    return sentence.prefix(1).lowercased() + sentence.dropFirst()
  }
}
