internal import Dispatch
internal import FuseBridge
internal import Glibc
internal import Synchronization
internal import VirtualFS

/// The thread that repeats changes from outside below the mount, so that programs that watch with inotify are told.
///
/// Linux tells watchers of nothing but system calls. The change is applied already and the kernel's caches are told of
/// it; the calls made here are answered by the handlers in `Server+Replays.swift`, which know this thread and change
/// nothing. They wait for workers, so nothing that a worker waits for may wait for this thread.
final class Replayer: Sendable {
  /// Guarded by `state`.
  private struct State {
    var queue = ReplayQueue()
    var isStopping = false
    var thread: ServiceThread?
  }

  /// Tries of a replay that others disturb.
  private static let tries = 10

  private let state = Mutex(State())
  private let arrived = DispatchSemaphore(value: 0)
  private let server: Server
  private let session: Session
  private let path: String
  private let device: UInt64

  /// A replayer for what has just been mounted at the absolute path `path`; nil if that is gone already.
  init?(server: Server, session: Session, at path: String) {
    guard let device = ReplayDirectory.device(at: path) else { return nil }
    self.server = server
    self.session = session
    self.path = path
    self.device = device
  }

  func start() throws(MountError) {
    let thread = try ServiceThread { [self] in run() }
    state.withLock { $0.thread = thread }
  }

  /// Enqueues and returns at once; what comes after ``stop()`` is dropped.
  func post(_ invalidations: [Invalidation], of volume: VolumeID) {
    state.withLock { state in
      guard !state.isStopping else { return }
      for invalidation in invalidations { state.queue.add(invalidation, of: volume) }
    }
    arrived.signal()
  }

  /// Ends the thread, after the replay that it is in; while handlers still run, as they answer it.
  func stop() {
    let thread = state.withLock { state in
      state.isStopping = true
      return state.thread.take()
    }
    arrived.signal()
    thread?.join()
  }

  private func run() {
    while true {
      arrived.wait()
      guard let round = state.withLock({ $0.isStopping ? nil : $0.queue.take() }) else { return }
      if round.replays.isEmpty { continue }
      guard let root = try? ReplayDirectory.root(at: path, device: device, in: server.volumes) else { continue }
      var last = root
      for replay in round.replays {
        if state.withLock({ $0.isStopping }) { return }
        perform(replay, round, root, &last)
      }
    }
  }
}

// MARK: one replay
extension Replayer {
  private func perform(
    _ replay: Replay, _ round: ReplayRound, _ root: ReplayDirectory, _ last: inout ReplayDirectory
  ) {
    defer { server.stage.leave() }
    for turn in 1...Replayer.tries {
      guard server.volumes.isDue(replay) else { return }
      do throws(MountError) {
        let spots = try spots(of: replay)
        var ways: [ReplayWay] = []
        for spot in spots {
          guard let way = ReplayWay(to: spot.directory, in: server.volumes, graves: round.graves) else { return }
          ways.append(way)
        }
        server.stage.enter(replay, graves: ways.reduce(into: [:]) { $0.merge($1.graves) { old, _ in old } })
        var directories: [ReplayDirectory] = []
        for way in ways {
          if last.node != way.directory { last = try root.open(way, device: device) }
          directories.append(last)
        }
        // The kernel believes the answers' sizes and times, also if there is a newer content when it gets to read them.
        let subject = try? server.volumes.place(of: replay.subject.node)
        let isHeld = subject.map { $0.fileSystem.hold($0.inode) } ?? false
        defer { if let subject, isHeld { subject.fileSystem.confirm(subject.inode) } }
        try call(replay, spots, directories.map(\.descriptor), isLast: turn == Replayer.tries)
        return
      } catch .system(EACCES) {
        // The kernel's modes are the true ones; it gets others when it asks for this thread.
        for spot in (try? spots(of: replay)) ?? [] { session.notifyInode(spot.directory, attributesOnly: true) }
        session.notifyInode(replay.subject.node, attributesOnly: true)
      } catch {
        // Another's lookup was faster, and is remembered. From now on, none is.
        for spot in replay.spots { session.notifyEntry(spot.name, in: spot.directory) }
      }
    }
  }

  /// The entries that a replay's system call names.
  private func spots(of replay: Replay) throws(MountError) -> [Spot] {
    if !replay.spots.isEmpty { return replay.spots }
    let node = replay.subject.node
    guard let place = try? server.volumes.place(of: node) else { throw .system(errno: ENOENT) }
    if let entry = place.fileSystem.place(of: place.inode) {
      return [Spot(directory: place.node(entry.parent), name: entry.name.bytes)]
    }
    guard place.inode == .root else { throw .system(errno: ENOENT) }
    return [Spot(directory: node, name: [UInt8(ascii: ".")])]
  }

  private func call(_ replay: Replay, _ spots: [Spot], _ at: [Int32], isLast: Bool) throws(MountError) {
    let code = unsafe withCString(spots[0].name) { name in
      switch replay {
      case .create(_, let subject):
        let attributes = attributes(of: subject)
        // Of a file with several names only one would be its creation.
        if subject.kind == .regular, attributes?.links == 1 {
          return unsafe fb_repeat_create(at[0], name, attributes?.size == 0 ? 0 : 1)
        }
        return unsafe fb_repeat_make(at[0], name, fb_attributes(kind: subject.kind, mode: 0).mode)
      case .remove(_, let subject, _):
        return unsafe fb_repeat_remove(at[0], name, subject.kind == .directory ? 1 : 0)
      case .move(_, let to, let subject):
        // Where the kernel knows a directory's new place already it is moved back before, as it cannot be meanwhile.
        if subject.kind == .directory { close(unsafe fb_open_directory(at[0], name)) }
        return unsafe withCString(to.name) { unsafe fb_repeat_rename(at[0], name, at[1], $0) }
      case .write(let subject):
        guard attributes(of: subject)?.kind == .regular else { return unsafe fb_repeat_times(at[0], name, 0) }
        let code = unsafe fb_repeat_write(at[0], name)
        // A program that is running, a lease: the change of content can still be told, if not the closing.
        return code == 0 || code == -EACCES && !isLast ? code : unsafe fb_repeat_times(at[0], name, 0)
      case .setAttributes: return unsafe fb_repeat_times(at[0], name, 1)
      }
    }
    guard code >= 0 else { throw .system(errno: -code) }
  }

  private func attributes(of subject: Subject) -> Attributes? {
    guard let place = try? server.volumes.place(of: subject.node) else { return nil }
    return try? place.fileSystem.attributes(of: place.inode)
  }
}
