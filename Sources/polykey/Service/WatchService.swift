import Dispatch
import GitStore
import Glibc
import Synchronization
import Vault
import VirtualFS

/// The process of `polykey watch`: waits until branches move, tells which secrets that changed, and acts.
final class WatchService: Sendable {
  private let addresses: [Address]
  private let action: WatchAction
  private let keynode: Keynode
  private let wakeUps = DispatchSemaphore(value: 0)
  private let isStopping = Atomic(false)
  /// What runs because of a change.
  private let child = Mutex<Child?>(nil)

  /// A burst ends when so long nothing came, or after the second time in any case.
  private static let quiet = DispatchTimeInterval.milliseconds(5)
  private static let patience = DispatchTimeInterval.milliseconds(25)

  init(_ addresses: [Address], _ action: WatchAction, _ keynode: Keynode) {
    (self.addresses, self.action, self.keynode) = (addresses, action, keynode)
  }

  /// Watches until a signal ends it.
  func run() throws {
    let signals = SignalThread.block()
    let watcher = try RepositoryWatcher(
      of: keynode.identity.node, vaults: nil, changed: { [wakeUps] _, _ in wakeUps.signal() }, vaultsChanged: {})
    let vaults = try Set(addresses.map(\.vault)).sorted().map { name throws in
      try ObservedVault(name, of: keynode, watcher: watcher)
    }
    signals.onSignal { [self] in stop() }
    watcher.start()
    defer { watcher.stop() }
    for address in addresses {
      let isThere = vaults.contains { $0.vault.name == address.vault && $0.shows(address.path) }
      Console.tell("watching \(address.text)\(isThere ? "" : ", which is not there yet")")
    }
    // What came before the watch was set is in what was read; what came since has a wake-up.
    while true {
      wakeUps.wait()
      let deadline = DispatchTime.now() + WatchService.patience
      while DispatchTime.now() < deadline, wakeUps.wait(timeout: min(deadline, .now() + WatchService.quiet)) == .success
      {}
      if isStopping.load(ordering: .relaxed) { return }
      let changes = vaults.flatMap(changes)
      if !changes.isEmpty { action.perform(for: changes) { child in self.child.withLock { $0 = child } } }
      if isStopping.load(ordering: .relaxed) { return }
    }
  }

  /// Waits until the mounts of this machine show the changes, too: who is told reads the file there.
  private func waitForMounts(of observed: ObservedVault, _ paths: [[UInt8]]) {
    let name = observed.vault.name.text
    let deadline = DispatchTime.now() + .milliseconds(500)
    for mount in MountRecord.all(of: keynode.paths) where (mount.vault ?? name) == name && mount.isAlive {
      let directory = [UInt8]((mount.vault == nil ? "\(mount.directory)/\(name)/" : "\(mount.directory)/").utf8)
      for path in paths {
        let node = observed.node(at: path)
        // A directory's time in a mount is that of its entries.
        if case .directory = node?.body { continue }
        let wanted = node?.modified
        while FileTime.modified(directory + path) != wanted, DispatchTime.now() < deadline { usleep(500) }
      }
    }
  }

  private func stop() {
    isStopping.store(true, ordering: .relaxed)
    child.withLock { if let child = $0 { _ = kill(child.identifier, SIGTERM) } }
    wakeUps.signal()
  }

  /// What changed in a vault of what is watched.
  private func changes(in observed: ObservedVault) -> [WatchedChange] {
    let name = observed.vault.name
    // Of one that was removed the watcher tells.
    guard unsafe access("\(observed.vault.repository.path)/HEAD", F_OK) == 0 else { return [] }
    let watched = addresses.filter { $0.vault == name }.map(\.path)
    do {
      let paths = try explained { try observed.changedPaths() }
        .filter { path in watched.contains { ObservedVault.path(path, isAtOrBelow: $0) } }
      waitForMounts(of: observed, paths)
      return paths.map { WatchedChange(vault: name.text, path: $0) }
    } catch {
      Console.complain("\(name.text): a change cannot be seen: \((error as? Failure)?.sentence ?? "\(error)")")
      return []
    }
  }
}

/// When files were modified.
private enum FileTime {
  /// The time of what is at a path, not of what it points to; nil if nothing is there.
  static func modified(_ path: [UInt8]) -> Timestamp? {
    let text = path.map { CChar(bitPattern: $0) } + [0]
    var status = stat()
    guard unsafe lstat(text, &status) == 0 else { return nil }
    return Timestamp(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(status.st_mtim.tv_nsec))
  }
}
