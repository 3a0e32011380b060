internal import NIOCore
internal import Synchronization
internal import Vault

/// Who is being asked for which vault.
///
/// For data one session at a time, so that what several peers have comes once. It stays the only one while bytes come, fast enough, and branches
/// move within a time by them; then the next is asked, too. News of the members waits for no data: the first who has it is asked at once, and
/// a moment later everybody else who has it.
final class FetchLedger: Sendable {
  /// What a session may do now.
  enum Answer: Sendable {
    case all
    /// Ask for the members' branches alone, as another is being asked for the rest.
    case members
    /// Ask nothing. Look again after this time; it is told, by a `check`, if its turn comes before.
    case later(Duration)
  }

  /// The one that is asked for a vault.
  private struct Claim: Sendable {
    let session: Session
    /// Since when no branch has moved by it.
    var start: NIODeadline
    var lastByte: NIODeadline
    /// The time over which the rate is measured, and the bytes in it.
    var windowStart: NIODeadline
    var byteCount = 0
    /// Whether it was too slow in the last full window.
    var wasSlow = false

    init(_ session: Session, at now: NIODeadline) {
      self.session = session
      (start, lastByte, windowStart) = (now, now, now)
    }
  }

  private struct Entry: Sendable {
    var claim: Claim?
    var waiting: [Session] = []
    /// Who is being asked for news of the members, since when.
    var askedForMembers: [(session: Session, since: NIODeadline)] = []
    var waitingForMembers: [Session] = []

    var isEmpty: Bool { claim == nil && waiting.isEmpty && askedForMembers.isEmpty && waitingForMembers.isEmpty }

    mutating func forget(_ session: Session) {
      waiting.removeAll { $0 === session }
      waitingForMembers.removeAll { $0 === session }
    }
  }

  private let entries = Mutex<[VaultID: Entry]>([:])
  private let stall, pace, limit, hedge: TimeAmount
  private let leastRate: Double
  private let now: @Sendable () -> NIODeadline

  init(_ configuration: PeerConfiguration, now: @escaping @Sendable () -> NIODeadline = { .now() }) {
    stall = TimeAmount(configuration.timing.stall)
    pace = TimeAmount(configuration.timing.pace)
    limit = TimeAmount(configuration.timing.fetch)
    hedge = TimeAmount(configuration.timing.hedge)
    leastRate = Double(configuration.leastRate)
    self.now = now
  }

  /// What `session` may ask for; `ofMembers`: its peer has news of the members.
  func claim(_ vault: VaultID, _ session: Session, ofMembers: Bool) -> Answer {
    let now = now()
    return entries.withLock { entries in
      var entry = entries[vault] ?? Entry()
      defer { entries[vault] = entry }
      entry.forget(session)
      if entry.claim.map({ $0.session === session || isLost($0, at: now) }) ?? true {
        entry.claim = Claim(session, at: now)
        if ofMembers { entry.askedForMembers.append((session, now)) }
        return .all
      }
      entry.waiting.append(session)
      let turn = entry.claim.map { timeLeft($0, at: now) } ?? hedge
      guard ofMembers else { return .later(.nanoseconds(turn.nanoseconds)) }
      if let first = entry.askedForMembers.first(where: { $0.since + hedge > now }) {
        entry.waitingForMembers.append(session)
        return .later(.nanoseconds(min(turn, first.since + hedge - now).nanoseconds))
      }
      entry.askedForMembers.append((session, now))
      return .members
    }
  }

  /// Notes that so many bytes of what `session` was asked for have come.
  func touch(_ vault: VaultID, _ session: Session, byteCount: Int) {
    let now = now()
    entries.withLock { entries in
      guard var claim = entries[vault]?.claim, claim.session === session else { return }
      claim.lastByte = now
      if now - claim.windowStart >= pace {
        claim.wasSlow = isSlow(claim, at: now)
        (claim.windowStart, claim.byteCount) = (now, 0)
      }
      claim.byteCount += byteCount
      entries[vault]?.claim = claim
    }
  }

  /// A branch has moved by what `session` was asked for.
  func progressed(_ vault: VaultID, _ session: Session) {
    let now = now()
    entries.withLock { entries in
      if entries[vault]?.claim?.session === session { entries[vault]?.claim?.start = now }
    }
  }

  /// `session` has got what it asked for, or no longer wants to; the next may.
  func release(_ vault: VaultID, _ session: Session) {
    let now = now()
    let next = entries.withLock { entries -> [Session] in
      guard var entry = entries[vault] else { return [] }
      entry.forget(session)
      var next: [Session] = []
      if entry.claim?.session === session {
        entry.claim = nil
        if !entry.waiting.isEmpty {
          let heir = entry.waiting.removeFirst()
          entry.claim = Claim(heir, at: now)
          next.append(heir)
        }
      }
      let count = entry.askedForMembers.count
      entry.askedForMembers.removeAll { $0.session === session }
      if entry.askedForMembers.count < count { next += entry.waitingForMembers.filter { $0 !== next.first } }
      entries[vault] = entry.isEmpty ? nil : entry
      return next
    }
    for session in next { session.connection.enqueue(.check(vault)) }
  }

  /// `session` has ended.
  func releaseAll(_ session: Session) {
    let vaults = entries.withLock { entries in [VaultID](entries.keys) }
    for vault in vaults { release(vault, session) }
  }

  /// Who is asked for a vault, and keeps others waiting.
  func asked(for vault: VaultID) -> NodeID? { entries.withLock { $0[vault]?.claim?.session.node } }

  // MARK: how long one is the only one

  private func isLost(_ claim: Claim, at now: NIODeadline) -> Bool {
    now - claim.lastByte >= stall || now - claim.start >= limit || claim.wasSlow
      || now - claim.windowStart >= pace && isSlow(claim, at: now)
  }

  private func isSlow(_ claim: Claim, at now: NIODeadline) -> Bool {
    Double(claim.byteCount) * 1e9 < leastRate * Double((now - claim.windowStart).nanoseconds)
  }

  /// Until it is to be looked at again; at least a millisecond.
  private func timeLeft(_ claim: Claim, at now: NIODeadline) -> TimeAmount {
    let windowEnd = claim.windowStart + pace
    let ends = [claim.lastByte + stall, claim.start + limit, windowEnd > now ? windowEnd : now + pace]
    return max(.milliseconds(1), (ends.min() ?? now) - now)
  }
}
