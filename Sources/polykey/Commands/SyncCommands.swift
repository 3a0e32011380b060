import ArgumentParser
import GitStore
import Glibc
import PeerSync
import Vault

/// `polykey serve`.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Exchange vaults with peers without mounting them: for replicas and servers. Stays in the foreground.",
    discussion: "SIGTERM ends it.\n\nExample: polykey serve --listen 0.0.0.0:7420")

  @OptionGroup var identity: IdentityOptions
  @OptionGroup var peers: PeerOptions
  @Argument(help: "The vaults; without any, all.") var names: [String] = []

  func run() throws {
    try explained {
      let keynode = try identity.keynode()
      let service = try ServeService(keynode, names: try names.map { name throws in try VaultName(name) })
      try service.run(listenAt: try peers.addresses())
    }
  }
}

/// `polykey sync`.
struct Synchronize: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Exchange a vault with a peer once, or with all that are known.",
    discussion: "Examples:\n  polykey sync prod\n  polykey sync prod bob --pull\n  polykey sync prod 192.0.2.7:7420")

  @OptionGroup var chosen: VaultOptions
  @Argument(help: "A peer's name, label or node id, or HOST:PORT.") var peer: String?
  @OptionGroup var direction: DirectionOptions
  @Flag(help: "Print one JSON object a peer.") var json = false

  func run() throws {
    try explained {
      let (keynode, vault) = try chosen.openWithKeynode()
      var configuration = PeerConfiguration()
      configuration.direction = direction.push ? .push : direction.pull ? .pull : .both
      let progress = ProgressLine()
      var events = PeerEvents()
      events.progressed = { progress.note($0) }
      let service = try PeerSyncFailure.explained { [events] () throws(PeerSyncError) in
        try PeerService(identity: keynode.identity, configuration: configuration, events: events)
      }
      defer { service.stop() }
      if !direction.pull { try vault.acknowledge() }
      service.add(ReplicatedVault(VaultExchange(vault)))
      let targets = try targets(vault, keynode)
      var failure: PeerSyncError?
      var reached = 0
      progress.during {
        service.synchronize(vault.id, with: targets, timeout: .seconds(3600)) { target, result in
          switch result {
          case .success(let report):
            reached += 1
            show(target, report)
          case .failure(let error):
            failure = error
            if targets.count > 1 { Console.complain("\(target.address): \(PeerSyncFailure.sentence(error))") }
          }
        }
      }
      _ = try vault.redoLostActs()
      try vault.finish()
      if reached == 0, let failure { throw PeerSyncFailure.failure(failure, at: targets.last?.address) }
    }
  }

  private func targets(_ vault: Vault, _ keynode: Keynode) throws -> [PeerTarget] {
    guard let peer else {
      let all = KnownPeers.targets(for: vault, at: keynode.paths)
      guard !all.isEmpty else { throw Failure(.peer, "no peer's address is known: see `polykey peer add`") }
      return all.sorted { $0.address.description < $1.address.description }
    }
    if let address = try? PeerAddress(peer) { return [PeerTarget(address: address)] }
    let named = KnownPeers(at: keynode.paths).peers.filter { $0.name == peer }.map(\.target)
    if !named.isEmpty { return named }
    let unknown = Failure(
      .missing,
      "\(peer): no member or peer goes by that, and it is no HOST:PORT: see `polykey members` and `polykey peer list`")
    guard let name = MemberName(argument: peer) else { throw unknown }
    let node: NodeID
    do {
      node = try name.find(in: vault)
    } catch VaultError.memberMissing {
      throw unknown
    }
    let known = KnownPeers.targets(for: vault, at: keynode.paths).filter { $0.node == node }
    guard !known.isEmpty else { throw Failure(.peer, "\(peer): no address of it is known: see `polykey peer add`") }
    return Array(known)
  }

  /// How many branches moved; that members are alive is no news.
  private func count(_ branches: [String: ObjectName]) -> Int {
    branches.keys.count { BranchName.acknowledging($0) == nil }
  }

  private func show(_ target: PeerTarget, _ report: SyncReport) {
    if json {
      Console.print(
        JSON.object([
          ("peer", .string(target.address.description)), ("received", .number(Int64(count(report.received)))),
          ("sent", .number(Int64(count(report.sent)))),
          ("bytesReceived", .number(Int64(clamping: report.bytesReceived))),
          ("bytesSent", .number(Int64(clamping: report.bytesSent))),
          ("refused", .list(report.refused.values.sorted().map { .string($0) })),
        ]))
      return
    }
    let (received, sent) = (TransferMeter.size(report.bytesReceived), TransferMeter.size(report.bytesSent))
    Console.tell(
      "\(target.address): \(count(report.received)) branches received (\(received)), \(count(report.sent)) sent (\(sent))"
    )
    for (_, reason) in report.refused.sorted(by: { $0.key < $1.key }) {
      Console.complain("refused a change: \(reason)")
    }
    for (_, reason) in report.refusedByPeer.sorted(by: { $0.key < $1.key }) {
      Console.complain("the peer refused a change: \(reason)")
    }
  }
}

/// `polykey peers`.
struct ListPeers: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peers", abstract: "Show the peers of running mounts: state, round trip, last exchange, what waits.",
    discussion: "Example: polykey peers --json")

  @Flag(help: "Print one JSON object a line.") var json = false

  func run() throws {
    let paths = try IdentityOptions.existingPaths()
    for vault in Removal.vaults(at: paths) { Console.tell(Removal.sentence(vault)) }
    for (vault, sentences) in Removal.warnings(at: paths).sorted(by: { $0.key.text < $1.key.text }) {
      for sentence in sentences { Console.complain("\(vault.text): \(sentence)") }
    }
    for report in PeerReport.all(of: paths) {
      if !json, !report.listening.isEmpty {
        Console.print("listening at \(report.listening.map(\.description).joined(separator: ", "))")
      }
      for peer in report.peers { show(peer) }
    }
  }

  private func show(_ peer: PeerLine) {
    if json {
      Console.print(
        JSON.object([
          ("node", peer.node.isEmpty ? .null : .string(peer.node)), ("address", .string(peer.address)),
          ("state", .string(peer.state)), ("since", .string(Dates.iso(peer.since))),
          ("roundTripMicroseconds", peer.roundTrip.map { .number($0) } ?? .null),
          ("lastExchange", peer.lastExchange.map { .string(Dates.iso($0)) } ?? .null),
          ("branchesWaiting", .number(peer.waiting)), ("bytesWaiting", .number(peer.bytesWaiting)),
          ("awaited", peer.awaited.isEmpty ? .null : .string(peer.awaited)),
          ("problem", peer.problem.isEmpty ? .null : .string(peer.problem)),
        ]))
      return
    }
    var text =
      "\(peer.node.isEmpty ? "?       " : String(peer.node.prefix(8)))  \(peer.address)  \(peer.state) since \(Dates.local(peer.since))"
    if let trip = peer.roundTrip { text += "  \(trip) µs" }
    if let last = peer.lastExchange { text += "  exchanged \(Dates.local(last))" }
    if peer.waiting > 0 { text += "  \(peer.waiting) branches to send" }
    if !peer.awaited.isEmpty { text += "  \(peer.awaited)" }
    if !peer.problem.isEmpty { text += "  (\(peer.problem))" }
    Console.print(text)
  }
}

/// `polykey peer`.
struct PeerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peer", abstract: "Say where peers are reached, beside what they tell themselves.",
    subcommands: [Add.self, Remove.self, ListKnown.self])

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Dial a peer at an address, from the next mount on.",
      discussion: "Example: polykey peer add bob 192.0.2.7:7420")

    @Argument(help: "What you call it.") var name: String
    @Argument(help: "HOST:PORT, or [IPV6]:PORT.") var address: String
    @Option(help: "Its node id: nobody else is then spoken to there.") var node: String?

    func run() throws {
      let paths = try IdentityOptions.existingPaths()
      try explained {
        guard !name.isEmpty, !name.contains(where: { $0.isWhitespace || $0 == "#" }) else {
          throw Failure(.usage, "a peer's name has no spaces")
        }
        let place = try PeerSyncFailure.explained { () throws(PeerSyncError) in try PeerAddress(address) }
        let id = try node.map { text throws in
          guard let id = NodeID(text) else {
            throw Failure(.usage, "a node id has 52 characters: see `polykey members`")
          }
          return id
        }
        var known = KnownPeers(at: paths)
        try known.add(.init(name: name, address: place, node: id))
      }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forget where a peer is reached.", discussion: "Example: polykey peer remove bob")

    @Argument(help: "What you call it.") var name: String

    func run() throws {
      var known = KnownPeers(at: try IdentityOptions.existingPaths())
      guard try known.remove(name) else {
        throw Failure(.missing, "there is no peer of that name: see `polykey peer list`")
      }
    }
  }

  struct ListKnown: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the addresses that were added.", discussion: "Example: polykey peer list")

    @Flag(help: "Print one JSON object a line.") var json = false

    func run() throws {
      for peer in KnownPeers(at: try IdentityOptions.existingPaths()).peers {
        Console.print(
          json
            ? JSON.object([
              ("name", .string(peer.name)), ("address", .string(peer.address.description)),
              ("node", peer.node.map { .string($0.text) } ?? .null),
            ]) : "\(peer.name)  \(peer.address)\(peer.node.map { "  \($0.short)" } ?? "")")
      }
    }
  }
}
