internal import GitStore
internal import Vault

/// The tips of a vault's branches by short name: "members", "nodes/NODE-ID", "lost/COMMIT", "acks/NODE-ID".
typealias Tips = [String: ObjectName]

/// One message of the protocol between peers.
///
/// Source: docs/sync.md, "Frames".
enum Frame: Hashable, Sendable {
  /// Who is there, and what it speaks; the first of each side.
  case hello(Hello)
  case ping(UInt64)
  case pong(UInt64)
  /// Everything that the sender shares has been announced once.
  case ready
  /// The sender has this vault up to these tips.
  case announce(VaultID, Tips)
  /// The sender has these tips, and asks for what it lacks.
  case want(VaultID, Tips)
  /// The sender has these tips of the members' branches, and asks for what it lacks of those alone.
  case wantMembers(VaultID, Tips)
  /// The answer to a ``want(_:_:)`` or ``wantMembers(_:_:)`` is complete: the sender has no more than these tips.
  case current(VaultID, Tips)
  /// An update of a vault starts, which leads to these tips.
  case updateBegin(VaultID, Tips)
  /// Bytes of its pack.
  case updateData([UInt8])
  case updateEnd
  /// The update will not be completed.
  case updateAbort
  /// What became of the update that was ended last.
  case updateResult(Admission)
  case join(JoinRequest)
  case joined(VaultID, name: String)
  case refused(JoinRefusal)

  /// How a node introduces itself.
  struct Hello: Hashable, Sendable {
    /// The newest version of the protocol that the sender speaks; 1 or more.
    var version: UInt16 = Hello.ownVersion
    /// 16 random bytes, the same as long as the sender's process runs: tells copies of a keynode apart.
    var instance: Instance
    /// Which of the sender's dialled connections this is, counted from 1; 0 from who accepted it.
    var dial: UInt64
    /// The sender's program and version, for people; empty for strangers.
    var program: String
    /// Where the sender listens; empty for strangers.
    var addresses: [PeerAddress]

    static let ownVersion: UInt16 = 1
  }

  /// The first byte of a frame after its length.
  enum Kind: UInt8, CaseIterable, Sendable {
    case hello = 0x01
    case ping = 0x02
    case pong = 0x03
    case ready = 0x04
    case announce = 0x10
    case want = 0x11
    case current = 0x12
    case wantMembers = 0x13
    case updateBegin = 0x20
    case updateData = 0x21
    case updateEnd = 0x22
    case updateAbort = 0x23
    case updateResult = 0x24
    case join = 0x30
    case joined = 0x31
    case refused = 0x32

    /// Bytes that a body has at most.
    var limit: Int {
      switch self {
      case .hello: 8 << 10
      case .ping, .pong: 8
      case .ready, .updateEnd, .updateAbort: 0
      case .announce, .want, .wantMembers, .current, .updateBegin, .updateResult: 1 << 20
      case .updateData: Frame.dataLimit
      case .join: 8 << 10
      case .joined, .refused: 1 << 10
      }
    }
  }

  /// Bytes of a length and a type.
  static let headerSize = 5
  /// Bytes of a pack in one frame at most.
  static let dataLimit = 256 << 10
  /// Branches in one frame at most.
  static let tipLimit = 4096
  /// Refused branches in one frame at most.
  static let refusalLimit = 1024
  /// Bytes of texts at most.
  static let programLimit = 64
  static let sentenceLimit = 512
  static let recipientLimit = 4096
  static let labelLimit = 128
  static let nameLimit = 128

  var kind: Kind {
    switch self {
    case .hello: .hello
    case .ping: .ping
    case .pong: .pong
    case .ready: .ready
    case .announce: .announce
    case .want: .want
    case .wantMembers: .wantMembers
    case .current: .current
    case .updateBegin: .updateBegin
    case .updateData: .updateData
    case .updateEnd: .updateEnd
    case .updateAbort: .updateAbort
    case .updateResult: .updateResult
    case .join: .join
    case .joined: .joined
    case .refused: .refused
    }
  }
}

/// A process of a node, as told apart from other processes with the same identity: 16 random bytes.
struct Instance: Hashable, Sendable, Comparable {
  let high: UInt64
  let low: UInt64

  static func random() -> Instance { Instance(high: .random(in: 0...(.max)), low: .random(in: 0...(.max))) }

  static func < (a: Instance, b: Instance) -> Bool { (a.high, a.low) < (b.high, b.low) }
}
