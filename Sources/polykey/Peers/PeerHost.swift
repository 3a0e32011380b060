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
  private let log = PeerLog(write: Console.complain)
  private let joiners = Joiners()
  private let moved: Moved

  /// What a peer's update means to whoever shows the vault.
  typealias Moved = @Sendable (VaultID) -> Void

  /// A host that listens at `addresses`; without any, others are only dialled.
  ///
  /// `moved` is told of a vault of which branches moved because of a peer. Throws a ``Failure`` if it cannot listen there.
  init(_ keynode: Keynode, listenAt addresses: [PeerAddress], moved: @escaping Moved) throws {
    self.keynode = keynode
    self.moved = moved
    let hooks = Hooks()
    let report = PeerReport(at: keynode.paths) { id in
      hooks.host?.vaults.withLock { $0[id] }?.exchange?.vault.name.text
    }
    self.report = report
    var configuration = PeerConfiguration()
    configuration.program = "polykey \(Polykey.version)"
    configuration.advertised = addresses.flatMap(LocalAddresses.reachable)
    var events = PeerEvents()
    events.admitted = { id, node, admission in hooks.host?.admitted(id, by: node, admission) }
    events.learned = { node, addresses in hooks.host?.learned(node, addresses) }
    events.left = { node, vaults in hooks.host?.joiners.left(node, vaults) }
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
    acknowledge(vault)
    service.add(replicated)
    Invitation.tidy(vault, at: keynode.paths)
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
    guard isNew else { return }
    Invitation.tidy(vault, at: keynode.paths)
    dial()
  }

  /// Signs, if it is due, that this node has accepted the members; on a keynode that can only be read it says nothing.
  private func acknowledge(_ vault: Vault) {
    guard unsafe access(keynode.paths.home, W_OK) == 0 else { return }
    do throws(VaultError) {
      try vault.acknowledge()
    } catch {
      Console.complain("\(vault.name.text): no acknowledgement can be stored: \(Failure(error).sentence)")
    }
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
    log.finish()
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
    // One line, however many it sends.
    if let (branch, reason) = admission.refused.min(by: { $0.key < $1.key }) {
      let whose = BranchName.node(branch).map { "of \($0.short)" } ?? "of the members"
      let others = admission.refused.count > 1 ? ", and \(admission.refused.count - 1) more" : ""
      log.complain(node, "refused a change \(whose) that \(node.short) sent: \(reason)\(others)")
    }
    report.wake()
    guard !admission.moved.isEmpty, let vault = vaults.withLock({ $0[id] })?.exchange?.vault else { return }
    moved(id)
    do throws(VaultError) {
      if vault.role != nil, try vault.redoLostActs() { moved(id) }
    } catch {
      log.complain(node, "an act on the members was overtaken and cannot be done again: \(Failure(error).sentence)")
    }
    changed(vault)
  }

  private func learned(_ node: NodeID, _ addresses: [PeerAddress]) {
    KnownPeers.learn(node, addresses, at: keynode.paths)
  }

  /// Whether a node has joined `vault` through this process, and has all that there is; and whether one has that is still getting it.
  func joinedState(of vault: VaultID) -> (isDone: Bool, isUnderWay: Bool) {
    let (joined, done) = joiners.nodes(of: vault)
    if !done.isEmpty { return (true, false) }
    let connected = service.peers.filter { peer in peer.state == .connected && peer.node.map(joined.contains) == true }
    let isDone = connected.contains { $0.vaults.contains { $0.vault == vault && $0.branchesWaiting == 0 } }
    return (isDone, !connected.isEmpty)
  }

  private func join(_ request: JoinRequest, by node: NodeID) -> JoinAnswer {
    do throws(Invitation.Refusal) {
      let taken = try Invitation.find(request.token, by: node, at: keynode.paths)
      guard let vault = vaults.withLock({ $0[taken.invitation.vault] })?.exchange?.vault else {
        return .refused(.unavailable)
      }
      return try admit(taken, request, to: vault)
    } catch {
      return .refused(error.answer)
    }
  }

  /// Admits who has an invitation, if the members are still such that it holds.
  private func admit(
    _ taken: Invitation.Taken, _ request: JoinRequest, to vault: Vault
  ) throws(Invitation.Refusal) -> JoinAnswer {
    let (node, invitation) = (taken.node, taken.invitation)
    do {
      switch try vault.outcome(for: node, under: taken.terms) {
      case .admitted, .isMember: try taken.claim()
      case .ended, .hasOtherRole: break
      }
      let label = invitation.label ?? (request.label.isEmpty ? nil : request.label)
      let person = People.Person(label: label, addresses: request.addresses.map(\.description))
      let outcome = try vault.admit(node, under: taken.terms, recipient: request.recipient, person: person)
      switch outcome {
      case .ended:
        taken.end()
        throw Invitation.Refusal.ended
      case .hasOtherRole(let role):
        throw Invitation.Refusal(
          .unavailable, "this node is a member already, as \(role.rawValue): an owner changes that with `polykey role`")
      case .admitted, .isMember: break
      }
      if !taken.isDone {
        if !invitation.history { try vault.reencryptAll() }
        taken.finish()
      }
      joiners.joined(node, vault.id)
      guard outcome == .admitted else { return .joined(vault.id, name: invitation.name) }
    } catch let refusal as Invitation.Refusal {
      throw refusal
    } catch {
      let reason = (error as? VaultError).map { Failure($0).sentence } ?? "\(error)"
      log.complain(node, "\(node.short) could not join: \(reason)")
      return .refused(.unavailable)
    }
    changed(vault)
    moved(vault.id)
    Console.complain("\(node.long) has joined \(invitation.name) as \(invitation.role.rawValue)")
    return .joined(vault.id, name: invitation.name)
  }
}

/// Who has joined through this process, and who of them has got everything.
private final class Joiners: Sendable {
  private struct State {
    var joined: [VaultID: Set<NodeID>] = [:]
    var done: [VaultID: Set<NodeID>] = [:]
  }

  private let state = Mutex(State())

  func joined(_ node: NodeID, _ vault: VaultID) {
    state.withLock { state in
      state.joined[vault, default: []].insert(node)
      state.done[vault]?.remove(node)
    }
  }

  /// A node has gone, having all of these vaults.
  func left(_ node: NodeID, _ vaults: [VaultID]) {
    state.withLock { state in
      for vault in vaults where state.joined[vault]?.contains(node) == true {
        state.done[vault, default: []].insert(node)
      }
    }
  }

  func nodes(of vault: VaultID) -> (joined: Set<NodeID>, done: Set<NodeID>) {
    state.withLock { ($0.joined[vault] ?? [], $0.done[vault] ?? []) }
  }
}

extension JoinRefusal {
  static let unavailable = JoinRefusal(.unavailable, "the vault cannot admit anybody just now: try again later")
}
