import Foundation

/// An ssh server of our own on this machine, with a home directory for its visitors.
public final class SSHServer: Sendable {
  /// Has the host's keys `host` and `other`.
  public let directory: TemporaryDirectory
  /// Of loopback.
  public let port: UInt16
  /// What visitors have as HOME; the key `key` is let in.
  public var home: String { directory("home") }

  /// Starts it; needs root.
  public init() throws {
    directory = try TemporaryDirectory()
    port = try Self.freePort()
    try Program.check(["mkdir", "-p", directory("home/.ssh"), "/run/sshd"])
    for (path, type) in [("host", "ecdsa"), ("other", "ecdsa"), ("home/key", "ed25519")] {
      try Program.check(["ssh-keygen", "-q", "-t", type, "-N", "", "-f", directory(path)])
    }
    let configuration = """
      Port \(port)
      ListenAddress 127.0.0.1
      HostKey \(directory("host"))
      AuthorizedKeysFile \(directory("home/key.pub"))
      PermitRootLogin yes
      StrictModes no
      UsePAM no
      PasswordAuthentication no
      PidFile \(directory("pid"))
      """
    _ = try directory.write(Array((configuration + "\n").utf8), to: "config")
    // As a daemon: it closes the descriptor by which Foundation sees that a program has ended.
    try Program.check(["/usr/sbin/sshd", "-E", directory("log"), "-f", directory("config")])
    // It listens a moment after it was started.
    for _ in 0..<100 {
      if try !Program.run(["ssh-keyscan", "-T", "1", "-p", "\(port)", "127.0.0.1"]).output.isEmpty { return }
    }
    throw Program.Failure(description: "sshd does not answer")
  }

  deinit {
    let text = try? String(contentsOfFile: directory("pid"), encoding: .utf8)
    if let process = text.flatMap({ Int32($0.prefix { $0.isNumber }) }) { kill(process, SIGTERM) }
  }

  /// Tells visitors that the host's key is this one.
  public func trust(_ key: String) throws {
    let line = try String(contentsOfFile: directory("\(key).pub"), encoding: .utf8)
    try "[127.0.0.1]:\(port) \(line)".write(
      toFile: directory("home/.ssh/known_hosts"), atomically: true, encoding: .utf8)
  }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // SAFETY: a `sockaddr_in` is what both calls take for this family, and outlives them.
    let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        unsafe bind(descriptor, pointer, length) == 0 && getsockname(descriptor, pointer, &length) == 0
      }
    }
    guard status else { throw Program.Failure(description: "no free port") }
    return UInt16(bigEndian: address.sin_port)
  }
}
