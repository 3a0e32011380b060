internal import GitStore
internal import Vault

extension Session {
  /// Tells a dialler that no vault admits any more, for each vault that it announces and was removed from, that it was, and takes nothing.
  ///
  /// On the receiver's thread, before there is a sender; ended by the introduction's deadline at the latest.
  /// - Returns: What it asks for if it wants to join anew; nil once it was told all.
  func dismiss() throws(PeerSyncError) -> JoinRequest? {
    var (told, awaited): (Set<VaultID>, Int) = ([], 0)
    var isReady = false
    while !isReady || awaited > 0 {
      guard case .frame(let frame) = try connection.next() else { continue }
      switch frame {
      case .join(let request): return request
      case .announce(let id, let tips):
        guard told.count < Session.vaultLimit else { throw .violation(.tooMany) }
        if told.insert(id).inserted, try tell(id, tips) { awaited += 1 }
      case .ready: isReady = true
      case .updateResult: awaited -= 1
      // Whatever else it has to say to a member.
      default: continue
      }
    }
    return nil
  }

  /// Whether there was something to tell.
  private func tell(_ id: VaultID, _ tips: Tips) throws(PeerSyncError) -> Bool {
    guard let vault = service.vault(id), vault.hasRemoved(node) else { return false }
    let sink = FarewellSink(connection, id)
    do { try vault.farewell(to: node, have: tips, sink: sink) } catch let error as PeerSyncError { throw error } catch {
      // Of a repository that cannot be read there is nothing to tell.
      if sink.hasBegun, !sink.hasEnded { throw .closed }
    }
    return sink.hasEnded
  }
}

/// Sends one update without waiting for its answer.
private final class FarewellSink: UpdateSink {
  private let connection: Connection
  private let vault: VaultID
  private(set) var hasBegun = false
  private(set) var hasEnded = false

  init(_ connection: Connection, _ vault: VaultID) {
    self.connection = connection
    self.vault = vault
  }

  func begin(_ tips: [String: ObjectName]) throws {
    hasBegun = true
    try connection.sendPatiently(.updateBegin(vault, tips))
  }

  func chunk(_ bytes: [UInt8]) throws {
    for start in stride(from: 0, to: bytes.count, by: Frame.dataLimit) {
      let end = min(start + Frame.dataLimit, bytes.count)
      try connection.sendPatiently(.updateData([UInt8](bytes[start..<end])))
    }
  }

  func end() throws {
    try connection.sendPatiently(.updateEnd)
    hasEnded = true
  }
}
