internal import GitStore
internal import NIOCore
internal import Vault

/// The exchange with one peer over one connection.
///
/// Two threads: the receiver works on frames in their order, and the sender on what is to be sent. With one thread for
/// both, two peers that send each other more than the buffers hold would wait for each other for ever. The receiver never
/// waits for the network.
///
/// Lock order: none is held while a vault, the service or the connection is called.
final class Session: Sendable {
  /// Vaults, and branches in all, that a peer may announce.
  static let vaultLimit = 1024
  static let tipLimit = 16384

  let service: PeerService
  let connection: Connection
  let node: NodeID
  /// How we dialled; nil if the peer did.
  let dial: Dial?
  let state = Watched(SessionState())
  /// When the connection was made, in seconds since 1970.
  let started = wallClock()

  init(_ connection: Connection, node: NodeID, dial: Dial?, service: PeerService) {
    self.connection = connection
    self.node = node
    self.dial = dial
    self.service = service
  }

  // MARK: The receiver's thread

  /// Introduces both sides, then works on frames until the connection ends.
  func run() {
    var reason = PeerSyncError.closed
    do throws(PeerSyncError) {
      let early = try introduce()
      state.update { state in
        state.isEstablished = true
        state.jobs.announces = true
        state.isSending = true
      }
      do throws(PeerSyncError) { try service.startSender(of: self) } catch {
        state.update { $0.isSending = false }
        throw error
      }
      connection.open(.established)
      try receive(early)
    } catch {
      connection.close(error)
      // What we found says more than that the peer, who may have found the same, closed before.
      reason = connection.error.flatMap { $0 == .closed ? nil : $0 } ?? error
    }
    // Wakes the sender, which then ends.
    state.update { _ in }
    service.ended(self, reason)
    tellWhatItGot()
  }

  /// Tells which vaults the peer has whole, once the sender has taken note of the last answer; a disk may hold that up.
  private func tellWhatItGot() {
    let got = state.wait(until: .after(.seconds(10))) { state -> [VaultID]? in
      state.isSending ? nil : state.vaults.filter(\.value.isCaughtUp).map(\.key)
    }
    if let got, !got.isEmpty { service.events.left(node, got) }
  }

  /// - Returns: What a peer that knows us sent before it answered our JOIN.
  /// - Throws: Why the peer is not to be talked to.
  private func introduce() throws(PeerSyncError) -> [Connection.Item] {
    let isKnown = service.knows(node)
    let join = dial?.join
    // A stranger at an address that we dialled learns nothing but who we are, which TLS had to tell.
    guard isKnown || dial == nil || join != nil else { throw .stranger }
    connection.send(.hello(service.hello(toMember: isKnown || join != nil, dial: dial?.number ?? 0)))
    guard case .frame(.hello(let hello)) = try connection.next() else { throw .violation(.unexpected) }
    guard hello.instance != service.instance else { throw .ourselves }
    guard (hello.dial == 0) == (dial != nil) else { throw .violation(.value) }
    state.update { $0.hello = hello }

    var early: [Connection.Item] = []
    var answer: JoinAnswer?
    if let join {
      (early, answer) = try ask(join)
    } else if !isKnown {
      guard let request = try request(), self.answer(request) else { throw .stranger }
    }
    try service.register(self, hello)
    // Not before: whoever asked would dial anew for what comes next.
    if let answer { dial?.answered(.success(answer)) }
    if !hello.addresses.isEmpty { service.events.learned(node, hello.addresses) }
    return early
  }

  /// What a dialler asks for that no vault admits; nil of one that was removed, once it was told.
  private func request() throws(PeerSyncError) -> JoinRequest? {
    if service.hasRemoved(node) {
      connection.open(.dismissal)
      return try dismiss()
    }
    connection.open(.join)
    guard case .frame(.join(let request)) = try connection.next() else { throw .violation(.unexpected) }
    return request
  }

  /// Asks to join; returns if that was granted, with what else came meanwhile: a peer of another vault announces that at once.
  private func ask(
    _ request: JoinRequest
  ) throws(PeerSyncError) -> (early: [Connection.Item], answer: JoinAnswer) {
    // In this order: the answer and the connection's end could both come before a later order would.
    connection.open(.answer)
    connection.send(.join(request))
    var early: [Connection.Item] = []
    while true {
      let event = try connection.next()
      switch event {
      case .frame(.joined(let vault, let name)):
        return (early, .joined(vault, name: name))
      case .frame(.refused(let refusal)):
        dial?.answered(.success(.refused(refusal)))
        throw .joinRefused(refusal)
      case .frame, .check, .pace:
        guard early.count < Session.vaultLimit else { throw .violation(.tooMany) }
        early.append(event)
      }
    }
  }

  /// Answers a peer that wants to join; whether it did.
  func answer(_ request: JoinRequest) -> Bool {
    switch service.join(request, by: self) {
    case .joined(let vault, let name):
      connection.send(.joined(vault, name: name))
      return true
    case .refused(let refusal):
      connection.send(.refused(refusal))
      return false
    }
  }

  // MARK: From anywhere

  /// Which of two connections to one peer is to be kept: the one dialled by the lower node, of equals the last dialled.
  ///
  /// Both sides come to the same answer, in whatever order they see the two.
  func isPreferred(to other: Session) -> Bool {
    let (mine, others) = (rank, other.rank)
    return (mine.dialledByLower ? 1 : 0, mine.number) > (others.dialledByLower ? 1 : 0, others.number)
  }

  private var rank: (dialledByLower: Bool, number: UInt64) {
    let hello = state.read(\.hello)
    let peer = (node, hello?.instance ?? service.instance)
    let isLower = (service.node, service.instance) < peer
    if let dial { return (isLower, dial.number) }
    return (!isLower, hello?.dial ?? 0)
  }

  /// Lets the sender look at a vault that changed.
  func changed(_ vault: VaultID) { state.update { $0.jobs.changed.include(vault) } }

  /// Lets the sender announce what is not announced yet.
  func announce() { state.update { $0.jobs.announces = true } }

  /// The vault, if the peer may exchange it with us.
  func shared(_ id: VaultID) -> (any ExchangedVault)? {
    guard let vault = service.vault(id), vault.admits(node) else { return nil }
    return vault
  }

  func note(_ error: String) { state.update { $0.lastError = error } }
}

/// One attempt to reach a peer.
struct Dial: Sendable {
  /// Counted from 1 in a process.
  let number: UInt64
  let address: PeerAddress
  /// Who must answer; nil: whoever shares a vault with us.
  let expected: NodeID?
  /// What to ask the peer first.
  var join: JoinRequest?
  /// Takes the answer to `join`.
  var answered: @Sendable (Result<JoinAnswer, PeerSyncError>) -> Void = { _ in }
  /// Told when the peer is admitted, and when the attempt or the connection has ended.
  var established: @Sendable (Session) -> Void = { _ in }
  var ended: @Sendable (PeerSyncError) -> Void = { _ in }
}
