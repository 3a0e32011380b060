import Foundation
import Synchronization
import TestSupport
import Testing

/// kill -9 of one of three connected mounts, a hundred times while all write: all converge, and nothing acknowledged is lost.
@Suite("Killed peers") struct PeerKillTests {
  private static let kills = 100

  @Test func `three mounts converge after a hundred kills, and have lost nothing`() throws {
    var generator = SeededGenerator(seed: 8)
    let network = try TestNetwork(3)
    let nodes = try (0..<3).map { try PeerInstallation($0, of: network) }
    try nodes[0].found()
    for node in nodes.dropFirst() { try nodes[0].admit(node, as: "writer") }
    let writers = nodes.map { Writer($0) }
    for kill in 1...PeerKillTests.kills {
      let victim = Int.random(in: 0..<3, using: &generator)
      let process = try nodes[victim].installation.mountProcess()
      let ended = DispatchGroup()
      let returned = DispatchSemaphore(value: 0)
      for writer in writers { writer.start(returned: returned, ended: ended) }
      for _ in 0..<Int.random(in: 0...30, using: &generator) {
        #expect(returned.wait(timeout: .now() + 20) == .success, "kill \(kill): the writers stand still")
      }
      #expect(Foundation.kill(process.identifier, SIGKILL) == 0)
      for writer in writers { writer.stop() }
      #expect(ended.wait(timeout: .now() + 20) == .success, "kill \(kill): a writer hangs")
      process.waitForEnd()
      try nodes[victim].mount()
    }
    try eventually("all show the same") { try Set(nodes.map { try $0.main() }).count == 1 }
    for (index, writer) in writers.enumerated() {
      for (path, value) in writer.acknowledged {
        for node in nodes {
          let found = Int(node.read(path) ?? "")
          #expect(
            found == value || found == writer.pending[path], "node \(index): \(path) is \(String(describing: found))")
        }
      }
    }
    for node in nodes {
      try node.unmount()
      try node.polykey("verify", "team")
      let fsck = try Program.run([
        "git", "-C", node.installation.repository("team"), "fsck", "--strict", "--no-dangling",
      ])
      #expect(fsck.status == 0 && fsck.text.isEmpty, "\(fsck.errors)\(fsck.text)")
    }
  }
}

/// Writes rising numbers into files of its own on one mount, and knows which writes returned.
private final class Writer: Sendable {
  private struct State {
    var next = 1
    var acknowledged: [String: Int] = [:]
    /// What was asked for last and had not returned.
    var pending: [String: Int] = [:]
  }

  private let node: PeerInstallation
  private let state = Mutex(State())
  private let isStopping = Atomic(false)

  init(_ node: PeerInstallation) { self.node = node }

  var acknowledged: [String: Int] { state.withLock { $0.acknowledged } }
  var pending: [String: Int] { state.withLock { $0.pending } }

  func stop() { isStopping.store(true, ordering: .relaxed) }

  /// Writes until it is stopped or a write fails, on a thread of its own.
  func start(returned: DispatchSemaphore, ended: DispatchGroup) {
    isStopping.store(false, ordering: .relaxed)
    ended.enter()
    Thread { [self] in
      while !isStopping.load(ordering: .relaxed) {
        let (path, value) = state.withLock { state -> (String, Int) in
          defer { state.next += 1 }
          let path = "from\(node.host)-\(state.next % 7)"
          state.pending[path] = state.next
          return (path, state.next)
        }
        do { try node.write(path, String(value)) } catch { break }
        state.withLock { state in
          state.acknowledged[path] = value
          state.pending[path] = nil
        }
        returned.signal()
      }
      ended.leave()
    }.start()
  }
}
