import CLinux
import GitStore
import Glibc
import Synchronization
import Vault

/// The git that the user has, if any: asked for what its configuration says of a host, and for passwords.
///
/// It runs in `/`, so that no repository's own configuration has a say.
enum UsersGit {
  /// What a connection over https needs, as git itself would have it.
  static func access(to address: String) -> WebAccess {
    var access = WebAccess()
    access.authorities.file = setting("http.sslCAInfo", "GIT_SSL_CAINFO", address)
    access.authorities.directory = setting("http.sslCAPath", "GIT_SSL_CAPATH", address)
    access.passwords = GitPasswords(for: address)
    return access
  }

  private static func setting(_ name: String, _ variable: String, _ address: String) -> String? {
    if let value = Environment.all[variable], !value.isEmpty { return value }
    guard let output = run(["config", "--type=path", "--get-urlmatch", name, address]) else { return nil }
    let text = unsafe output.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    return text.isEmpty ? nil : text
  }

  /// Runs it with `input`, of at most a pipe's 64 KiB; what it printed, or nil if it is not there or failed.
  static func run(_ arguments: [String], input: [SecretText] = []) -> SecretText? {
    guard let standardInput = try? Pipe(), let standardOutput = try? Pipe() else { return nil }
    let null = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
    defer { close(null) }
    for text in input { _ = unsafe text.withUnsafeBytes { unsafe Console.write($0, to: standardInput.writer) } }
    standardInput.closeWriter()
    // On a terminal helpers may ask there; elsewhere our own sentence is all that is said.
    guard
      let child = try? Child(
        "git", ["-C", "/"] + arguments,
        descriptors: [standardInput.reader, standardOutput.writer, isatty(2) == 1 ? 2 : null])
    else { return nil }
    standardOutput.closeWriter()
    let output = try? Console.readSecret(from: standardOutput.reader, limit: 16_384)
    // It may still wait for a reader.
    if output == nil { kill(child.identifier, SIGTERM) }
    return child.wait() == 0 ? output : nil
  }
}

/// Passwords from git's credential helpers, or from the prompt of `git credential` on a terminal; asked for once in a process.
private final class GitPasswords: PasswordSource {
  private let address: String
  /// What `git credential` answered; nil before it was asked, or if it knows none.
  private let answer = Mutex<SecretText?>(nil)
  private let wasApproved = Atomic(false)

  init(for address: String) { self.address = address }

  func lend(to use: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Void) {
    if answer.withLock({ $0 == nil }) {
      guard let question = try? SecretText("url=\(address)\n\n") else { return }
      let new = UsersGit.run(["credential", "fill"], input: [question])
      answer.withLock { $0 = new }
    }
    answer.withLock { answer in
      guard let user = answer?.field("username"), let password = answer?.field("password") else { return }
      unsafe user.withUnsafeBytes { user in
        unsafe password.withUnsafeBytes { password in
          guard let user = unsafe user.bindMemory(to: CChar.self).baseAddress,
            let password = unsafe password.bindMemory(to: CChar.self).baseAddress
          else { return }
          unsafe use(user, password)
        }
      }
    }
  }

  func wasAccepted() {
    if !wasApproved.exchange(true, ordering: .relaxed) { tell("approve") }
  }

  func wasRefused() {
    tell("reject")
    answer.withLock { $0 = nil }
  }

  /// Helpers keep what was right, and forget what was wrong.
  private func tell(_ verdict: String) {
    guard let answer = answer.withLock({ $0 }), let end = try? SecretText("\n\n") else { return }
    _ = UsersGit.run(["credential", verdict], input: [answer, end])
  }
}

extension SecretText {
  /// A copy of what is no secret.
  fileprivate init(_ text: String) throws {
    let bytes = [UInt8](text.utf8)
    self = try unsafe SecretText(copying: bytes.span.bytes)
  }

  /// The value of the line `name=value`, with a NUL behind it; nil if there is none.
  fileprivate func field(_ name: String) -> SecretText? {
    let beginning = [UInt8]("\(name)=".utf8)
    return unsafe withUnsafeBytes { bytes in
      var start = 0
      while start < bytes.count {
        let end = unsafe bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        if unsafe bytes[start..<end].starts(with: beginning) {
          let value = unsafe UnsafeRawBufferPointer(rebasing: bytes[(start + beginning.count)..<end])
          return try? unsafe SecretText(limit: value.count + 1) { copy in
            unsafe copy.copyBytes(from: value)
            unsafe copy[value.count] = 0
            return value.count + 1
          }
        }
        start = end + 1
      }
      return nil
    }
  }
}
