import Foundation
import TestSupport
import Testing

@testable import Vault

/// Random networks of people with file systems: everything that a user can do, also to what lost, and everything that can happen to a machine.
///
/// Whatever happens: what a mount shows is what an independent reading of the repository shows, now, when all have talked to each other, and after
/// a restart; nobody makes another commit then; and each value that was written is there, or replaced by somebody who had seen it.
@Suite("Simulated users") struct UserSimulationTests {
  /// How many networks: POLYKEY_USER_SIMULATIONS, from POLYKEY_SEED on.
  private static var seeds: Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["POLYKEY_SEED"].flatMap { UInt64($0) } ?? 0
    return first..<(first + (environment["POLYKEY_USER_SIMULATIONS"].flatMap { UInt64($0) } ?? 100))
  }

  /// Why a schedule fails; nil if it does not.
  private static func fault(_ schedule: UserSchedule) -> String? {
    do {
      let world = try UserWorld(schedule)
      for step in schedule.steps {
        do { try world.play(step) } catch { throw UserWorld.Fault("\(error), at \(step)") }
      }
      try world.judge()
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Drops steps as long as it still fails: keys and names are random in each play, so each try has a few.
  private static func minimized(_ schedule: UserSchedule, until deadline: Date) -> UserSchedule {
    var schedule = schedule
    var length = max(1, schedule.steps.count / 2)
    while Date() < deadline {
      var start = 0
      var hasShrunk = false
      while start < schedule.steps.count, Date() < deadline {
        var shorter = schedule
        shorter.steps.removeSubrange(start..<min(start + length, schedule.steps.count))
        if (0..<3).contains(where: { _ in fault(shorter) != nil }) {
          (schedule, hasShrunk) = (shorter, true)
        } else {
          start += length
        }
      }
      if length == 1, !hasShrunk { break }
      length = max(1, length / 2)
    }
    return schedule
  }

  @Test(arguments: seeds)
  func `what mounts show is what the repositories say, and no value is lost`(seed: UInt64) throws {
    let schedule = UserSchedule(seed: seed)
    guard let fault = UserSimulationTests.fault(schedule) else { return }
    let minimal = UserSimulationTests.minimized(schedule, until: Date(timeIntervalSinceNow: 60))
    let again = UserSimulationTests.fault(minimal) ?? "this time it does not fail"
    let steps = minimal.steps.map { "  \($0)" }.joined(separator: "\n")
    Issue.record("seed \(seed): \(fault)\nwith \(minimal.roles) and these steps: \(again)\n\(steps)")
  }
}
