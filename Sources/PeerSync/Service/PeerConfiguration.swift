package import Vault

/// What a ``PeerService`` allows, and how long it waits.
package struct PeerConfiguration: Sendable {
  /// Durations of the protocol; tests shorten them.
  package struct Timing: Sendable {
    /// For a TCP connection to be made.
    package var connect: Duration = .seconds(10)
    /// From there until a peer has introduced itself: TLS, HELLO, and JOIN if it is no member.
    package var handshake: Duration = .seconds(10)
    /// For which a connection is not closed for a newer one, where there is no room for both.
    package var grace: Duration = .seconds(1)
    /// After so much silence of either side a PING is sent.
    package var ping: Duration = .seconds(15)
    /// After so much silence of the peer it is dead.
    package var silence: Duration = .seconds(45)
    /// The shortest and the longest wait before dialling again.
    package var backoff: ClosedRange<Duration> = .milliseconds(200) ... .seconds(60)
    /// How long to wait for a commit from its author, where another peer has it already.
    package var patience: Duration = .milliseconds(250)
    /// How long the peer from which a vault is being fetched may say nothing before another is asked, too.
    package var stall: Duration = .seconds(60)
    /// The same if what comes is slower than ``PeerConfiguration/leastRate``, measured over this time.
    package var pace: Duration = .seconds(15)
    /// The same if no branch of ours has moved by it, however much comes.
    package var fetch: Duration = .seconds(300)
    /// After which all who have news of the members are asked, if the first has not answered.
    package var hedge: Duration = .seconds(1)
    /// How long no further update to a peer is broken off for news of the members.
    package var abort: Duration = .seconds(60)
    /// After which is asked again for what the disk had no room for.
    package var room: Duration = .seconds(600)
    /// How long an update may take before its rate is looked at, and between two looks.
    package var updateWindow: Duration = .seconds(60)
    /// In which wrong tokens are counted.
    package var joinWindow: Duration = .seconds(60)

    package init() {}
  }

  /// Which way commits travel.
  package enum Direction: Hashable, Sendable {
    case both
    /// Only from us.
    case push
    /// Only to us.
    case pull
  }

  /// So many at once, and then so many a second.
  package struct Rate: Sendable {
    package var burst: Int
    package var perSecond: Int

    package init(burst: Int, perSecond: Int) {
      self.burst = burst
      self.perSecond = perSecond
    }
  }

  package var timing = Timing()
  package var direction = Direction.both
  /// Bytes a second below which a peer does not stay the only one that a vault is fetched from.
  package var leastRate = 64 << 10
  /// Bytes a second below which an update is given up: of a node that writes itself, and of one that only passes on.
  package var leastUpdateRate = (writers: 1 << 10, others: 4 << 10)
  /// Name and version of the program, for members; at most 64 bytes.
  package var program = "polykey"
  /// Where others reach us; empty: where we listen, as far as that is an address.
  package var advertised: [PeerAddress] = []
  /// Accepted connections at most: in all, and from one IPv4 address or IPv6 /64; what is said of one of these holds twice for an IPv6 /48.
  package var connections = 256
  package var connectionsPerAddress = 128
  /// Those of them whose peers have not introduced themselves yet.
  package var handshakes = 64
  package var handshakesPerAddress = 16
  /// Those of them that one node has made: its mounts, and the commands that it runs beside them.
  package var connectionsPerNode = 8
  /// How fast connections are accepted, in all and from one address; one that a member made does not count in the end.
  package var handshakeRate = Rate(burst: 400, perSecond: 100)
  package var handshakeRatePerAddress = Rate(burst: 100, perSecond: 5)
  /// Wrong tokens within ``Timing/joinWindow``: from one address, and in all.
  package var wrongTokensPerAddress = 5
  package var wrongTokens = 50

  package init() {}
}

/// What a ``PeerService`` reports; called on its threads, so each must return soon and none may stop the service.
package struct PeerEvents: Sendable {
  /// Branches of a vault moved, or were refused, by an update from a node.
  package var admitted: @Sendable (VaultID, NodeID, Admission) -> Void = { _, _, _ in }
  /// A node told where it listens; only of nodes that share a vault with us.
  package var learned: @Sendable (NodeID, [PeerAddress]) -> Void = { _, _ in }
  /// A connection to a node has ended that had got all that there was of these vaults.
  package var left: @Sendable (NodeID, [VaultID]) -> Void = { _, _ in }
  /// A connection was made or ended.
  package var changed: @Sendable () -> Void = {}
  /// A transfer goes on; for each frame of a pack, and once at its end.
  package var progressed: @Sendable (TransferProgress) -> Void = { _ in }

  package init() {}
}

/// How far an update has come.
package struct TransferProgress: Hashable, Sendable {
  package let vault: VaultID
  package let node: NodeID
  /// Whether it goes from us to the peer.
  package let isOutgoing: Bool
  /// Bytes of its pack so far.
  package let byteCount: UInt64
  /// Whether the peer, or we, have said what became of it.
  package let isComplete: Bool
}
