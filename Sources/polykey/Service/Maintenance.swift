import CLinux
import Glibc
import Synchronization
import Vault

/// Looks after vaults from time to time: signs that this node is alive and has accepted their members, and packs their loose objects, so that
/// git's own maintenance is never needed.
final class Maintenance: Sendable {
  private let vaults: @Sendable () -> [Vault]
  private let acknowledged: @Sendable (Vault) -> Void
  private let wakeUp: Int32
  private let isStopping = Atomic(false)

  /// Milliseconds between two looks.
  private static let interval: Int32 = 60_000

  /// Looks after what `vaults` gives at the time; `acknowledged` is told of one of which the members were acknowledged.
  init(
    _ vaults: @escaping @Sendable () -> [Vault], acknowledged: @escaping @Sendable (Vault) -> Void
  ) throws {
    self.vaults = vaults
    self.acknowledged = acknowledged
    wakeUp = clinux_event()
    guard wakeUp >= 0 else { throw Failure(.mount, "no event can be had: \(ErrorNumber.text(errno))") }
  }

  deinit { close(wakeUp) }

  /// Begins, on a thread of its own.
  func start() { BackgroundThread.start { [self] in run() } }

  /// Ends what is under way at its next step.
  func stop() {
    isStopping.store(true, ordering: .relaxed)
    var one: UInt64 = 1
    _ = unsafe write(wakeUp, &one, 8)
  }

  private func run() {
    while true {
      var stopping = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)]
      if unsafe poll(&stopping, 1, Maintenance.interval) > 0 { return }
      for vault in vaults() {
        do {
          if try vault.acknowledge() { acknowledged(vault) }
          try vault.consolidate { [self] in isStopping.load(ordering: .relaxed) }
        } catch {
          if isStopping.load(ordering: .relaxed) { return }
          Console.complain("a vault is not looked after: \(Failure(error).sentence)")
        }
      }
    }
  }
}
