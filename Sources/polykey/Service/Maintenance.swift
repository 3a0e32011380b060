import CLinux
import Glibc
import Synchronization
import Vault

/// Packs the loose objects of mounted vaults from time to time, so that git's own maintenance is never needed.
final class Maintenance: Sendable {
  private let vaults: @Sendable () -> [Vault]
  private let wakeUp: Int32
  private let isStopping = Atomic(false)

  /// Milliseconds between two looks.
  private static let interval: Int32 = 60_000

  /// Looks after what `vaults` gives at the time.
  init(_ vaults: @escaping @Sendable () -> [Vault]) throws {
    self.vaults = vaults
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
          try vault.consolidate { [self] in isStopping.load(ordering: .relaxed) }
        } catch {
          if isStopping.load(ordering: .relaxed) { return }
          Console.complain("a vault's objects are not packed: \(Failure(error).sentence)")
        }
      }
    }
  }
}
