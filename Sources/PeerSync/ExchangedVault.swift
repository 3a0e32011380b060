package import GitStore
package import Vault

/// A vault as it is exchanged with peers.
///
/// All calls may block (disk, signatures) and come from any thread, several at once, but never from an event loop.
package protocol ExchangedVault: AnyObject, Sendable {
  var vault: VaultID { get }

  /// Whether `node` may exchange this vault with us now: a member of whatever role.
  ///
  /// Asked for every announcement, question and update, so it should be answered from memory. For a vault that is still
  /// to be fetched, say true for whom it is fetched from.
  func admits(_ node: NodeID) -> Bool

  /// Whether `node` may write, and does not only pass on what others wrote; answered from memory, too.
  func isWriter(_ node: NodeID) -> Bool

  /// Whether this node is itself a member; if it was removed, nothing is exchanged.
  var isMember: Bool { get }

  /// Whether `node` was a member and is none now: it is told that, and no more; answered from memory, too.
  func hasRemoved(_ node: NodeID) -> Bool

  /// Passes on to a node that was removed the branch "members" up to the commit that removed it, as one update, or nothing if `have` says that
  /// it has that.
  ///
  /// - Throws: What `sink` throws, and what reading does.
  func farewell(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws

  /// The tips of our branches by short name: "members", "nodes/NODE-ID", "lost/COMMIT" and "acks/NODE-ID".
  ///
  /// - Throws: What reading the references does; the vault then sits out until it changes.
  func tips() throws(VaultError) -> [String: ObjectName]

  /// Passes on what a peer with the branches `have` lacks, as updates, oldest first: for each `begin` (the tips it leads
  /// to), then chunks of one git pack, then `end`.
  ///
  /// - Parameters:
  ///   - node: The peer.
  ///   - have: Its tips as it told them; of commits that we may not have, too.
  ///   - sink: Takes the updates; blocks while the network is slower than we are.
  /// - Throws: What `sink` throws, and what reading does.
  func outgoing(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws

  /// The same for the members' branches alone, "members" and "lost/COMMIT": one update, or none.
  func outgoingMembers(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws

  /// Takes one update from a peer: bytes of one git pack, then the tips; verified before anything moves.
  ///
  /// - Throws: Why none can be taken now; the peer is told only that.
  func receive(from node: NodeID) throws(VaultError) -> any UpdateReceiver
}

/// Where a vault passes on updates.
package protocol UpdateSink {
  /// Starts an update that leads to `tips`.
  func begin(_ tips: [String: ObjectName]) throws
  /// Passes on the next bytes of its pack, of any count.
  func chunk(_ bytes: [UInt8]) throws
  /// Ends it, and waits for what became of it; throws if the peer took none of it.
  func end() throws
}

/// Takes one update; dropped without ``finish(_:)`` if the connection breaks off, which must leave nothing behind.
package protocol UpdateReceiver: AnyObject {
  /// Bytes of objects that the pack has become so far.
  var inflated: Int { get }
  /// Takes the next bytes of the pack, at most 256 KiB.
  func feed(_ bytes: [UInt8]) throws(VaultError)
  /// Verifies what was fed and moves branches as far as that allows.
  func finish(_ tips: [String: ObjectName]) throws(VaultError) -> Admission
}

/// What became of an update: which branches moved, and which were refused and why (one plain sentence, no secret).
package struct Admission: Hashable, Sendable {
  package var moved: [String: ObjectName]
  package var refused: [String: String]
  /// Whether the sender lacks what made us refuse, so that it is sent all that it lacks now.
  ///
  /// The peer is not told.
  package var callsForAnswer = false

  package init(moved: [String: ObjectName] = [:], refused: [String: String] = [:]) {
    self.moved = moved
    self.refused = refused
  }
}
