/// Where a peer listens: a host name or an IP address, and a TCP port.
package struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
  /// Characters in a host at most; DNS allows 253.
  static let hostLimit = 253
  /// Bytes of a written address at most.
  static let textLimit = hostLimit + 8

  /// A name, an IPv4 address, or an IPv6 address without brackets.
  package let host: String
  /// 0 only for listening: any free one.
  package let port: UInt16

  /// The address of these parts.
  ///
  /// - Throws: ``PeerSyncError/addressMalformed`` unless the host has 1...253 letters, digits, ".", "-", "_" or, of IPv6, ":" and "%".
  package init(host: String, port: UInt16) throws(PeerSyncError) {
    guard (1...PeerAddress.hostLimit).contains(host.utf8.count), host.utf8.allSatisfy(PeerAddress.isHostCharacter)
    else { throw .addressMalformed }
    self.host = host
    self.port = port
  }

  /// The address that `text` writes as `HOST:PORT` or `[IPV6]:PORT`.
  ///
  /// - Throws: ``PeerSyncError/addressMalformed``.
  package init(_ text: some StringProtocol) throws(PeerSyncError) {
    guard let colon = text.lastIndex(of: ":") else { throw .addressMalformed }
    let digits = text[text.index(after: colon)...]
    guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      digits.first != "0" || digits.utf8.count == 1,
      let port = UInt16(digits)
    else { throw .addressMalformed }
    var host = text[..<colon]
    if host.hasPrefix("[") {
      guard host.hasSuffix("]"), host.contains(":") else { throw .addressMalformed }
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw .addressMalformed
    }
    try self.init(host: String(host), port: port)
  }

  /// `HOST:PORT`, IPv6 in brackets.
  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whether it stands for all addresses of this machine, which is nothing to tell others.
  var isWildcard: Bool { host == "0.0.0.0" || host == "::" }

  private static func isHostCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: ":"), UInt8(ascii: "%"):
      true
    default: false
    }
  }
}
