import GitStore
import TestSupport
import Testing
import Vault

@testable import PeerSync

/// Who was removed is told exactly that, gets nothing else, and can give nothing.
@Suite("Removal") struct RemovalTests {
  /// An owner, and a member that has all of its vault.
  private func pair(configure: (inout PeerConfiguration) -> Void = { _ in }) throws -> (VaultPeer, VaultPeer, VaultID) {
    let (owner, member) = (try VaultPeer(configure: configure), try VaultPeer())
    let id = try owner.found().id
    try owner.write("before")
    _ = try member.join(owner)
    return (owner, member, id)
  }

  /// Removes the member, without telling anybody, and goes on with the log and the data; returns the commit that removed it.
  private func remove(_ member: VaultPeer, from owner: VaultPeer) throws -> ObjectName {
    let vault = try #require(owner.vault)
    try vault.remove(member.node)
    let removal = vault.membership.commit
    try vault.rotate()
    try owner.write("after")
    return removal
  }

  @Test func `an inviter that is no member gets nothing of the vault that it names`() throws {
    let (owner, member, id) = try pair()
    _ = try remove(member, from: owner)
    // Who was removed invites the owner, and says that it is to the vault that it was removed from.
    let clone = try VaultClone(of: id, as: try VaultName("v"), at: owner.keynode)
    #expect(clone.vault != nil)
    let replicated = ReplicatedVault(clone, from: member.node)
    #expect(!replicated.admits(member.node))
    let stranger = try Identity().node
    #expect(!ReplicatedVault(clone, from: stranger).admits(stranger))
  }

  @Test func `on a live connection, at once`() throws {
    let (owner, member, id) = try pair()
    member.service.connect(to: owner.target)
    let vault = try #require(member.vault)
    #expect(member.wait { member.service.sessions.count == 1 })
    let removal = try remove(member, from: owner)
    owner.service.vaultChanged(id)
    #expect(member.wait { vault.role == nil })
    #expect(vault.membership.commit == removal)
    #expect(owner.wait { owner.service.sessions.isEmpty } && member.wait { member.service.sessions.isEmpty })
    for (branch, tip) in try owner.tips() where branch != "nodes/\(member.node)" { #expect(try !member.has(tip)) }
    // It does not come back by itself, and says why.
    #expect(throws: PeerSyncError.removed) {
      try member.service.synchronize(id, with: owner.target, timeout: .seconds(20))
    }
    #expect(!VaultExchange(vault).admits(owner.node))
  }

  @Test func `when it dials later, up to the commit that removed it and no further`() throws {
    let (owner, member, id) = try pair()
    owner.service.sessions.first?.connection.close(.closed)
    #expect(member.wait { member.service.sessions.isEmpty } && owner.wait { owner.service.sessions.isEmpty })
    let vault = try #require(member.vault)
    try member.write("late")
    let removal = try remove(member, from: owner)
    let before = try owner.tips()
    #expect(throws: PeerSyncError.removed) {
      try member.service.synchronize(id, with: owner.target, timeout: .seconds(20))
    }
    #expect(vault.role == nil && vault.membership.commit == removal)
    #expect(try owner.tips() == before)
    for (_, tip) in before { #expect(try !member.has(tip) || tip == before["nodes/\(member.node)"]) }
    // What it had is still there, and still its own.
    #expect(try vault.repository.resolve("refs/heads/main") != nil)
    #expect(owner.wait { owner.service.sessions.isEmpty })
  }

  @Test func `whatever it asks and sends, it gets no data, no later members, and moves nothing`() throws {
    let (owner, member, id) = try pair { $0.timing.handshake = .seconds(2) }
    owner.service.sessions.first?.connection.close(.closed)
    #expect(owner.wait { owner.service.sessions.isEmpty })
    let late = try member.write("late")
    let removal = try remove(member, from: owner)
    let before = try owner.tips()
    let raw = try RawPeer.introduced(to: owner.address, as: member.keynode.identity)
    // As if it had nothing, and had what it cannot have; each twice.
    raw.send(.want(id, [:]))
    raw.send(.announce(id, [:]))
    raw.send(.announce(id, before))
    raw.send(.want(id, before))
    for _ in 0..<2 {
      raw.send(.updateBegin(id, late))
      raw.send(.updateData([1, 2, 3]))
      raw.send(.updateEnd)
    }
    #expect(raw.wait(for: .updateEnd))
    // It neither answers nor goes: the time for an introduction is all that it has.
    #expect(raw.waitForEnd())
    try expectFarewell(raw.frames, of: id, at: removal, notHaving: before)
    #expect(try owner.tips() == before)
    #expect(owner.service.sessions.isEmpty)
  }

  /// One update of the members' branch up to `removal`, and nothing else.
  private func expectFarewell(
    _ frames: [Frame], of id: VaultID, at removal: ObjectName, notHaving tips: [String: ObjectName]
  ) throws {
    var pack: [UInt8] = []
    var begun = 0
    for frame in frames {
      switch frame {
      case .hello(let hello): #expect(hello.program.isEmpty && hello.addresses.isEmpty)
      case .updateBegin(let vault, let tips):
        begun += 1
        #expect(vault == id && tips == ["members": removal])
      case .updateData(let bytes): pack += bytes
      case .updateEnd, .ping, .pong: break
      default: Issue.record("it got \(frame.kind)")
      }
    }
    #expect(begun == 1)
    let directory = try TemporaryDirectory(inMemory: true)
    let quarantine = Quarantine(for: try Repository.create(at: directory("r.git")))
    let reader = try quarantine.packReader()
    try reader.feed(pack)
    try reader.finish()
    #expect(quarantine.isReceived(removal))
    for tip in tips.values { #expect(!quarantine.isReceived(tip)) }
    for name in quarantine.names where try quarantine.kind(name) == .commit {
      #expect(String(decoding: try quarantine.commit(name).message, as: UTF8.self).hasPrefix("polykey members"))
    }
  }

  @Test func `a member of another vault is told once, and goes on there`() throws {
    let (owner, member, id) = try pair()
    owner.service.sessions.first?.connection.close(.closed)
    #expect(owner.wait { owner.service.sessions.isEmpty })
    let other = FakeVault(9, members: [owner.node, member.node])
    owner.service.add(other)
    let removal = try remove(member, from: owner)
    let raw = try RawPeer.introduced(to: owner.address, as: member.keynode.identity)
    #expect(raw.wait(for: .ready))
    raw.send(.announce(id, [:]))
    raw.send(.announce(id, [:]))
    #expect(raw.wait(for: .updateEnd))
    raw.send(.updateResult(Admission(moved: ["members": removal])))
    raw.send(.updateBegin(id, ["members": .of(.blob, [1])]))
    raw.send(.updateEnd)
    #expect(raw.wait(for: .updateResult))
    raw.send(.want(other.vault, [:]))
    #expect(raw.wait(for: .current))
    #expect(raw.frames.count { $0 == .updateBegin(id, ["members": removal]) } == 1)
    #expect(raw.frames.contains(.updateResult(Admission(refused: ["members": "not exchanged with you"]))))
    #expect(owner.service.sessions.count == 1)
  }

  @Test func `who was never a member is told nothing`() throws {
    let (owner, member, id) = try pair()
    _ = try remove(member, from: owner)
    let raw = try RawPeer.introduced(to: owner.address, as: try Identity())
    raw.send(.announce(id, [:]))
    #expect(raw.waitForEnd())
    #expect(raw.kinds == [.hello])
  }

  @Test func `it may join again, with a code`() throws {
    let (owner, member, id) = try pair()
    owner.service.sessions.first?.connection.close(.closed)
    let ours = try #require(owner.vault)
    _ = try remove(member, from: owner)
    _ = try? member.service.synchronize(id, with: owner.target, timeout: .seconds(20))
    #expect(member.vault?.role == nil)
    owner.service.setJoinHandler { [recipient = member.keynode.identity.recipient] _, node in
      do {
        try ours.admit(node, as: .reader, recipient: recipient)
        return .joined(id, name: "v")
      } catch {
        return .refused(JoinRefusal(.unavailable, "\(error)"))
      }
    }
    let request = JoinRequest(token: [UInt8](1...16), recipient: "age1x", label: "", addresses: [])
    let answer = try member.service.join(request, at: [owner.address], expecting: owner.node)
    #expect(answer == .joined(id, name: "v"))
    let vault = try member.fetch(id, from: owner)
    #expect(vault.role == .reader)
    #expect(try member.tips()["nodes/\(owner.node)"] == owner.tips()["nodes/\(owner.node)"])
  }
}
