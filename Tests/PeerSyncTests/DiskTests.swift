import TestSupport
import Testing
import Vault

@testable import PeerSync

@Suite("A member's disk") struct DiskTests {
  @Test(.enabled(if: SmallDisk.isPossible, "mounting needs root"))
  func `what would fill it is refused and said, and members and its own writes go on`() throws {
    guard let disk = try SmallDisk(size: "24m") else { return }
    try Program.check(["dd", "if=/dev/zero", "of=\(disk("filler"))", "bs=1M", "count=18", "status=none"])
    let (owner, member) = (try VaultPeer(), try VaultPeer(home: disk("home")) { $0.timing.room = .seconds(1) })
    let id = try owner.found().id
    let vault = try member.join(owner)
    for session in owner.service.sessions { session.connection.close(.closed) }
    #expect(member.wait { member.service.sessions.isEmpty })
    for number in 0..<10 { try owner.write("large \(number)", count: 1 << 20) }
    try #require(owner.vault).rotate()
    let report = try member.service.synchronize(id, with: owner.target, timeout: .seconds(60))
    #expect(report.refused["nodes/\(owner.node)"] == Verdict.noRoom)
    #expect(try vault.membership.commit == #require(owner.vault).membership.commit)
    try member.write("own", count: 100_000)
    #expect(try member.tips()["nodes/\(member.node)"] != nil)
    // Once there is room it comes, without anybody doing anything.
    try Program.check(["rm", disk("filler")])
    let all = try owner.tips()["nodes/\(owner.node)"]
    #expect(member.wait { (try? member.tips()["nodes/\(owner.node)"]) == all })
  }
}
