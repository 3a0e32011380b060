import CLinux
import GitStore
import Glibc
import PeerSync
import Synchronization
import Vault

/// What ties the vaults of this process to peers: listens, dials the members, admits who was invited, and tells what goes on.
final class PeerHost: Sendable {
  let service: PeerService
  private let keynode: Keynode
  private let vaults = Mutex<[VaultID: ReplicatedVault]>([:])
  private let targets = Mutex<Set<PeerTarget>>([])
  /// The members at which each vault's peers were last looked for.
  private let known = Mutex<[VaultID: ObjectName]>([:])
  /// Vaults that this node was removed from: they are exchanged with nobody, and nobody is dialled for them.
  private let retired = Mutex<Set<VaultID>>([])
  private let report: PeerReport
  private let moved: Moved

  /// What a peer's update means to whoever shows the vault.
  typealias Moved = @Sendable (VaultID) -> Void

  /// A host that listens at `addresses`; without any, others are only dialled.
  ///
  /// `moved` is told of a vault of which branches moved because of a peer. Throws a ``Failure`` if it cannot listen there.
  init(_ keynode: Keynode, listenAt addresses: [PeerAddress], moved: @escaping Moved) throws {
    self.keynode = keynode
    self.moved = moved
    let report = PeerReport(at: keynode.paths)
    self.report = report
    var configuration = PeerConfiguration()
    configuration.program = "polykey \(Polykey.version)"
    configuration.advertised = addresses.flatMap(LocalAddresses.reachable)
    let hooks = Hooks()
    var events = PeerEvents()
    events.admitted = { id, node, admission in hooks.host?.admitted(id, by: node, admission) }
    events.learned = { node, addresses in hooks.host?.learned(node, addresses) }
    events.changed = { report.wake() }
    service = try PeerSyncFailure.explained { () throws(PeerSyncError) in
      try PeerService(identity: keynode.identity, configuration: configuration, events: events)
    }
    hooks.set(self)
    service.setJoinHandler { request, node in hooks.host?.join(request, by: node) ?? .refused(.unavailable) }
    for address in addresses {
      try PeerSyncFailure.explained { () throws(PeerSyncError) in _ = try service.listen(at: address) }
    }
    report.start(service)
  }

  /// The way back from the service's events to this host, which does not exist yet when they are handed over.
  private final class Hooks: Sendable {
    private struct Target { weak var host: PeerHost? }
    private let target = Mutex(Target())
    var host: PeerHost? { target.withLock { $0.host } }
    func set(_ host: PeerHost) { target.withLock { $0.host = host } }
  }

  /// Exchanges a vault from now on, as long as this node is a member.
  func add(_ vault: Vault) {
    guard vault.role != nil else { return retire(vault) }
    let replicated = ReplicatedVault(VaultExchange(vault))
    vaults.withLock { $0[vault.id] = replicated }
    service.add(replicated)
    dial()
  }

  /// Tells peers that a vault has changed, by our own hand or another process's.
  func changed(_ vault: Vault) {
    guard vault.role != nil else { return retire(vault) }
    // Admitted again.
    if retired.withLock({ $0.remove(vault.id) }) != nil { return add(vault) }
    let members = vault.membership.commit
    let isNew = known.withLock { $0.updateValue(members, forKey: vault.id) != members }
    service.vaultChanged(vault.id, membersChanged: isNew)
    if isNew { dial() }
  }

  /// Says once that this node was removed from a vault, and lets go of it and of the peers that no other vault has.
  private func retire(_ vault: Vault) {
    guard retired.withLock({ $0.insert(vault.id).inserted }) else { return }
    Console.complain(Removal.sentence(vault.name))
    vaults.withLock { $0[vault.id] = nil }
    service.remove(vault.id)
    dial()
    report.wake()
  }

  func stop() {
    service.stop()
    report.stop()
  }

  /// Keeps connections to all members of whom it is known where they are, and dials nobody who is none any more.
  private func dial() {
    let all = vaults.withLock { $0.values.compactMap { $0.exchange?.vault } }
    let wanted = all.reduce(into: Set()) { $0.formUnion(KnownPeers.targets(for: $1, at: keynode.paths)) }
    let (new, gone) = targets.withLock { targets in
      defer { targets = wanted }
      return (wanted.subtracting(targets), targets.subtracting(wanted))
    }
    for target in gone { service.forget(target) }
    for target in new { service.connect(to: target) }
  }

  // MARK: what comes from peers

  private func admitted(_ id: VaultID, by node: NodeID, _ admission: Admission) {
    for (branch, reason) in admission.refused.sorted(by: { $0.key < $1.key }) {
      let whose = BranchName.node(branch).map { "of \($0.short)" } ?? "of the members"
      Console.complain("refused a change \(whose) that \(node.short) sent: \(reason)")
    }
    report.wake()
    guard !admission.moved.isEmpty, let vault = vaults.withLock({ $0[id] })?.exchange?.vault else { return }
    moved(id)
    do throws(VaultError) {
      if vault.role != nil, try vault.redoLostActs() { moved(id) }
    } catch {
      Console.complain("an act on the members was overtaken and cannot be done again: \(Failure(error).sentence)")
    }
    changed(vault)
  }

  private func learned(_ node: NodeID, _ addresses: [PeerAddress]) {
    KnownPeers.learn(node, addresses, at: keynode.paths)
  }

  private func join(_ request: JoinRequest, by node: NodeID) -> JoinAnswer {
    let invitation: Invitation
    do throws(Invitation.Refusal) {
      invitation = try Invitation.take(request.token, by: node, at: keynode.paths)
    } catch {
      return .refused(error.answer)
    }
    guard let vault = vaults.withLock({ $0[invitation.vault] })?.exchange?.vault else { return .refused(.unavailable) }
    do throws(VaultError) {
      let label = invitation.label ?? (request.label.isEmpty ? nil : request.label)
      let person = People.Person(label: label, addresses: request.addresses.map(\.description))
      try vault.admit(
        node, as: invitation.role, recipient: request.recipient, history: invitation.history, person: person)
      if !invitation.history { try vault.reencryptAll() }
    } catch {
      Console.complain("\(node.short) could not join: \(Failure(error).sentence)")
      return .refused(.unavailable)
    }
    changed(vault)
    moved(vault.id)
    Console.complain("\(node.long) has joined \(invitation.name) as \(invitation.role.rawValue)")
    return .joined(vault.id, name: invitation.name)
  }
}

extension JoinRefusal {
  static let unavailable = JoinRefusal(.unavailable, "the vault cannot admit anybody just now: try again later")
}
