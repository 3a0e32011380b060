internal import NIOCore
internal import Synchronization
internal import Vault

/// Who is being asked for which vault: one session at a time for each, so that what several peers have comes once.
final class FetchLedger: Sendable {
  private struct Entry: Sendable {
    var session: Session
    var lastProgress: NIODeadline
    var waiting: [Session] = []
  }

  private let entries = Mutex<[VaultID: Entry]>([:])
  private let stall: TimeAmount

  init(stall: Duration) { self.stall = TimeAmount(stall) }

  /// Whether `session` may ask now; else it is called again, by a `check`, when its turn comes.
  func claim(_ vault: VaultID, _ session: Session) -> Bool {
    entries.withLock { entries in
      guard var entry = entries[vault] else {
        entries[vault] = Entry(session: session, lastProgress: .now())
        return true
      }
      entry.waiting.removeAll { $0 === session }
      if entry.session === session || entry.lastProgress + stall <= .now() {
        entry.session = session
        entry.lastProgress = .now()
      } else {
        entry.waiting.append(session)
      }
      entries[vault] = entry
      return entry.session === session
    }
  }

  /// Notes that what `session` was asked for is coming.
  func touch(_ vault: VaultID, _ session: Session) {
    entries.withLock { entries in
      if entries[vault]?.session === session { entries[vault]?.lastProgress = .now() }
    }
  }

  /// `session` has got what it asked for, or no longer wants to; the next may.
  func release(_ vault: VaultID, _ session: Session) {
    let next = entries.withLock { entries -> Session? in
      guard var entry = entries[vault] else { return nil }
      entry.waiting.removeAll { $0 === session }
      guard entry.session === session else {
        entries[vault] = entry
        return nil
      }
      guard !entry.waiting.isEmpty else {
        entries[vault] = nil
        return nil
      }
      entry.session = entry.waiting.removeFirst()
      entry.lastProgress = .now()
      entries[vault] = entry
      return entry.session
    }
    next?.connection.enqueue(.check(vault))
  }

  /// `session` has ended.
  func releaseAll(_ session: Session) {
    let vaults = entries.withLock { entries in [VaultID](entries.keys) }
    for vault in vaults { release(vault, session) }
  }
}
