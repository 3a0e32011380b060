internal import NIOCore
internal import Synchronization

/// Counts wrong tokens, so that nobody tries many: in all, and from one network.
final class JoinLimiter: Sendable {
  private struct State: Sendable {
    var start = NIODeadline.now()
    var total = 0
    var networks: [[UInt8]: Int] = [:]
  }

  private let state = Mutex(State())
  private let configuration: PeerConfiguration

  init(_ configuration: PeerConfiguration) { self.configuration = configuration }

  /// Whether a token from `network` is looked at.
  ///
  /// From one from which no wrong one has come always: else those who send wrong ones could keep others from joining.
  func allows(_ network: [UInt8]) -> Bool {
    state.withLock { state in
      if NIODeadline.now() - state.start >= TimeAmount(configuration.timing.joinWindow) { state = State() }
      guard let wrong = state.networks[network] else { return true }
      return state.total < configuration.wrongTokens && wrong < configuration.wrongTokensPerAddress
    }
  }

  /// A token was wrong.
  func failed(_ network: [UInt8]) {
    state.withLock { state in
      state.total += 1
      state.networks[network, default: 0] += 1
    }
  }
}
