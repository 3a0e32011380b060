import CLinux
import GitStore
import Glibc
import Synchronization
import Vault

/// Watches, by inotify(7), the branches of mounted vaults and the folder of vaults for what other processes do.
final class RepositoryWatcher: Sendable {
  private let descriptor: Int32
  private let wakeUp: Int32
  private let watches = Mutex<[Int32: Watched]>([:])
  /// By the watch of the directory above the one of a vault's branches, that one's own.
  private let ends = Mutex<[Int32: Int32]>([:])
  private let vaultsWatch: Int32?
  private let node: String

  /// A directory of a vault's branches.
  private struct Watched {
    let vault: String
    /// That of all branches, by its path; nil for `nodes` in it.
    let heads: String?
    /// The branch that moves with each commit of this very process, too: this node's, or `main`, which follows.
    let own: String
  }

  private enum Event {
    case other
    /// A directory was made in the one that is watched.
    case directory
    /// A directory in the one that is watched was removed.
    case removal
    /// It is not there any more.
    case end
  }

  private let changed: @Sendable (String, _ isPerhapsOwn: Bool) -> Void
  private let vaultsChanged: @Sendable () -> Void

  /// Watches the folder `vaults`, in which vaults appear, if that matters.
  ///
  /// `changed` is told the name of a vault of which a branch moved, and whether only those did that this node's own commits move.
  init(
    of node: NodeID, vaults: String?, changed: @escaping @Sendable (String, _ isPerhapsOwn: Bool) -> Void,
    vaultsChanged: @escaping @Sendable () -> Void
  ) throws {
    descriptor = inotify_init1(Int32(IN_CLOEXEC))
    wakeUp = clinux_event()
    guard descriptor >= 0, wakeUp >= 0 else {
      throw Failure(.mount, "cannot watch for changes: \(ErrorNumber.text(errno)); raise fs.inotify.max_user_instances")
    }
    self.changed = changed
    self.node = node.description
    self.vaultsChanged = vaultsChanged
    vaultsWatch = if let vaults { try Self.add(vaults, to: descriptor) } else { nil }
  }

  deinit {
    close(descriptor)
    close(wakeUp)
  }

  /// Watches one more vault.
  func watch(_ vault: Vault) throws {
    let heads = "\(vault.repository.path)/refs/heads"
    let watch = try Self.add(heads, to: descriptor)
    watches.withLock { $0[watch] = Watched(vault: vault.name.text, heads: heads, own: "main") }
    // Its end is told by the directory above: an open repository keeps the directory itself from ending.
    let above = unsafe inotify_add_watch(descriptor, "\(vault.repository.path)/refs", UInt32(IN_DELETE))
    if above >= 0 { ends.withLock { $0[above] = watch } }
    try watchNodes(below: heads, of: vault.name.text)
  }

  /// Watches the directory `nodes`, unless it is not there: git takes it away when it has packed what is in it, and writers make it again.
  private func watchNodes(below heads: String, of vault: String) throws {
    let watch = unsafe inotify_add_watch(descriptor, "\(heads)/nodes", UInt32(IN_MOVED_TO))
    guard watch >= 0 || errno == ENOENT else {
      throw Failure(.mount, "cannot watch for changes: \(ErrorNumber.text(errno)); raise fs.inotify.max_user_watches")
    }
    guard watch >= 0 else { return }
    watches.withLock { $0[watch] = Watched(vault: vault, heads: nil, own: node) }
  }

  private static func add(_ directory: String, to descriptor: Int32) throws -> Int32 {
    unsafe mkdir(directory, 0o700)
    let watch = unsafe inotify_add_watch(descriptor, directory, UInt32(IN_MOVED_TO | IN_CREATE))
    guard watch >= 0 else {
      throw Failure(.mount, "cannot watch for changes: \(ErrorNumber.text(errno)); raise fs.inotify.max_user_watches")
    }
    return watch
  }

  /// Begins to call back, from a thread of its own.
  func start() { BackgroundThread.start { [self] in run() } }

  /// Ends the thread; a call that is under way goes on.
  func stop() {
    var one: UInt64 = 1
    _ = unsafe write(wakeUp, &one, 8)
  }

  private func run() {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      var polled = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0),
      ]
      guard unsafe poll(&polled, 2, -1) >= 0 || errno == EINTR else { return }
      if polled[1].revents != 0 { return }
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { continue }
      // Of each vault, whether only branches of ours moved.
      var vaults: [String: Bool] = [:]
      var folderChanged = false
      for (watch, event, name) in events(in: buffer[..<count]) {
        if event == .end {
          forget(watch)
          continue
        }
        if event == .removal {
          if name == "heads", let ended = ends.withLock({ $0.removeValue(forKey: watch) }) { forget(ended) }
          continue
        }
        // -1 is an overflow of the queue: anything may have changed.
        if watch == -1 {
          for watched in watches.withLock({ $0.values }) { vaults[watched.vault] = false }
          folderChanged = true
        } else if watch == vaultsWatch {
          folderChanged = true
        } else if let watched = watches.withLock({ $0[watch] }) {
          vaults[watched.vault] = vaults[watched.vault] != false && event == .other && name == watched.own
          guard event == .directory, let heads = watched.heads else { continue }
          do { try watchNodes(below: heads, of: watched.vault) } catch { complain(error) }
        }
      }
      for (vault, isPerhapsOwn) in vaults { changed(vault, isPerhapsOwn) }
      if folderChanged { vaultsChanged() }
      // Our own commits move branches too: a look for each would cost a busy writer more than it is worth.
      var stopping = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)]
      if unsafe poll(&stopping, 1, 2) > 0 { return }
    }
  }

  private func complain(_ error: any Error) {
    Console.complain("changes of others are not watched for any more: \((error as? Failure)?.sentence ?? "\(error)")")
  }

  /// A directory is gone; it is not made again, as its repository may be being removed.
  private func forget(_ watch: Int32) {
    guard let gone = watches.withLock({ $0.removeValue(forKey: watch) }), gone.heads != nil else { return }
    Console.complain("the vault \(gone.vault) is gone, and not watched any more")
  }

  /// The watch of each event, what it means, and the name in the directory: `struct inotify_event` is wd, mask, cookie, len (4 bytes
  /// each), then len bytes of name, filled up with NUL.
  private func events(in bytes: ArraySlice<UInt8>) -> [(watch: Int32, event: Event, name: String)] {
    func word(_ offset: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }
    var events: [(watch: Int32, event: Event, name: String)] = []
    var offset = 0
    while offset + 16 <= bytes.count {
      let mask = word(offset + 4)
      let event: Event =
        mask & UInt32(IN_IGNORED) != 0
        ? .end : mask & UInt32(IN_DELETE) != 0 ? .removal : mask & UInt32(IN_ISDIR) != 0 ? .directory : .other
      let end = min(bytes.count, offset + 16 + Int(word(offset + 12)))
      let name = String(decoding: bytes[(offset + 16)..<end].prefix { $0 != 0 }, as: UTF8.self)
      events.append((Int32(bitPattern: word(offset)), event, name))
      offset = end
    }
    return events
  }
}
