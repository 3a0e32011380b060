import CLinux
import Glibc
import PeerSync
import Synchronization
import Vault

/// What `polykey peers` shows of a process: a file in the keynode's state, written anew when something changes, and gone with the process.
///
/// The first line has the addresses where the process listens; then one line a peer, its fields separated by tabs.
final class PeerReport: Sendable {
  private let paths: KeynodePaths
  private let path: String
  private let wakeUp: Int32
  /// What a vault is called here.
  private let name: @Sendable (VaultID) -> String?
  private let isStopping = Atomic(false)
  private let isRunning = Atomic(false)

  /// Milliseconds between two reports, at most and at least.
  private static let (pause, rest): (Int32, useconds_t) = (2000, 100_000)

  init(at paths: KeynodePaths, name: @escaping @Sendable (VaultID) -> String?) {
    self.paths = paths
    self.name = name
    path = "\(PeerReport.folder(paths))/\(getpid())"
    wakeUp = clinux_event()
  }

  deinit { close(wakeUp) }

  private static func folder(_ paths: KeynodePaths) -> String { "\(paths.state)/peers" }

  func start(_ service: PeerService) {
    unsafe mkdir(paths.state, 0o700)
    unsafe mkdir(PeerReport.folder(paths), 0o700)
    isRunning.store(true, ordering: .relaxed)
    write(service)
    BackgroundThread.start { [self] in
      while !isStopping.load(ordering: .relaxed) {
        var polled = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)]
        _ = unsafe poll(&polled, 1, PeerReport.pause)
        var count: UInt64 = 0
        if polled[0].revents != 0 { _ = unsafe read(wakeUp, &count, 8) }
        if isStopping.load(ordering: .relaxed) { break }
        write(service)
        // A busy exchange is told of ten times a second.
        usleep(PeerReport.rest)
      }
    }
  }

  /// Something changed.
  func wake() {
    var one: UInt64 = 1
    _ = unsafe Glibc.write(wakeUp, &one, 8)
  }

  func stop() {
    isStopping.store(true, ordering: .relaxed)
    wake()
    unsafe unlink(path)
  }

  private func write(_ service: PeerService) {
    let listening = service.listening.flatMap(LocalAddresses.reachable).map(\.description)
    var lines = ["listening " + listening.joined(separator: " ")]
    for peer in service.peers { lines.append(PeerLine(peer, name: name).text) }
    // Only a report: the next one is due soon.
    try? StateFile.write(lines.joined(separator: "\n") + "\n", to: path)
  }

  /// The reports of all living processes of a keynode.
  static func all(of paths: KeynodePaths) -> [(process: pid_t, listening: [PeerAddress], peers: [PeerLine])] {
    var reports: [(process: pid_t, listening: [PeerAddress], peers: [PeerLine])] = []
    for name in StateFile.names(in: folder(paths)) {
      guard let process = pid_t(name) else { continue }
      guard kill(process, 0) == 0 || errno == EPERM, let text = StateFile.read("\(folder(paths))/\(name)") else {
        unsafe unlink("\(folder(paths))/\(name)")
        continue
      }
      let lines = text.split(separator: "\n")
      let listening = lines.first?.split(separator: " ").dropFirst().compactMap { try? PeerAddress($0) } ?? []
      reports.append((process, listening, lines.dropFirst().compactMap { PeerLine($0) }))
    }
    return reports
  }
}

/// One peer in a report.
struct PeerLine {
  var node = ""
  var address = ""
  var state = ""
  /// Seconds since 1970.
  var since: Int64 = 0
  /// Microseconds; nil if unknown.
  var roundTrip: Int64?
  /// Seconds since 1970; nil if never.
  var lastExchange: Int64?
  /// Branches that the peer is not known to have.
  var waiting: Int64 = 0
  var bytesWaiting: Int64 = 0
  /// What we wait for from it, a sentence; empty if for nothing.
  var awaited = ""
  /// What went wrong last.
  var problem = ""

  /// `name` is what a vault is called here.
  init(_ status: PeerStatus, name: (VaultID) -> String?) {
    node = status.node?.text ?? ""
    address = status.address?.description ?? ""
    state =
      switch status.state {
      case .connecting: "connecting"
      case .connected: "connected"
      case .waiting: "waiting"
      }
    since = status.since
    roundTrip = status.roundTrip.map {
      $0.components.seconds * 1_000_000 + $0.components.attoseconds / 1_000_000_000_000
    }
    lastExchange = status.lastExchange
    waiting = Int64(status.vaults.reduce(0) { $0 + $1.branchesWaiting })
    bytesWaiting = Int64(status.bytesWaiting)
    awaited = status.vaults.compactMap { vault in
      vault.wait.map { PeerLine.sentence($0, of: name(vault.vault) ?? "a vault") }
    }.joined(separator: "; ")
    problem = status.refusal ?? status.error.map(PeerSyncFailure.sentence) ?? ""
  }

  var text: String {
    [
      node, address, state, String(since), roundTrip.map { String($0) } ?? "", lastExchange.map { String($0) } ?? "",
      String(waiting), String(bytesWaiting), People.line(awaited), People.line(problem),
    ].joined(separator: "\t")
  }

  private static func sentence(_ wait: PeerStatus.Wait, of vault: String) -> String {
    switch wait {
    case .answer(let since, let count):
      "asked for \(vault) since \(Dates.local(since)), \(TransferMeter.size(count)) have come"
    case .turn(let other): "has news of \(vault), for which \(other.short) is being asked"
    }
  }

  init?(_ line: Substring) {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    guard fields.count == 10, let since = Int64(fields[3]) else { return nil }
    (node, address, state, self.since) = (fields[0], fields[1], fields[2], since)
    roundTrip = Int64(fields[4])
    lastExchange = Int64(fields[5])
    waiting = Int64(fields[6]) ?? 0
    bytesWaiting = Int64(fields[7]) ?? 0
    (awaited, problem) = (fields[8], fields[9])
  }
}
