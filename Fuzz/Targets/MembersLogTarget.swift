import GitStore
import SecretMemory

@testable import Vault

extension FuzzTarget {
  /// What owners, and others, do to the members' log, on whatever they know of it, signed as it should be.
  ///
  /// Three bytes are an act: after which commit, who does what, to whom.
  static let membersLog = FuzzTarget(
    "members-log",
    seeds: {
      // Two owners act at once, one removes the other, and a third is admitted, removed and admitted again.
      [
        [0, 0x10, 1, 1, 0x20, 2, 1, 0x21, 3, 2, 0x40, 1, 3, 0x10, 3], [0, 0x30, 3, 1, 0x40, 3, 2, 0x30, 3, 1, 0x50, 3],
      ]
    },
    read: { bytes in
      var choices = Choices(bytes)
      let quarantine = Quarantine(for: Scratch.repository)
      var acts = [try Act.genesis(in: quarantine)]
      while !choices.isEmpty, acts.count < 24 { acts.append(try Act(&choices, after: acts, in: quarantine)) }
      let genesis = acts[0].state.commit
      var log = try MembershipLog(endingAt: genesis, in: quarantine)
      for act in acts { try? log.take(act.state.commit, in: quarantine) }
      var other = try MembershipLog(endingAt: genesis, in: quarantine)
      for act in acts.reversed() { try? other.take(act.state.commit, in: quarantine) }
      require(log.tip == other.tip && log.lost == other.lost, "whoever knows the same acts has the same log")
      require(log.isAncestor(genesis, of: log.tip), "a log begins with its genesis")
      require(log.current.members.values.contains { $0.role == .owner }, "a vault keeps an owner")
      for node in Act.identities.map(\.node) {
        guard let removal = log.removal(of: node), let after = log.state(at: removal) else {
          require(log.removal(of: node) == nil, "a removal is known")
          continue
        }
        require(log.current.members[node] == nil && after.members[node] == nil, "who was removed is no member")
        require(log.isAncestor(removal, of: log.tip), "a removal is in the log")
      }
    })
}

/// One commit of the members' log, whether it may be made or not.
private struct Act {
  let state: Membership

  static let identities: [Identity] = (1...5).map { (byte: UInt8) in
    do {
      return try unsafe Identity(secret: SecretBytes(copying: [UInt8](repeating: byte, count: 32).span.bytes))
    } catch { preconditionFailure("no identity can be made: \(error)") }
  }

  private init(_ state: Membership) { self.state = state }

  static func genesis(in quarantine: Quarantine) throws -> Act {
    let owner = identities[0]
    let genesis = Genesis(nonce: [UInt8](repeating: 9, count: 32), owner: owner.node, recipient: owner.recipient)
    let description = NewObject(
      kind: .blob, bytes: [UInt8]("polykey vault\nformat 1\nid \(genesis.vault.hex)\n".utf8))
    let entry = NewObject(kind: .blob, bytes: genesis.encoded)
    for blob in [description, entry] { try quarantine.add(blob) }
    let state = Membership(
      vault: genesis.vault, commit: .zero, members: [owner.node: Member(role: .owner, recipient: owner.recipient)],
      removed: [:], keys: [1: .of(.blob, [1])], people: .of(.blob, [2]),
      constants: Membership.Constants(description: description.name, genesis: entry.name), seniority: [:])
    return try Act(state, by: owner, parents: [], in: quarantine)
  }

  init(_ choices: inout Choices, after acts: [Act], in quarantine: Quarantine) throws {
    let parent = acts[Int(choices.byte()) % acts.count].state
    let what = choices.byte()
    let byte = choices.byte()
    let author = Act.identities[Int(what & 7) % Act.identities.count]
    let whom = Act.identities[Int(byte & 7) % Act.identities.count]
    var state = parent
    let role = Role.allCases[Int(byte >> 3) % Role.allCases.count]
    switch what >> 4 {
    case 0: state.people = .of(.blob, [byte])
    case 1, 2, 3:
      state.members[whom.node] = Member(role: what >> 4 == 1 ? .owner : role, recipient: whom.recipient)
      if state.members[whom.node]?.role.mayWrite == true { state.removed[whom.node] = nil }
    case 4, 5, 6:
      state.members[whom.node] = nil
      state.removed[whom.node] = Frontier(tip: byte & 0x80 == 0 ? nil : .of(.blob, [byte]), view: nil)
      state.keys[state.epoch + 1] = .of(.blob, [byte, what])
    // What nobody may do.
    case 7: state.removed[whom.node] = nil
    case 8: state.members[whom.node] = nil
    case 9: state.keys[state.epoch] = nil
    case 10: state.members[whom.node] = Member(role: role, recipient: "age1nothing", since: UInt32(byte))
    case 11: state.removed[whom.node] = Frontier(tip: .of(.blob, [byte]), view: .of(.blob, [byte]))
    default: break
    }
    let again = what & 8 == 0 ? [] : [acts[Int(byte) % acts.count].state.commit]
    try self.init(state, by: author, parents: [parent.commit], again: again, in: quarantine)
  }

  private init(
    _ state: Membership, by author: Identity, parents: [ObjectName], again: [ObjectName] = [], in quarantine: Quarantine
  ) throws {
    var state = state
    let objects = state.encodeTree()
    for object in objects { try quarantine.add(object) }
    guard let root = objects.last else { throw VaultError.notAVault }
    let message = MembersMessage(vault: state.vault, node: author.node, again: again)
    let commit = try SignedCommit(tree: root.name, parents: parents, message: message.encoded, time: 0)
      .object(signedBy: author)
    try quarantine.add(commit)
    state.commit = commit.name
    self.init(state)
  }
}
