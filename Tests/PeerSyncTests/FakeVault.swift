import GitStore
import Vault

@testable import PeerSync

/// A vault of branches in memory: each a chain of commits whose names are hashes of their parents' and their payloads.
final class FakeVault: ExchangedVault {
  struct Commit: Sendable {
    let name: ObjectName
    let payload: [UInt8]
  }

  struct State: Sendable {
    var members: Set<NodeID>
    var branches: [String: [Commit]] = [:]
    /// Branches of which updates are refused.
    var refuses: Set<String> = []
    /// Updates taken, and commits in them that were there already.
    var updates = 0
    var superfluous = 0
    /// Commits that came in updates.
    var received = 0
    /// While set, receivers do not go on.
    var isStuck = false
    /// Sees every question of who is a member.
    var questions = 0
    /// Members that may not write.
    var replicas: Set<NodeID> = []
    /// What a byte of a pack becomes.
    var expansion = 1
    /// Payload bytes in an update that is being fed, at most.
    var pieceSize = 1 << 20
  }

  let vault: VaultID
  let state: Watched<State>

  init(_ number: UInt8 = 1, members: Set<NodeID>) {
    vault = VaultID(bytes: [UInt8](repeating: number, count: 32))
    state = Watched(State(members: members))
  }

  /// Appends a commit to the branch of `node` and returns its name.
  @discardableResult
  func commit(_ payload: [UInt8], by node: NodeID) -> ObjectName { commit(payload, to: "nodes/\(node.text)") }

  @discardableResult
  func commit(_ payload: [UInt8], to branch: String) -> ObjectName {
    state.update { state in
      let commit = FakeVault.commit(payload, after: state.branches[branch]?.last?.name)
      state.branches[branch, default: []].append(commit)
      return commit.name
    }
  }

  static func commit(_ payload: [UInt8], after parent: ObjectName?) -> Commit {
    Commit(name: .of(.blob, (parent?.bytes ?? []) + payload), payload: payload)
  }

  func has(_ name: ObjectName) -> Bool {
    state.read { $0.branches.values.contains { $0.contains { $0.name == name } } }
  }

  /// Waits until `name` is here.
  func wait(for name: ObjectName, seconds: Int = 20) -> Bool {
    state.wait(until: .after(.seconds(seconds))) { state in
      state.branches.values.contains { $0.last?.name == name } ? true : nil
    } ?? false
  }

  // MARK: ExchangedVault

  func admits(_ node: NodeID) -> Bool {
    state.update { state in
      state.questions += 1
      return state.members.contains(node)
    }
  }

  var isMember: Bool { true }
  func isWriter(_ node: NodeID) -> Bool { state.read { !$0.replicas.contains(node) } }

  // Removal is tested with real vaults.
  func hasRemoved(_ node: NodeID) -> Bool { false }
  func farewell(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws {}

  func tips() throws(VaultError) -> [String: ObjectName] { state.read { $0.branches.compactMapValues(\.last?.name) } }

  func outgoing(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws {
    try send(to: have, sink) { _ in true }
  }

  func outgoingMembers(to node: NodeID, have: [String: ObjectName], sink: any UpdateSink) throws {
    try send(to: have, sink) { $0 == "members" }
  }

  private func send(to have: [String: ObjectName], _ sink: any UpdateSink, _ isWanted: (String) -> Bool) throws {
    let (all, size) = state.read { ($0.branches, $0.pieceSize) }
    let branches = all.filter { isWanted($0.key) }
    var pack: [UInt8] = []
    var tips: [String: ObjectName] = [:]
    for (branch, commits) in branches.sorted(by: { $0.key < $1.key }) {
      var missing = commits[...]
      if let tip = have[branch] {
        // One that we do not know is ahead of us.
        guard let index = commits.firstIndex(where: { $0.name == tip }) else { continue }
        missing = commits[(index + 1)...]
      }
      for commit in missing {
        pack += [UInt8(branch.utf8.count)] + branch.utf8
        pack += stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: commit.payload.count >> $0) }
        pack += commit.payload
        tips[branch] = commit.name
      }
    }
    guard !tips.isEmpty else { return }
    try sink.begin(tips)
    for start in stride(from: 0, to: pack.count, by: size) {
      try sink.chunk([UInt8](pack[start..<min(start + size, pack.count)]))
    }
    try sink.end()
  }

  func receive(from node: NodeID) throws(VaultError) -> any UpdateReceiver { Receiver(self) }

  final class Receiver: UpdateReceiver {
    private let vault: FakeVault
    private var pack: [UInt8] = []

    init(_ vault: FakeVault) { self.vault = vault }

    var inflated: Int { vault.state.read { $0.expansion } * pack.count }

    func feed(_ bytes: [UInt8]) throws(VaultError) {
      _ = vault.state.wait { $0.isStuck ? nil : true }
      pack += bytes
    }

    func finish(_ tips: [String: ObjectName]) throws(VaultError) -> Admission {
      var new: [String: [[UInt8]]] = [:]
      var rest = pack[...]
      while let count = rest.popFirst() {
        guard rest.count >= Int(count) + 4 else { throw .vaultMissing }
        let branch = String(decoding: rest.prefix(Int(count)), as: UTF8.self)
        rest = rest.dropFirst(Int(count))
        let size = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(4)
        guard rest.count >= size else { throw .vaultMissing }
        new[branch, default: []].append([UInt8](rest.prefix(size)))
        rest = rest.dropFirst(size)
      }
      let payloads = new
      return vault.state.update { state in
        state.updates += 1
        var admission = Admission()
        for (branch, tip) in tips {
          if state.refuses.contains(branch) {
            admission.refused[branch] = "not to be had"
            continue
          }
          for payload in payloads[branch] ?? [] {
            state.received += 1
            let commits = state.branches[branch] ?? []
            let commit = FakeVault.commit(payload, after: commits.last?.name)
            if commits.contains(where: { $0.payload == payload }) {
              state.superfluous += 1
            } else {
              state.branches[branch, default: []].append(commit)
            }
          }
          if state.branches[branch]?.last?.name == tip {
            admission.moved[branch] = tip
          } else {
            admission.refused[branch] = "does not lead there"
          }
        }
        return admission
      }
    }
  }
}
