package import Vault

/// What an inviter hands to a new member, by a channel they trust: `polykey:TOKEN.NODEID@HOST:PORT[,HOST:PORT…]`.
///
/// TOKEN is 16 random bytes, which admit once; NODEID is who must answer at the addresses. Both in lowercase base32
/// without padding: 26 and 52 characters. IPv6 addresses are in brackets.
package struct PairingCode: Hashable, Sendable {
  /// Bytes of a token.
  package static let tokenSize = 16
  /// Addresses in a code at most.
  package static let addressLimit = 8

  /// A part of a code, to say which one is wrong.
  package enum Part: Hashable, Sendable {
    /// It does not start with `polykey:`, or a separator is missing.
    case form
    case token
    case node
    case address
  }

  package let token: [UInt8]
  package let node: NodeID
  /// 1...8, in the order in which to try them.
  package let addresses: [PeerAddress]

  /// The code of these parts: a token of 16 bytes, 1...8 addresses with ports that are not 0.
  package init(token: [UInt8], node: NodeID, addresses: [PeerAddress]) {
    precondition(token.count == PairingCode.tokenSize, "a token has 16 bytes")
    precondition((1...PairingCode.addressLimit).contains(addresses.count), "a code has 1 to 8 addresses")
    self.token = token
    self.node = node
    self.addresses = addresses
  }

  /// The code that `text` writes; white space around it, which copying brings along, is ignored, and nothing else.
  ///
  /// - Throws: ``PeerSyncError/pairingCodeMalformed(_:)``.
  package init(_ text: some StringProtocol) throws(PeerSyncError) {
    var rest = Substring(text)
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    guard rest.hasPrefix("polykey:") else { throw .pairingCodeMalformed(.form) }
    rest.removeFirst("polykey:".count)
    guard let at = rest.firstIndex(of: "@"), let dot = rest[..<at].firstIndex(of: ".") else {
      throw .pairingCodeMalformed(.form)
    }
    guard let token = Base32.decode(rest[..<dot].utf8), token.count == PairingCode.tokenSize else {
      throw .pairingCodeMalformed(.token)
    }
    guard let node = NodeID(rest[rest.index(after: dot)..<at]) else { throw .pairingCodeMalformed(.node) }
    let parts = rest[rest.index(after: at)...].split(separator: ",", omittingEmptySubsequences: false)
    guard (1...PairingCode.addressLimit).contains(parts.count) else { throw .pairingCodeMalformed(.address) }
    var addresses: [PeerAddress] = []
    for part in parts {
      guard let address = try? PeerAddress(part), address.port != 0 else { throw .pairingCodeMalformed(.address) }
      addresses.append(address)
    }
    self.init(token: token, node: node, addresses: addresses)
  }

  /// The code as it is handed out: a secret until it is used or has expired.
  package var text: String {
    "polykey:\(Base32.encode(token)).\(node.text)@" + addresses.map(\.description).joined(separator: ",")
  }
}
