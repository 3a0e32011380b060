internal import NIOCore
internal import Synchronization
package import Vault

/// A peer to keep connected: where it listens and, if that is known, who it is.
package struct PeerTarget: Hashable, Sendable {
  package let address: PeerAddress
  /// Nil: whoever answers there and shares a vault with us.
  package let node: NodeID?

  package init(address: PeerAddress, node: NodeID? = nil) {
    self.address = address
    self.node = node
  }
}

/// Keeps one target connected: dials, and dials again, ever less often, with random waits so that peers do not all come
/// back at once.
final class Dialer: Sendable {
  enum Phase: Sendable {
    case idle
    case connecting(dial: UInt64)
    /// By our connection, or by another to the same peer.
    case connected(Session)
    case waiting
    case stopped
  }

  private struct State: Sendable {
    var phase = Phase.idle
    var since = wallClock()
    /// Failures in a row.
    var failures = 0
    var lastError: PeerSyncError?
    var next: Scheduled<Void>?
  }

  let target: PeerTarget
  private let service: PeerService
  private let state = Mutex(State())

  init(_ target: PeerTarget, service: PeerService) {
    self.target = target
    self.service = service
  }

  var status: (phase: Phase, since: Int64, lastError: PeerSyncError?) {
    state.withLock { ($0.phase, $0.since, $0.lastError) }
  }

  /// Dials unless it is connected, connecting or stopped.
  func attempt() {
    let number = service.nextDial()
    let isDue = state.withLock { state in
      switch state.phase {
      case .idle, .waiting:
        state.next?.cancel()
        state.next = nil
        state.phase = .connecting(dial: number)
        state.since = wallClock()
        return true
      case .connecting, .connected, .stopped: return false
      }
    }
    guard isDue else { return }
    var dial = Dial(number: number, address: target.address, expected: target.node)
    dial.established = { [self] session in established(session) }
    dial.ended = { [self] error in ended(number, error) }
    service.dial(dial)
  }

  private func established(_ session: Session) {
    state.withLock { state in
      if case .stopped = state.phase { return }
      state.phase = .connected(session)
      state.since = wallClock()
      state.failures = 0
      state.lastError = nil
    }
  }

  private func ended(_ number: UInt64, _ error: PeerSyncError) {
    let isOurs = state.withLock { state in
      if case .connecting(number) = state.phase { return true }
      return false
    }
    if isOurs { retry(after: error, satisfiedBy: nil) }
  }

  /// A session has ended; `successor` goes on with the same peer.
  func lost(_ session: Session, _ error: PeerSyncError, successor: Session?) {
    let isOurs = state.withLock { state in
      switch state.phase {
      case .connected(let current): current === session
      case .connecting(let number): session.dial?.number == number
      case .idle, .waiting, .stopped: false
      }
    }
    if isOurs { retry(after: error, satisfiedBy: successor) }
  }

  private func retry(after error: PeerSyncError, satisfiedBy successor: Session?) {
    if let successor { return established(successor) }
    let failures = state.withLock { state in
      if case .stopped = state.phase { return nil as Int? }
      state.phase = .waiting
      state.since = wallClock()
      state.lastError = error
      state.failures += 1
      return state.failures
    }
    guard let failures else { return }
    let backoff = service.configuration.timing.backoff
    // Nothing will have changed soon at an address where we are ourselves.
    let power = error == .ourselves ? 30 : min(failures - 1, 30)
    let limit = min(backoff.upperBound, backoff.lowerBound * (1 << power) * 2)
    let nanoseconds = Int64.random(
      in: TimeAmount(backoff.lowerBound)
        .nanoseconds...max(
          TimeAmount(backoff.lowerBound).nanoseconds, TimeAmount(limit).nanoseconds))
    let next = service.schedule(after: .nanoseconds(nanoseconds)) { [weak self] in self?.attempt() }
    state.withLock { state in
      if case .waiting = state.phase { state.next = next } else { next?.cancel() }
    }
  }

  /// Whether it waits because the peer was no member when it was last reached.
  var isShunned: Bool {
    state.withLock { state in
      if case .waiting = state.phase { return state.lastError == .stranger }
      return false
    }
  }

  /// Dials at once if the peer was no member or we were not: that may have changed.
  func hurry() {
    let isWaiting = state.withLock { state in
      if case .waiting = state.phase { return state.lastError == .stranger || state.lastError == .closed }
      return false
    }
    if isWaiting { attempt() }
  }

  func stop() {
    state.withLock { state in
      state.phase = .stopped
      state.next?.cancel()
      state.next = nil
    }
  }
}
