import ArgumentParser
import Glibc
import PeerSync
import Synchronization
import Vault

/// `polykey invite`.
struct Invite: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a pairing code that admits one node to a vault, once.",
    discussion: """
      Give the code to the other side by a channel that you both trust; there, `polykey join CODE` does the rest. A mount or `polykey serve` \
      that listens answers it; with --wait this command does.

      Examples:
        polykey invite prod --role reader --label ci
        polykey invite prod --role writer --wait --listen 0.0.0.0:7420
      """)

  @OptionGroup var chosen: VaultOptions
  @Option(help: "owner, writer, reader or replica.") var role: Role
  @Option(help: "What the members call the new one.") var label: String?
  @Option(help: ArgumentHelp("How long the code is good for: 10m, 1h, 2d.", valueName: "time")) var expires = "1h"
  @Flag(help: "Give no key of older versions; every current secret is encrypted anew.") var noHistory = false
  @Flag(help: "Wait here until somebody has joined and has everything.") var wait = false
  @Option(help: ArgumentHelp("With --wait, where to listen.", valueName: "addr:port")) var listen: [String] = []
  @Option(
    help: ArgumentHelp("Where the other side finds us, if not where we listen.", valueName: "host:port"))
  var address: [String] = []

  func run() throws {
    try explained {
      guard let seconds = Duration.seconds(expires) else {
        throw Failure(.usage, "--expires takes a number with s, m, h or d, as in 30m")
      }
      let (keynode, vault) = try chosen.openWithKeynode()
      guard vault.role == .owner else { throw VaultError.roleForbids }
      try keynode.requireWritable()
      Invitation.tidy(vault, at: keynode.paths)
      let invitation = Invitation(
        vault: vault.id, name: vault.name.text, role: role, history: !noHistory, label: label,
        expires: Int64(time(nil)) + seconds, members: vault.membership.commit)
      if wait { return try admitOne(invitation, vault, keynode) }
      let listening = PeerReport.all(of: keynode.paths).flatMap(\.listening)
      try printCode(invitation, try addresses(listening), keynode)
    }
  }

  private func addresses(_ listening: [PeerAddress]) throws -> [PeerAddress] {
    let given = try address.map { text in
      try PeerSyncFailure.explained { () throws(PeerSyncError) in try PeerAddress(text) }
    }
    let all = given.isEmpty ? listening : given
    guard !all.isEmpty else {
      throw Failure(
        .peer,
        "nobody listens here: mount with --listen ADDR:PORT, run `polykey serve`, or give --wait --listen ADDR:PORT")
    }
    return Array(all.prefix(PairingCode.addressLimit))
  }

  private func printCode(_ invitation: Invitation, _ addresses: [PeerAddress], _ keynode: Keynode) throws {
    let token = try invitation.issue(at: keynode.paths)
    Console.print(PairingCode(token: token, node: keynode.identity.node, addresses: addresses).text)
  }

  private func admitOne(_ invitation: Invitation, _ vault: Vault, _ keynode: Keynode) throws {
    let listen = listen.isEmpty ? ["0.0.0.0:0"] : listen
    let given = try listen.map { text in
      try PeerSyncFailure.explained { () throws(PeerSyncError) in try PeerAddress(text) }
    }
    let host = try PeerHost(keynode, listenAt: given) { _ in }
    defer { host.stop() }
    host.add(vault)
    try printCode(invitation, try addresses(host.service.listening.flatMap(LocalAddresses.reachable)), keynode)
    // It may go before it is seen here: what it got is told then.
    while true {
      let (isDone, isUnderWay) = host.joinedState(of: vault.id)
      if isDone { return waitForLeave(host) }
      guard isUnderWay || Int64(time(nil)) < invitation.expires else { break }
      usleep(50_000)
    }
    throw Failure(.peer, "nobody joined before the code expired: invite again")
  }

  /// The new member has everything; it still asks whether that was all, and leaves by itself.
  private func waitForLeave(_ host: PeerHost) {
    let deadline = ContinuousClock.now + .seconds(2)
    while host.service.peers.contains(where: { $0.state == .connected && !$0.isDialled }),
      ContinuousClock.now < deadline
    {
      usleep(10_000)
    }
  }
}

extension Duration {
  /// The seconds that `30s`, `10m`, `1h` or `2d` stand for; nil for anything else.
  static func seconds(_ text: String) -> Int64? {
    guard let unit = text.last, let count = Int64(text.dropLast()), count > 0, count < 1_000_000 else { return nil }
    switch unit {
    case "s": return count
    case "m": return count * 60
    case "h": return count * 3600
    case "d": return count * 86_400
    default: return nil
    }
  }
}

/// `polykey join`.
struct Join: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Join a vault with a pairing code: be admitted, fetch it, and mount it if asked.",
    discussion: """
      The code may be given on standard input instead: then give - in its place.

      Example: polykey join polykey:… --mount ~/prod
      """)

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "What `polykey invite` printed, or - to read it from standard input.") var code: String
  @Option(help: "The vault's name here, if not the inviter's.") var name: String?
  @Option(help: "What the members call this node, if the inviter did not say.") var label = ""
  @Option(help: ArgumentHelp("Mount the vault there afterwards.", valueName: "dir")) var mount: String?
  @OptionGroup var peers: PeerOptions

  func run() throws {
    try explained {
      let text = code == "-" ? readLine() ?? "" : code
      let code = try PeerSyncFailure.explained { () throws(PeerSyncError) in try PairingCode(text) }
      let keynode = try identity.keynode()
      try keynode.requireWritable()
      let addresses = try peers.addresses()
      // Before anybody is asked: a member that cannot keep its vault is none that anybody wants.
      let wanted = try name.map { name throws in try VaultName(name) }
      let place = NewcomersPlace(keynode)
      if let wanted { try place.check(wanted, inviter: code.node) }
      try place.requireRoom()
      if let mount { try place.checkMountPoint(mount) }
      let name = try fetch(code, wanted, place, keynode, addresses)
      if let mount { try mountIt(name, at: mount, keynode) }
    }
  }

  /// Joins and fetches; returns what the vault is called here.
  private func fetch(
    _ code: PairingCode, _ wanted: VaultName?, _ place: NewcomersPlace, _ keynode: Keynode, _ addresses: [PeerAddress]
  ) throws -> VaultName {
    let progress = ProgressLine()
    var events = PeerEvents()
    events.progressed = { progress.note($0) }
    let service = try PeerSyncFailure.explained { [events] () throws(PeerSyncError) in
      try PeerService(identity: keynode.identity, events: events)
    }
    defer { service.stop() }
    let request = JoinRequest(
      token: code.token, recipient: keynode.identity.recipient, label: People.line(label),
      addresses: addresses.flatMap(LocalAddresses.reachable))
    let answer = try PeerSyncFailure.explained { () throws(PeerSyncError) in
      try service.join(request, at: code.addresses, expecting: code.node)
    }
    let (id, suggested): (VaultID, String)
    switch answer {
    case .joined(let vault, let name): (id, suggested) = (vault, name)
    case .refused(let refusal): throw Failure(.peer, refusal.sentence)
    }
    let name = try place.name(for: id, wanted: wanted, suggested: suggested)
    let clone = try VaultClone(of: id, as: name, at: keynode)
    service.add(ReplicatedVault(clone, from: code.node))
    let target = PeerTarget(address: code.addresses[0], node: code.node)
    _ = try PeerSyncFailure.explained { () throws(PeerSyncError) in
      try progress.during { () throws(PeerSyncError) in
        try service.synchronize(id, with: target, timeout: .seconds(3600))
      }
    }
    guard let vault = clone.vault?.vault else { throw Failure(.peer, "nothing of the vault came: try again") }
    try vault.finish()
    var known = KnownPeers(at: keynode.paths)
    for address in code.addresses {
      try known.add(.init(name: code.node.short, address: address, node: code.node))
    }
    Console.tell("joined \(name.text) as \(vault.role?.rawValue ?? "nobody")")
    return name
  }

  /// With the identity that is open already: a passphrase is asked for once.
  private func mountIt(_ name: VaultName, at directory: String, _ keynode: Keynode) throws {
    var arguments = [name.text, directory]
    if let file = identity.passphraseFile { arguments += ["--passphrase-file", file] }
    let command = try MountVaults.parse(arguments + peers.flags)
    try command.run { keynode }
  }
}
