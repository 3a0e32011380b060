import Foundation
import Synchronization
import TestSupport
import Testing

/// kill -9 of a mount's process while several writers work: what a call had returned for is there after the next mount.
///
/// Eight keynodes of 25 kills each. Which changes are made, and after how many of them the kill comes, is the seed's.
@Suite("Killed mounts") struct KillTests {
  private static let kills = 25

  @Test(arguments: 1...8)
  func `no returned change is lost, and git finds nothing wrong, after each of 25 kills`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let installation = try Installation()
    try installation.mount()
    let writers = (0..<4).map { Writer("\(installation.mountPoint)/default/w\($0)", seed: seed &* 100 &+ $0) }
    for writer in writers { try writer.begin() }
    for kill in 1...KillTests.kills {
      let returned = DispatchSemaphore(value: 0)
      let ended = DispatchGroup()
      let process = try installation.mountProcess()
      for writer in writers { writer.start(returned: returned, ended: ended) }
      for _ in 0..<Int.random(in: 0...40, using: &generator) {
        #expect(returned.wait(timeout: .now() + 20) == .success)
      }
      // Not at the moment of a return alone: the next changes are on their way.
      usleep(UInt32.random(in: 0...4000, using: &generator))
      #expect(Foundation.kill(process.identifier, SIGKILL) == 0)
      #expect(ended.wait(timeout: .now() + 20) == .success, "a writer hangs on the dead mount")
      process.waitForEnd()

      let fsck = try Program.run(["git", "-C", installation.repository(), "fsck", "--strict", "--no-dangling"])
      #expect(fsck.status == 0 && fsck.errors.isEmpty && fsck.text.isEmpty, "kill \(kill): \(fsck.errors)\(fsck.text)")
      try installation.mount()
      for writer in writers {
        let flaws = try writer.reconcile()
        #expect(flaws.isEmpty, "seed \(seed), kill \(kill): \(flaws)")
      }
    }
    try installation.unmount()
    try installation.polykey("verify", "default")
  }
}

/// One writer in a directory of its own, which knows what must be there.
private final class Writer: Sendable {
  /// A change that was asked for and has not returned: it may have been made or not.
  private enum Change {
    case write(String, new: [UInt8])
    case save(String, new: [UInt8])
    case makeDirectory(String)
    case remove(String)
    case removeDirectory(String)
  }

  private struct State {
    var generator: SeededGenerator
    var files: [String: [UInt8]] = [:]
    var directories: Set<String> = []
    var pending: Change?
  }

  private let directory: String
  private let state: Mutex<State>

  init(_ directory: String, seed: UInt64) {
    self.directory = directory
    state = Mutex(State(generator: SeededGenerator(seed: seed)))
  }

  func begin() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false) }

  /// Makes changes on a thread of its own until one fails; signals `returned` for each that returned.
  func start(returned: DispatchSemaphore, ended: DispatchGroup) {
    ended.enter()
    Thread {
      while self.state.withLock({ self.step(&$0) }) { returned.signal() }
      ended.leave()
    }.start()
  }

  /// One change; false if it failed, as everything does once the mount is dead.
  private func step(_ state: inout State) -> Bool {
    let change = Writer.choose(&state)
    state.pending = change
    guard make(change) else { return false }
    state.pending = nil
    switch change {
    case .write(let name, let new), .save(let name, let new): state.files[name] = new
    case .makeDirectory(let name): state.directories.insert(name)
    case .remove(let name): state.files[name] = nil
    case .removeDirectory(let name): state.directories.remove(name)
    }
    return true
  }

  private static func choose(_ state: inout State) -> Change {
    let number = Int.random(in: 0..<12, using: &state.generator)
    let file = "f\(number)"
    let directory = "d\(number)"
    switch Int.random(in: 0..<10, using: &state.generator) {
    case 0..<4: return .write(file, new: content(&state.generator))
    case 4..<7: return .save(file, new: content(&state.generator))
    case 7 where state.files[file] != nil: return .remove(file)
    default:
      return state.directories.contains(directory) ? .removeDirectory(directory) : .makeDirectory(directory)
    }
  }

  /// Mostly short, as secrets are; now and then of several parts.
  ///
  /// Never empty: a file that is only opened and closed is committed just after `close` returned, as docs/semantics.md says.
  private static func content(_ generator: inout SeededGenerator) -> [UInt8] {
    let size =
      switch Int.random(in: 0..<40, using: &generator) {
      case 0: 1_200_000
      case 1...3: Int.random(in: 1...100_000, using: &generator)
      default: Int.random(in: 1...1500, using: &generator)
      }
    let seed = UInt8.random(in: 0...255, using: &generator)
    return (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ seed }
  }

  private func make(_ change: Change) -> Bool {
    switch change {
    case .write(let name, let new): write(new, to: name)
    case .save(let name, let new):
      unsafe write(new, to: "\(name)~") && rename("\(directory)/\(name)~", "\(directory)/\(name)") == 0
    case .makeDirectory(let name): unsafe mkdir("\(directory)/\(name)", 0o755) == 0
    case .remove(let name): unsafe unlink("\(directory)/\(name)") == 0
    case .removeDirectory(let name): unsafe rmdir("\(directory)/\(name)") == 0
    }
  }

  private func write(_ bytes: [UInt8], to name: String) -> Bool {
    let descriptor = unsafe open("\(directory)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { return false }
    let count = unsafe bytes.withUnsafeBytes { unsafe Foundation.write(descriptor, $0.baseAddress, $0.count) }
    return close(descriptor) == 0 && count == bytes.count
  }

  /// Compares the directory with what must be there, and takes up what the change on its way came to; returns what is wrong.
  func reconcile() throws -> [String] {
    try state.withLock { state in
      var found: (files: [String: [UInt8]], directories: Set<String>) = ([:], [])
      for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
        var isDirectory: ObjCBool = false
        let path = "\(directory)/\(name)"
        if unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
          found.directories.insert(name)
        } else {
          found.files[name] = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        }
      }
      var flaws: [String] = []
      for name in Set(found.files.keys).union(state.files.keys) {
        let (now, before) = (found.files[name], state.files[name])
        if now != before, !Writer.mayBe(now, at: name, before: before, state.pending) {
          flaws.append("\(name): \(now?.count ?? -1) bytes instead of \(before?.count ?? -1)")
        }
      }
      for name in found.directories.symmetricDifference(state.directories) {
        switch state.pending {
        case .makeDirectory(name), .removeDirectory(name): break
        default: flaws.append("\(name): \(found.directories.contains(name) ? "is there" : "is gone")")
        }
      }
      (state.files, state.directories, state.pending) = (found.files, found.directories, nil)
      return flaws
    }
  }

  /// Whether the change that never returned explains the file.
  private static func mayBe(_ now: [UInt8]?, at name: String, before: [UInt8]?, _ pending: Change?) -> Bool {
    switch pending {
    case .write(name, let new): now.map { new.starts(with: $0) } ?? false
    case .save(name, let new): now == new
    case .remove(name): now == nil
    default: false
    }
  }
}
