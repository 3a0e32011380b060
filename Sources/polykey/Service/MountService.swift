import FuseMount
import GitStore
import Glibc
import PeerSync
import Synchronization
import Vault
import VirtualFS

/// A mount's whole life in this process: opens the vaults, serves them until unmounted, and puts all on disk.
final class MountService: Sendable {
  private let request: MountRequest
  private let keynode: Keynode
  private let mounted = Mutex<[MountedVault]>([])
  private let mount = Mutex<Mount?>(nil)
  /// Of all vaults that are shown.
  fileprivate let numbers = InodeNumbers()
  /// Whether each vault is a directory of the mount.
  fileprivate var showsAll: Bool { request.vault == nil }

  /// Serves `request` until it is unmounted; calls `ready` once the mount is there.
  ///
  /// `ready` is told, a sentence each, of vaults that cannot be shown beside the others.
  static func run(_ request: MountRequest, keynode: Keynode, ready: ([String]) -> Void) throws {
    let service = MountService(request, keynode)
    try service.run(ready: ready)
  }

  private init(_ request: MountRequest, _ keynode: Keynode) {
    self.request = request
    self.keynode = keynode
  }

  private func run(ready: ([String]) -> Void) throws {
    let signals = SignalThread.block()
    setsid()
    unsafe chdir("/")
    notice.begin(try leaveRecord())
    // However it ends: what could not be stored is noted, and who waits hears of it.
    defer { notice.end() }
    let (vaults, missing) = try explained { try openVaults() }
    // Before there is a mount, since a port may be taken.
    let host = try listen()
    defer { host?.stop() }
    let mount = try start(vaults)
    self.mount.withLock { $0 = mount }
    mounted.withLock { $0 = vaults }
    signals.onSignal { [self] in
      stopRequests.add(1, ordering: .relaxed)
      mount.requestUnmount()
    }
    notice.isMounted(mount.device ?? "")
    let (watcher, maintenance): (RepositoryWatcher, Maintenance)
    do {
      (watcher, maintenance) = try attend(vaults, host)
    } catch {
      // Nobody would answer it.
      mount.requestUnmount()
      try? mount.run()
      throw error
    }
    ready(missing)
    let outcome = Result { try mount.run(isToRepeat: isToRepeat) }
    notice.isEnding()
    watcher.stop()
    maintenance.stop()
    // Before all is put on disk: nothing comes in any more.
    host?.stop()
    var failures: [Failure] = []
    if case .failure(let error) = outcome { failures.append(cause(error)) }
    for vault in mounted.withLock({ $0 }) {
      do {
        try vault.finish()
      } catch {
        failures.append(Failure(error))
      }
    }
    notice.isOver(failures.first)
    for failure in failures.dropFirst() { Console.complain(failure.sentence) }
    if let failure = failures.first { throw unsaved(failure) }
  }

  private func leaveRecord() throws -> MountRecord.Held? {
    do {
      return try MountRecord.leave(request, at: keynode.paths)
    } catch {
      // Reading needs no byte of the keynode's disk.
      guard request.options.readOnly else { throw error }
      return nil
    }
  }

  private func cause(_ error: any Error) -> Failure {
    guard let error = error as? MountError, case .notSaved(let cause) = error else {
      return Failure(.mount, "\(error)")
    }
    return Failure(cause, "")
  }

  private func unsaved(_ cause: Failure) -> Failure {
    Failure(cause.status, "\(request.directory): the last changes could not be stored: \(cause.sentence)")
  }

  /// How often a signal has asked for the end.
  private let stopRequests = Atomic(0)
  private let repeats = Atomic(0)

  /// Whether to try once more to store what could not be stored; waits before it says so.
  ///
  /// Who unmounts by other means than ours does not wait: changes are kept and tried until they are stored, or a signal comes. A signal
  /// is an order, perhaps of a machine that goes down: 5 seconds more.
  private func isToRepeat(_ error: MountError, isGone: Bool) -> Bool {
    notice.isEnding(cause(error))
    let repeats = repeats.add(1, ordering: .relaxed).newValue
    if repeats == 1 { Console.complain("\(unsaved(cause(error)).sentence) (it goes on trying)") }
    let stops = stopRequests.load(ordering: .relaxed)
    guard stops < 2, stops == 0 && isGone || repeats <= 10 else { return false }
    for _ in 0..<50 where stopRequests.load(ordering: .relaxed) == stops { usleep(10_000) }
    return true
  }

  /// What others are told of this mount.
  private let notice = MountNotice()

  fileprivate func isStored() { notice.isStored() }
  fileprivate func isUnstored(_ error: VaultError) { notice.isUnstored(Failure(error)) }

  /// Watches and looks after what is mounted, and shares it with peers.
  private func attend(_ vaults: [MountedVault], _ host: PeerHost?) throws -> (RepositoryWatcher, Maintenance) {
    let watcher = try RepositoryWatcher(
      of: keynode.identity.node, vaults: request.vault == nil ? keynode.paths.vaults : nil,
      changed: { [self] vault, isPerhapsOwn in refresh(vault, isPerhapsOwn: isPerhapsOwn) },
      vaultsChanged: { [self] in findVaults() })
    for vault in vaults { try watcher.watch(vault.vault) }
    self.watcher.withLock { $0 = watcher }
    watcher.start()
    // What was committed before the watch was set.
    for vault in vaults { vault.refresh() }
    for vault in vaults { host?.add(vault.vault) }
    let maintenance = try Maintenance(
      { [self] in mounted.withLock { $0.map(\.vault) } }, acknowledged: { host?.changed($0) })
    if !request.options.readOnly { maintenance.start() }
    return (watcher, maintenance)
  }

  private let watcher = Mutex<RepositoryWatcher?>(nil)
  private let host = Mutex<PeerHost?>(nil)

  private func listen() throws -> PeerHost? {
    guard !request.isOffline else { return nil }
    let host = try PeerHost(keynode, listenAt: request.listen) { [weak self] id in self?.refresh(id) }
    self.host.withLock { $0 = host }
    return host
  }

  /// Shows what came from a peer.
  private func refresh(_ id: VaultID) { mounted.withLock { $0 }.first { $0.vault.id == id }?.refresh() }

  /// Tells peers of a commit that was made through the mount.
  fileprivate func committed(_ vault: Vault) {
    host.withLock { $0 }?.service.vaultChanged(vault.id, membersChanged: false)
  }

  /// Opens what is to be shown; one damaged vault does not keep the others away, but fails if it is alone.
  private func openVaults() throws -> (vaults: [MountedVault], missing: [String]) {
    let names = if let vault = request.vault { [vault] } else { try Keynode.vaults(at: keynode.paths) }
    var vaults: [MountedVault] = []
    var missing: [String] = []
    var failure: VaultError?
    for name in names {
      do {
        vaults.append(try MountedVault(name, of: keynode, options: request.options, service: self))
      } catch let error as VaultError {
        failure = error
        missing.append("the vault \(name.text) is not mounted: \(Failure(error).sentence)")
      }
    }
    if let failure, vaults.isEmpty {
      // By another copy of the keynode, or one whose state was deleted meanwhile.
      if case .vaultMounted = failure { throw Failure(.mount, Failure(failure).sentence) }
      throw failure
    }
    return (vaults, missing)
  }

  private func start(_ vaults: [MountedVault]) throws -> Mount {
    var options = request.options
    options.source = request.vault?.text
    do {
      if let vault = vaults.first, request.vault != nil {
        return try Mount(at: request.directory, layout: .single(vault.fileSystem), options: options)
      }
      return try Mount(
        at: request.directory, layout: .directory(vaults.map { Volume(name: $0.nameBytes, fileSystem: $0.fileSystem) }),
        options: options)
    } catch {
      throw Failure(.mount, "\(request.directory): \(error)")
    }
  }

  /// Shows what another process committed to a vault.
  private func refresh(_ vault: String, isPerhapsOwn: Bool) {
    guard let found = mounted.withLock({ $0 }).first(where: { $0.vault.name.text == vault }) else { return }
    // A commit through this mount, as most are, is shown and told already.
    if isPerhapsOwn, found.isOwnBranchShown { return }
    found.refresh()
    host.withLock { $0 }?.changed(found.vault)
  }

  /// Takes up vaults that were made, and lets go of ones that were removed, while all are mounted.
  private func findVaults() {
    guard let mount = mount.withLock({ $0 }), let names = try? Keynode.vaults(at: keynode.paths) else { return }
    let known = mounted.withLock { $0.map(\.vault.name) }
    for name in names where !known.contains(name) {
      do {
        let vault = try MountedVault(name, of: keynode, options: request.options, service: self)
        _ = try mount.add(Volume(name: vault.nameBytes, fileSystem: vault.fileSystem))
        mounted.withLock { $0.append(vault) }
        try watcher.withLock { $0 }?.watch(vault.vault)
        vault.refresh()
        host.withLock { $0 }?.add(vault.vault)
      } catch let error as VaultError {
        Console.complain("a new vault is not mounted: \(Failure(error).sentence)")
      } catch {
        Console.complain("a new vault is not mounted: \(error)")
      }
    }
  }

  /// Passes on what became stale in the kernel's caches.
  func invalidate(_ stale: [Invalidation], of vault: VaultName) {
    guard let mount = mount.withLock({ $0 }) else { return }
    let volume = request.vault == nil ? mount.volume(named: [UInt8](vault.text.utf8)) : .single
    if let volume { mount.invalidate(stale, volume: volume) }
  }
}

/// One vault while it is mounted.
final class MountedVault: Sendable {
  let vault: Vault
  let fileSystem: VirtualFileSystem
  private let backing: VaultBacking
  private let lock: MountLock
  private let isReadOnly: Bool

  init(_ name: VaultName, of keynode: Keynode, options: MountOptions, service: MountService) throws {
    let vault = try keynode.openVault(name)
    lock = try MountLock(repository: keynode.paths.repository(of: name))
    backing = try VaultBacking(vault) { [weak service] in
      service?.isStored()
      service?.committed(vault)
    } onFailure: { [weak service] in
      service?.isUnstored($0)
    }
    var settings = FileSystemOptions.standard(readOnly: options.readOnly)
    settings.readerPatience = 1_000_000_000
    settings.accessTimes = options.accessTimes
    settings.numbers = service.numbers
    if service.showsAll {
      let word = { (range: Range<Int>) in vault.id.bytes[range].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
      settings.rootIdentity = ObjectID(high: word(0..<8), low: word(8..<16))
    }
    fileSystem = VirtualFileSystem(
      backing: backing, options: settings, now: Clocks.now, monotonic: Clocks.monotonic,
      invalidate: { [weak service] in service?.invalidate($0, of: name) })
    fileSystem.populate(try backing.nodes())
    fileSystem.setReadOnly(vault.role?.mayWrite != true)
    fileSystem.restoreKept(try backing.keptNodes())
    if !options.readOnly { vault.prepareForWriting() }
    self.vault = vault
    isReadOnly = options.readOnly
  }

  var nameBytes: [UInt8] { [UInt8](vault.name.text.utf8) }

  /// Whether this node's branch is where this mount put it.
  var isOwnBranchShown: Bool { backing.isOwnBranchShown }

  func refresh() {
    let isBehind = backing.isBehind
    // This node's role may have changed; also if a write has shown the rest already.
    fileSystem.setReadOnly(vault.role?.mayWrite != true)
    guard isBehind else { return }
    fileSystem.refresh { result in
      if case .failure(let error) = result { Console.complain("an outside change is not shown: \(error.sentence)") }
    }
  }

  /// After the mount is gone: nothing changes any more.
  func finish() throws(VaultError) {
    defer { lock.release() }
    // A full disk, or one that cannot be written, has nothing of a mount that only read.
    if !isReadOnly { try vault.finish() }
  }
}
