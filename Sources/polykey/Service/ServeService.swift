import Dispatch
import Glibc
import PeerSync
import Synchronization
import Vault

/// The process of `polykey serve`: vaults that are exchanged and not shown.
final class ServeService: Sendable {
  private let keynode: Keynode
  private let names: [VaultName]
  private let vaults = Mutex<[Vault]>([])
  private let watcher = Mutex<RepositoryWatcher?>(nil)

  /// Serves the vaults `names`; without any all there are, also those that come.
  init(_ keynode: Keynode, names: [VaultName]) throws {
    self.keynode = keynode
    self.names = names
  }

  /// Serves until a signal ends it; a vault that was named and cannot be opened is a failure.
  func run(listenAt addresses: [PeerAddress]) throws {
    let signals = SignalThread.block()
    let host = try PeerHost(keynode, listenAt: addresses) { _ in }
    let watcher = try RepositoryWatcher(
      of: keynode.identity.node, vaults: names.isEmpty ? keynode.paths.vaults : nil,
      changed: { [self] name, _ in vaults.withLock { $0 }.first { $0.name.text == name }.map(host.changed) },
      vaultsChanged: { [self] in try? open(host) })
    self.watcher.withLock { $0 = watcher }
    try open(host)
    let maintenance = try Maintenance({ [self] in vaults.withLock { $0 } }, acknowledged: host.changed)
    maintenance.start()
    watcher.start()
    for address in host.service.listening.flatMap(LocalAddresses.reachable) { Console.tell("listening at \(address)") }
    let isOver = DispatchSemaphore(value: 0)
    signals.onSignal { isOver.signal() }
    isOver.wait()
    watcher.stop()
    maintenance.stop()
    host.stop()
    for vault in vaults.withLock({ $0 }) { try explained { try vault.finish() } }
  }

  /// Takes up the vaults that are there and not served yet; throws only for those that were named.
  private func open(_ host: PeerHost) throws {
    let wanted = names.isEmpty ? (try? Keynode.vaults(at: keynode.paths)) ?? [] : names
    let known = Set(vaults.withLock { $0.map(\.name) })
    for name in wanted where !known.contains(name) {
      do {
        let vault = try keynode.openVault(name)
        vaults.withLock { $0.append(vault) }
        host.add(vault)
        try watcher.withLock { $0 }?.watch(vault)
      } catch let error as VaultError {
        let failure = Failure(error)
        let sentence = "the vault \(name.text) is not served: \(failure.sentence)"
        if !names.isEmpty { throw Failure(failure.status, sentence) }
        Console.complain(sentence)
      } catch {
        Console.complain("the vault \(name.text) is not served: \(error)")
      }
    }
  }
}
