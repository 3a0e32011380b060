import FuseMount
import Glibc
import Vault

/// The mounts that a keynode has already, as they are in the system's table and not as a file says.
enum EarlierMounts {
  /// What has become of a mount whose process lives.
  enum Standing {
    /// Its process is about to mount it.
    case starting
    /// It is at its directory, and served.
    case served
    /// It is dead at its directory, or its process stores what is left: it ends soon.
    case ending
    /// Its process cannot store what is left, and goes on trying.
    case unsaved(Failure)
    /// It is not seen at its directory, and is served all the same: something holds it.
    case detached
    /// Something else is mounted over it.
    case covered
  }

  /// What is to be done about a request.
  private enum Step {
    case mount
    case isThere
    case wait(_ isBrief: Bool)
  }

  /// Milliseconds that an end may take, and for which a mount that is not seen may have been unmounted a moment ago.
  private static let (patience, moment) = (60_000, 1000)

  /// Waits for earlier mounts that are about to end; returns whether just what is asked for is mounted, and works.
  ///
  /// - Throws: a ``Failure`` that says what is in the way, and what to do.
  static func isMounted(_ request: MountRequest, at paths: KeynodePaths) throws -> Bool {
    var waited = 0
    var unseen = 0
    while true {
      switch try step(request, isPatient: unseen < moment, at: paths) {
      case .mount: return false
      case .isThere: return true
      case .wait(let isBrief):
        if waited == moment { Console.tell("waiting for the process of an earlier mount to end") }
        guard waited < patience else {
          throw Failure(.mount, "\(request.directory): an earlier mount's process does not end: see `polykey status`")
        }
        usleep(10_000)
        waited += 10
        if isBrief { unseen += 10 }
      }
    }
  }

  /// One look at all records.
  private static func step(_ request: MountRequest, isPatient: Bool, at paths: KeynodePaths) throws -> Step {
    for record in MountRecord.all(of: paths) where record.concerns(request) {
      guard record.isAlive, let condition = record.condition else { continue }
      switch standing(of: record, condition) {
      case .served:
        try compare(record, request)
        return .isThere
      case .starting, .ending: return .wait(false)
      case .detached where isPatient, .unsaved where isPatient: return .wait(true)
      case .detached: throw failure(detached: record, condition)
      case .covered:
        throw Failure(.mount, "\(record.directory): something else is mounted over polykey: unmount that first")
      case .unsaved(let failure):
        throw Failure(
          failure.status,
          """
          the earlier mount at \(record.directory) still has changes that could not be stored (\(failure.sentence)); process \(record.process) \
          goes on trying: help it, or end it with kill \(record.process), and they are lost
          """)
      }
    }
    return .mount
  }

  static func standing(of record: MountRecord, _ condition: MountRecord.Condition) -> Standing {
    switch condition.phase {
    case .starting: return .starting
    case .done: return .ending
    case .ending: return condition.failure.map(Standing.unsaved) ?? .ending
    case .mounted: break
    }
    guard let top = try? MountTable.topmost(at: record.directory) else { return .detached }
    guard top.device != condition.device else {
      return top.isStale || isBeingKilled(record.process) ? .ending : .served
    }
    return MountTable.places(of: condition.device).contains(record.directory) ? .covered : .detached
  }

  /// Whether SIGKILL waits for the process: a thread of it may have answered all the same.
  private static func isBeingKilled(_ process: pid_t) -> Bool {
    guard let status = StateFile.read("/proc/\(process)/status") else { return false }
    return status.split(separator: "\n").contains { line in
      guard line.hasPrefix("SigPnd:") || line.hasPrefix("ShdPnd:") else { return false }
      let signals = UInt64(line.dropFirst(7).filter { !$0.isWhitespace }, radix: 16) ?? 0
      return signals & 1 << UInt64(SIGKILL - 1) != 0
    }
  }

  private static func compare(_ record: MountRecord, _ request: MountRequest) throws {
    guard record.directory == request.directory else {
      throw Failure(
        .mount,
        """
        \(record.vault.map { "the vault \($0) is" } ?? "all vaults are") mounted at \(record.directory) already, by process \
        \(record.process): unmount first, or use it there
        """)
    }
    guard record.vault == request.vault?.text else {
      throw Failure(.mount, "\(request.directory): something else of yours is mounted there: see `polykey status`")
    }
    guard record.summary == request.summary else {
      func words(_ summary: String) -> String { summary.isEmpty ? "without options" : "with \(summary)" }
      throw Failure(
        .mount,
        """
        \(request.directory): mounted already, but \(words(record.summary)), not \(words(request.summary)): unmount it first
        """)
    }
  }

  /// The mount is gone from its directory, and somebody still has it.
  private static func failure(detached record: MountRecord, _ condition: MountRecord.Condition) -> Failure {
    let holders = holders(of: condition.device, server: record.process)
    return Failure(
      .mount,
      """
      \(record.directory): an earlier mount was taken away there and is still in use\(holders.isEmpty ? "" : " by \(holders)"): end \
      what uses it, or end it with kill \(record.process), which stores everything
      """)
  }

  /// Who holds a mount, for people: where else it is mounted, then processes; empty if /proc tells of nobody.
  ///
  /// The mount at `directory` is not meant.
  static func holders(of device: String, server: pid_t?, besides directory: String? = nil) -> String {
    let places = MountTable.places(of: device).filter { $0 != directory }.map { "the mount at \($0)" }
    let processes = MountHolders.processes(of: device, besides: server).map { holder in
      "\(holder.name) (process \(holder.process)\(holder.way == .namespace ? ", in another mount namespace" : ""))"
    }
    // The shell that it was typed in is among the processes, unless it has become this one.
    let ours = processes.isEmpty && MountHolders.isWorkingDirectory(on: device)
    let all = places + processes + (ours ? ["the working directory of this command"] : [])
    let more = all.count - 8
    return all.prefix(8).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
  }
}

extension MountRecord {
  /// Whether it is in the way of what is asked for, or is it.
  fileprivate func concerns(_ request: MountRequest) -> Bool {
    directory == request.directory || vault == nil || request.vault == nil || vault == request.vault?.text
  }
}
