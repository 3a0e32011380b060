import FuseMount
import Glibc
import Vault
import VirtualFS

/// Unmounts a directory: has everything stored, takes the mount away, and waits for its process or says who keeps it.
struct Unmounter {
  let directory: String
  let isLazy: Bool
  /// Whether changes that cannot be stored are given up.
  let discards: Bool
  private let paths: KeynodePaths
  private let record: MountRecord?

  init(_ directory: String, lazy: Bool, discards: Bool, at paths: KeynodePaths) {
    self.directory = directory
    isLazy = lazy
    self.discards = discards
    self.paths = paths
    record = MountRecord.all(of: paths).first { $0.directory == directory && $0.isAlive }
  }

  func run() throws {
    let follower = record.flatMap(MountRecord.Follower.init)
    let top = try? MountTable.topmost(at: directory)
    guard let top, top.isPolykey else { return try endDetached(follower) }
    let isStale = top.isStale
    if !discards, !isStale { try storeAll() }
    do {
      try Unmounting.unmount(directory, lazy: isLazy)
    } catch {
      guard case .busy = error else { throw Failure(.mount, "\(directory): \(error)") }
      let holders = EarlierMounts.holders(of: top.device, server: record?.process, besides: directory)
      let use = holders.isEmpty ? "in use" : "in use by \(holders)"
      throw Failure(.busy, "\(directory): \(use) (--lazy detaches it all the same)")
    }
    try waitForEnd(follower, device: top.device, isStale: isStale)
  }

  private func storeAll() throws {
    do {
      try Unmounting.storeAll(at: directory)
    } catch {
      guard case .notSaved(let cause) = error else { throw Failure(.mount, "\(directory): \(error)") }
      let failure = Failure(cause, "")
      throw Failure(
        failure.status,
        """
        \(directory): not unmounted, since changes could not be stored: \(failure.sentence); mend that or copy them elsewhere, or give \
        --discard to lose them
        """)
    }
  }

  /// What is asked for is mounted no more: what is left to do is to wait, or to tell why it lasts.
  private func endDetached(_ follower: MountRecord.Follower?) throws {
    guard let record, let follower, let condition = follower.condition else {
      throw Failure(.mount, "\(directory): \(MountError.notMounted)")
    }
    if case .covered = EarlierMounts.standing(of: record, condition) {
      throw Failure(.mount, "\(directory): something else is mounted over polykey: unmount that first")
    }
    try waitForEnd(follower, device: condition.device, isStale: false)
  }

  /// Milliseconds for which nobody may be found to hold a mount while its process does not begin to end.
  private static let patience = 3000

  /// Waits until the process has ended, or it is known that it does not.
  private func waitForEnd(_ follower: MountRecord.Follower?, device: String, isStale: Bool) throws {
    guard let record, let follower else { return }
    var waited = 0
    var isGivenUp = false
    while !follower.hasEnded {
      let condition = follower.condition ?? MountRecord.Condition()
      switch condition.phase {
      case .done: break
      case .ending:
        if let failure = condition.failure, !(discards && isGivenUp) {
          isGivenUp = true
          try giveUp(record, failure)
        }
      case .starting, .mounted:
        let holders = waited % 100 == 20 ? EarlierMounts.holders(of: device, server: record.process) : ""
        guard holders.isEmpty, waited < Unmounter.patience else {
          return Console.tell(
            """
            unmounted, and all is stored; but the mount is still in use by \
            \(holders.isEmpty ? "processes that you may not see" : holders), and process \(record.process) serves it until that ends
            """)
        }
      }
      usleep(2000)
      waited += 2
    }
    let condition = follower.condition ?? MountRecord.Condition()
    if let failure = condition.failure {
      if discards {
        for unsaved in MountRecord.unsaved(of: paths) where unsaved.record.process == record.process {
          unsaved.record.forget()
        }
        return Console.complain("changes are lost: \(failure.sentence)")
      }
      throw Failure(failure.status, "\(directory): unmounted, but changes could not be stored: \(failure.sentence)")
    }
    if condition.phase != .done, !isStale {
      throw Failure(.failed, "\(directory): the mount's process was ended before it had stored everything")
    }
  }

  /// The process keeps what it cannot store.
  private func giveUp(_ record: MountRecord, _ failure: Failure) throws {
    guard !discards else {
      // One signal asks for the end, a second for no more tries.
      for signal in [SIGTERM, SIGINT] { kill(record.process, signal) }
      return
    }
    throw Failure(
      failure.status,
      """
      \(directory): unmounted, but changes could not be stored: \(failure.sentence); process \(record.process) keeps them and goes on trying
      """)
  }
}
