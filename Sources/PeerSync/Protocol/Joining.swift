package import Vault

/// What a new member asks an inviter for.
///
/// Holds the token of a pairing code, so nothing prints it.
package struct JoinRequest: Hashable, Sendable {
  /// 16...32 bytes.
  package let token: [UInt8]
  /// The joiner's age recipient: `age1…`.
  package let recipient: String
  /// What the joiner calls itself, for people; at most 128 bytes.
  package let label: String
  /// Where the joiner listens; at most 8.
  package let addresses: [PeerAddress]

  package init(token: [UInt8], recipient: String, label: String, addresses: [PeerAddress]) {
    self.token = token
    self.recipient = recipient
    self.label = label
    self.addresses = addresses
  }
}

/// An inviter's answer.
package enum JoinAnswer: Hashable, Sendable {
  /// The node is a member now; `name` is what the inviter calls the vault.
  case joined(VaultID, name: String)
  case refused(JoinRefusal)
}

/// Why somebody may not join.
package struct JoinRefusal: Hashable, Sendable {
  package enum Code: UInt16, Hashable, Sendable {
    /// A reason that this version does not know.
    case other = 0
    /// No invitation has this token, or it belongs to another node.
    case unknownToken = 1
    case expired = 2
    /// Somebody joined with it already.
    case used = 3
    /// Too many wrong tokens came; try later.
    case tooManyAttempts = 4
    /// The inviter cannot admit anybody now.
    case unavailable = 5
  }

  package let code: Code
  /// One plain sentence for people; at most 512 bytes.
  package let sentence: String

  package init(_ code: Code, _ sentence: String) {
    self.code = code
    self.sentence = sentence
  }
}

/// Decides whether a node may join, and makes it a member; called on a session's thread, and may block.
package typealias JoinHandler = @Sendable (JoinRequest, NodeID) -> JoinAnswer
