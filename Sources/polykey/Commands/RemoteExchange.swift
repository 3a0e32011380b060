import GitStore
import Vault

/// An exchange of a vault with one of its remotes.
struct RemoteExchange {
  private let vault: Vault
  private let known: KnownRemotes.Remote
  private let direction: DirectionOptions
  private let progress = ProgressLine()

  /// Others may change the repository between our look at it and our push.
  private static let attempts = 3

  init(_ vault: Vault, _ known: KnownRemotes.Remote, _ direction: DirectionOptions) {
    (self.vault, self.known, self.direction) = (vault, known, direction)
  }

  func run() throws {
    do {
      let remote = try open()
      var (verdict, outcomes) = try progress.during { try exchange(remote) }
      for _ in 1..<RemoteExchange.attempts where outcomes.values.contains(where: mayBeOvertaken) {
        let again = try progress.during { try exchange(remote) }
        let moved = verdict?.moved ?? [:]
        verdict = again.verdict
        verdict?.moved.merge(moved) { new, _ in new }
        outcomes.merge(again.outcomes) { old, new in old == .updated && new == .upToDate ? old : new }
      }
      try show(outcomes)
      if let verdict { try VerdictReport.show(verdict, from: known.name) }
    } catch VaultError.repository(.remote(let reason)) {
      throw Failure(.peer, "\(known.name): \(GitError.remote(reason).sentence)")
    }
  }

  private func open() throws -> RemoteRepository {
    do throws(GitError) {
      var remote = try RemoteRepository(at: known.address, from: vault.repository)
      remote.progressed = { [progress] in progress.note($0) }
      if known.address.hasPrefix("https://") { remote.access = UsersGit.access(to: known.address) }
      return remote
    } catch {
      throw VaultError.repository(error)
    }
  }

  private func exchange(_ remote: RemoteRepository) throws -> (verdict: Verdict?, outcomes: [String: PushOutcome]) {
    let exchange = VaultExchange(vault)
    let verdict = direction.push ? nil : try exchange.pull(from: remote)
    if verdict != nil { _ = try vault.redoLostActs() }
    return (verdict, direction.pull ? [:] : try exchange.push(to: remote, having: verdict))
  }

  /// Whether another look at the repository may help.
  private func mayBeOvertaken(_ outcome: PushOutcome) -> Bool {
    switch outcome {
    case .updated, .upToDate: false
    case .notFastForward: !direction.push
    case .rejected: true
    }
  }

  /// Tells what became of our branches there.
  private func show(_ outcomes: [String: PushOutcome]) throws {
    let sent = outcomes.count { $0.value == .updated && BranchName.acknowledging($0.key) == nil }
    if !outcomes.isEmpty { Console.tell("\(known.name): \(sent) \(sent == 1 ? "branch" : "branches") sent") }
    for (branch, outcome) in outcomes.sorted(by: { $0.key < $1.key }) {
      switch outcome {
      case .updated, .upToDate: break
      case .notFastForward:
        throw Failure(
          .damaged, "\(known.name): it has a \(branch) that is not known here: take it first, without --push")
      case .rejected(let reason): throw Failure(.peer, "\(known.name): refused \(branch): \(reason)")
      }
    }
  }
}
