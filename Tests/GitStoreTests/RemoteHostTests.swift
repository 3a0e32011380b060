import Foundation
import GitStore
import TestSupport
import Testing

@Suite("Remote repositories on other hosts", .serialized, .enabled(if: getuid() == 0, "sshd needs root"))
struct RemoteHostTests {
  /// What a visitor of the server sees; in a process of its own, as libgit2 reads `HOME` once.
  private static func failure(_ address: String, _ home: String, agent: String = "") -> GitError? {
    unsafe setenv("HOME", home, 1)
    if agent.isEmpty { unsafe unsetenv("SSH_AUTH_SOCK") } else { unsafe setenv("SSH_AUTH_SOCK", agent, 1) }
    do {
      let sample = try Sample()
      _ = try RemoteRepository(at: address, from: sample.repository).heads()
      return nil
    } catch {
      return error as? GitError
    }
  }

  @Test func `over ssh what is new is fetched and pushed, hosts and keys are checked`() async throws {
    let server = try SSHServer()
    let (source, head) = try PackReaderTests.historic(seed: 95)
    try source.git("branch", "old", "main~4")
    let address = "ssh://root@127.0.0.1:\(server.port)\(source.path)"
    let home = server.home

    _ = try server.directory.write([], to: "home/.ssh/known_hosts")
    await #expect(processExitsWith: .success) { [address = address as String, home = home as String] in
      #expect(Self.failure(address, home) == .remote(.hostNotTrusted))
    }
    try server.trust("other")
    await #expect(processExitsWith: .success) { [address = address as String, home = home as String] in
      #expect(Self.failure(address, home) == .remote(.hostNotTrusted))
    }
    try server.trust("host")
    await #expect(processExitsWith: .success) { [address = address as String, home = home as String] in
      #expect(Self.failure(address, home) == .remote(.notAuthenticated))
    }
    // Its key from an agent, then from a file.
    let agent = server.directory("agent")
    // Without the descriptor by which Foundation sees that a program has ended, which the agent would keep open.
    let script = "for fd in $(seq 3 99); do eval exec $fd'>&-'; done; ssh-agent -s -a \(agent)"
    let started = try Program.check(["bash", "-c", script]).text
    let digits = started.split(separator: "SSH_AGENT_PID=").last?.prefix { $0.isNumber } ?? ""
    let agentProcess = try #require(Int32(digits))
    defer { kill(agentProcess, SIGTERM) }
    try Program.check(["ssh-add", "-q", server.directory("home/key")], environment: ["SSH_AUTH_SOCK": agent])
    await #expect(processExitsWith: .success) {
      [address = address as String, home = home as String, agent = agent as String] in
      #expect(Self.failure(address, home, agent: agent) == nil)
    }
    try Program.check(["cp", server.directory("home/key"), server.directory("home/.ssh/id_ed25519")])
    await #expect(processExitsWith: .success) { [address = address as String, home = home as String] in
      #expect(Self.failure(address, home) == nil)
      #expect(Self.failure(address + ".none", home) == .remote(.refused))
    }
    await #expect(processExitsWith: .success) {
      [address = address as String, home = home as String, head = head.hex as String] in
      unsafe setenv("HOME", home, 1)
      try Self.exchange(address, head: try #require(ObjectName(hex: head)))
    }
    #expect(try source.git("rev-parse", "refs/heads/pushed^") == head.hex)
    #expect(try source.fsck().isEmpty)
  }

  private static func exchange(_ address: String, head: ObjectName) throws {
    let sample = try Sample()
    let repository = sample.repository
    let remote = try RemoteRepository(at: address, from: repository)
    #expect(try remote.heads().count == 3)
    let quarantine = Quarantine(for: repository)
    func admit(_ count: Int, _ head: RemoteRepository.Head) throws {
      #expect(quarantine.names.count == count)
      try quarantine.admit(quarantine.names)
      try repository.updateReference(head.name, from: nil, to: head.object, durability: .processCrash)
      #expect(try sample.fsck().isEmpty)
    }
    try admit(32, try #require(try remote.fetch(["refs/heads/old"], into: quarantine).first))
    // The other side learned what is here, and sends a thin pack.
    try admit(16, try #require(try remote.fetch(["refs/heads/main"], into: quarantine).first))
    var limits = PackLimits()
    limits.objectCount = 3
    let other = try Sample()
    #expect(throws: GitError.packTooLarge) {
      try RemoteRepository(at: address, from: other.repository).fetch(
        ["refs/heads/main"], into: Quarantine(for: other.repository), limits: limits)
    }

    let objects = Sample.commit(contents: [1, 2, 3], parents: [head])
    try repository.write(objects, durability: .processCrash)
    let fork = Sample.commit(contents: [4], parents: [])
    try repository.write(fork, durability: .processCrash)
    func push(_ name: String, _ object: ObjectName) -> RemoteRepository.Push {
      RemoteRepository.Push(name: "refs/heads/\(name)", object: object)
    }
    let outcomes = try remote.push([
      push("pushed", objects[3].name), push("main", fork[3].name), push("old", head), push("main/below", head),
    ])
    #expect(outcomes["refs/heads/pushed"] == .updated)
    #expect(outcomes["refs/heads/main"] == .notFastForward)
    #expect(outcomes["refs/heads/old"] == .updated)
    guard case .rejected(let reason) = outcomes["refs/heads/main/below"] else {
      Issue.record("a branch below another was taken")
      return
    }
    #expect(!reason.isEmpty && reason.utf8.count <= 200)
    #expect(try remote.push([push("pushed", objects[3].name)]) == ["refs/heads/pushed": .upToDate])
  }
}
