internal import Dispatch
package import GitStore
internal import Vault

/// What a session knows of one vault at its peer.
struct SharedVault: Sendable {
  /// Branches that the peer has, as far as we know; nil before it announced the vault.
  var theirs: Tips?
  /// What we announced last; nil before the first time.
  var announced: Tips?
  /// Whether the peer was once known to have all we had: from then on our own commits are pushed unasked.
  var isCaughtUp = false
  /// Tips that the peer refused, which are not sent again.
  var refusedByPeer: Tips = [:]
  /// Tips that the peer announced and we asked for, and that did not move our branches: we do not ask again.
  var fruitless: Tips = [:]
  /// Our members branch at that time; when it has moved, what was refused may be right.
  var fruitlessMembers: ObjectName?
  /// Until when we wait for commits from their authors instead of asking the peer; nil if we do not.
  var patience: DispatchTime?
  /// When we look again whether it is our turn to ask; nil if we never had to wait.
  var turn: DispatchTime?
  /// Whether others were asked in our place when we last looked.
  var awaitsTurn = false
  /// Until when no update to the peer is broken off for news of the members, as one just was.
  var nextAbort: DispatchTime?
  /// Whether it will be looked again whether there is room for what was refused.
  var awaitsRoom = false
  /// What we asked for and is not answered yet.
  var asked: Question?
  /// Since when, in seconds since 1970.
  var askedSince: Int64 = 0
  /// Bytes of the update that is coming in.
  var incoming: UInt64 = 0
  /// Counts the completed fetches, and the completed pushes, of this vault.
  var fetches = 0
  var pushes = 0
  /// All that became of updates since the connection was made.
  var report = SyncReport()

  /// What a peer is asked for.
  enum Question: Sendable {
    case all
    /// The members' branches.
    case members
  }
}

/// What an exchange of one vault did.
package struct SyncReport: Hashable, Sendable {
  /// Branches of ours that moved.
  package var received: [String: ObjectName] = [:]
  /// Branches that came and were refused here, and why.
  package var refused: [String: String] = [:]
  /// Branches of the peer that moved.
  package var sent: [String: ObjectName] = [:]
  /// Branches that the peer refused, and why.
  package var refusedByPeer: [String: String] = [:]
  /// Bytes of packs, in updates that were completed.
  package var bytesReceived: UInt64 = 0
  package var bytesSent: UInt64 = 0

  package init() {}

  /// What was refused here: of names that the peer chooses, so only so many.
  mutating func note(refused: [String: String]) {
    for (name, why) in refused where self.refused.count < Frame.refusalLimit || self.refused[name] != nil {
      self.refused[name] = why
    }
  }
}

/// What the threads of a session share.
struct SessionState: Sendable {
  var hello: Frame.Hello?
  /// Whether the peer is admitted and registered.
  var isEstablished = false
  /// Whether there is a sender's thread that has not ended.
  var isSending = false
  /// Whether the peer has announced all it shares.
  var isPeerReady = false
  var vaults: [VaultID: SharedVault] = [:]
  /// Branches in all `theirs`, bounded by ``Session/tipLimit``.
  private var tipCount = 0
  /// Vaults of which the peer was told that it was removed from them.
  var dismissed: Set<VaultID> = []
  var jobs = Jobs()
  /// Whether an update of ours has been ended and not answered.
  var isAwaitingResult = false
  /// The answer to our last update; nil while it is awaited.
  var result: Admission?
  /// When an update was last completed, in seconds since 1970; nil if never.
  var lastExchange: Int64?
  /// The last refusal or failure, for people.
  var lastError: String?

  /// What the sender has to do; each kind and vault once, however often it is asked for.
  struct Jobs: Sendable {
    /// Announce the vaults that are not announced yet.
    var announces = false
    /// Vaults whose WANT is to be answered.
    var wanted: [VaultID] = []
    /// The same of the members' branches.
    var wantedMembers: [VaultID] = []
    /// Vaults that changed.
    var changed: [VaultID] = []
    /// Vaults of which the peer is to get all it lacks.
    var pushed: [VaultID] = []
    /// Vaults that the peer announced and was removed from.
    var dismissed: [VaultID] = []
  }

  enum Job: Sendable {
    case announce
    case answer(VaultID)
    case answerMembers(VaultID)
    case change(VaultID)
    case push(VaultID)
    case dismiss(VaultID)
  }

  /// Notes that the peer has a vault up to these tips; false if that is more than a peer may announce.
  mutating func learn(_ id: VaultID, _ tips: Tips) -> Bool {
    tipCount += tips.count - (vaults[id]?.theirs?.count ?? 0)
    vaults[id, default: SharedVault()].theirs = tips
    return vaults.count <= Session.vaultLimit && tipCount <= Session.tipLimit
  }

  /// Notes that the peer has these tips, too, of a vault that it announced.
  mutating func learnMore(_ id: VaultID, _ tips: Tips) -> Bool {
    guard let theirs = vaults[id]?.theirs else { return true }
    return learn(id, theirs.merging(tips) { $1 })
  }

  /// Forgets a vault; whether the peer had been told of it.
  mutating func forget(_ id: VaultID) -> Bool {
    guard let known = vaults.removeValue(forKey: id) else { return false }
    tipCount -= known.theirs?.count ?? 0
    return known.announced != nil
  }

  mutating func nextJob() -> Job? {
    if jobs.announces {
      jobs.announces = false
      return .announce
    }
    // Who may read and write is what everybody must know first.
    if !jobs.wantedMembers.isEmpty { return .answerMembers(jobs.wantedMembers.removeFirst()) }
    // Own news then: it is small, and somebody waits for it.
    if !jobs.changed.isEmpty { return .change(jobs.changed.removeFirst()) }
    if !jobs.wanted.isEmpty { return .answer(jobs.wanted.removeFirst()) }
    if !jobs.pushed.isEmpty { return .push(jobs.pushed.removeFirst()) }
    if !jobs.dismissed.isEmpty { return .dismiss(jobs.dismissed.removeFirst()) }
    return nil
  }
}

extension [VaultID] {
  /// Appends what is not there yet.
  mutating func include(_ vault: VaultID) { if !contains(vault) { append(vault) } }
}
