import Dispatch
import Foundation
import FuseMount
import Synchronization
import TestSupport
import Testing
import VirtualFS

/// A mount that a test made, gone when its owner goes.
final class MountedSystem: Sendable {
  enum Shape: String, CaseIterable, CustomStringConvertible {
    case single
    case directory

    var description: String { rawValue }
  }

  private let owned: TemporaryDirectory?
  /// A directory beside the mount.
  let scratch: String
  /// What is mounted over.
  let mountPoint: String
  /// Where the (first) volume's files are.
  let path: String
  let backing: MemoryBacking
  let fileSystem: VirtualFileSystem
  let mount: Mount
  private let relay = InvalidationRelay()
  private let ended = DispatchSemaphore(value: 0)
  private let hasEnded = Atomic(false)

  /// Mounts at "mnt" in a directory of its own, or in `parent`.
  ///
  /// Changes from outside wait `patience` nanoseconds for readers.
  init(
    _ shape: Shape = .single, options: MountOptions = MountOptions(), at parent: String? = nil,
    patience: UInt64 = 10_000_000
  ) throws {
    owned = try parent == nil ? TemporaryDirectory() : nil
    scratch = parent ?? owned?.path ?? ""
    mountPoint = scratch + "/mnt"
    try? FileManager.default.createDirectory(atPath: mountPoint, withIntermediateDirectories: false)
    backing = MemoryBacking()
    fileSystem = MountedSystem.fileSystem(
      backing, relay, isReadOnly: options.readOnly, patience: patience,
      root: shape == .single ? nil : ObjectID(high: 1, low: 1))
    switch shape {
    case .single:
      mount = try Mount(at: mountPoint, layout: .single(fileSystem), options: options)
      relay.attach(mount, volume: .single)
      path = mountPoint
    case .directory:
      mount = try Mount(
        at: mountPoint, layout: .directory([Volume(name: [UInt8]("main".utf8), fileSystem: fileSystem)]),
        options: options)
      if let volume = mount.volume(named: [UInt8]("main".utf8)) { relay.attach(mount, volume: volume) }
      path = mountPoint + "/main"
    }
    // A thread of its own: run() blocks.
    Thread.detachNewThread { [mount, ended] in
      do { try mount.run() } catch { print("mount ended with: \(error)") }
      ended.signal()
    }
  }

  static func fileSystem(
    _ backing: MemoryBacking, _ relay: InvalidationRelay, isReadOnly: Bool = false, patience: UInt64 = 10_000_000,
    root: ObjectID? = nil
  ) -> VirtualFileSystem {
    var options = Options()
    options.isReadOnly = isReadOnly
    options.readerPatience = patience
    options.rootIdentity = root
    options.rootMode = 0o755
    (options.rootOwner, options.rootGroup) = (getuid(), getgid())
    let clock = ContinuousClock()
    let start = clock.now
    return VirtualFileSystem(
      backing: backing, options: options,
      now: {
        let now = Date().timeIntervalSince1970
        return Timestamp(seconds: Int64(now), nanoseconds: UInt32(now.truncatingRemainder(dividingBy: 1) * 1e9))
      },
      monotonic: { UInt64((clock.now - start) / .nanoseconds(1)) },
      invalidate: { relay($0) })
  }

  deinit { unmount() }

  /// Ends the mount and waits for it; more than once is harmless.
  func unmount() {
    mount.requestUnmount()
    waitForEnd()
  }

  func waitForEnd() {
    guard !hasEnded.exchange(true, ordering: .relaxed) else { return }
    ended.wait()
    if (try? MountTable.entry(at: mountPoint)) != .some(nil) { Issue.record("a mount is left behind") }
  }

  /// Lets the file system see what the backing's other writer did, and the kernel hear of it.
  func refresh() {
    let done = DispatchSemaphore(value: 0)
    fileSystem.refresh { _ in done.signal() }
    done.wait()
  }
}
