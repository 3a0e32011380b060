internal import Dispatch
internal import Synchronization
internal import VirtualFS

/// The one thread that tells the kernel what to forget.
///
/// The kernel may block it behind a request that is being served, so no handler may wait for it, and it holds no lock
/// while it notifies.
final class Notifier: Sendable {
  /// One thing to forget, in the kernel's inode numbers.
  enum Notice: Sendable {
    case inode(UInt64, attributesOnly: Bool)
    case entry(parent: UInt64, name: [UInt8])
    case deleted(parent: UInt64, child: UInt64, name: [UInt8])
    /// The kernel holds nothing of an inode's older content any more.
    case confirmed(InodeID, VolumeID)
    /// All before was told: watchers may hear of it.
    case replay([Invalidation], VolumeID)
  }

  /// Guarded by `state`.
  private struct State {
    var queue: [Notice] = []
    var isStopping = false
    var thread: ServiceThread?
  }

  private let state = Mutex(State())
  private let arrived = DispatchSemaphore(value: 0)
  private let session: Session
  private let volumes: VolumeTable
  private let replayer: Replayer?

  init(session: Session, volumes: VolumeTable, replayer: Replayer?) {
    self.session = session
    self.volumes = volumes
    self.replayer = replayer
  }

  func start() throws(MountError) {
    let thread = try ServiceThread { [self] in run() }
    state.withLock { $0.thread = thread }
  }

  /// Enqueues and returns at once; notices after ``stop()`` are dropped.
  func post(_ notices: [Notice]) {
    state.withLock { if !$0.isStopping { $0.queue += notices } }
    arrived.signal()
  }

  /// Ends the thread; while handlers still run, as its last notice may wait for one.
  func stop() {
    let thread = state.withLock { state in
      state.isStopping = true
      state.queue = []
      return state.thread.take()
    }
    arrived.signal()
    thread?.join()
  }

  private func run() {
    while true {
      arrived.wait()
      let (notices, isStopping) = state.withLock { state in
        defer { state.queue = [] }
        return (state.queue, state.isStopping)
      }
      if isStopping { return }
      notices.forEach(tell)
    }
  }

  private func tell(_ notice: Notice) {
    switch notice {
    case .inode(let node, let attributesOnly): session.notifyInode(node, attributesOnly: attributesOnly)
    case .entry(let parent, let name): session.notifyEntry(name, in: parent)
    case .deleted(let parent, let child, let name): session.notifyDeleted(name, of: child, in: parent)
    case .confirmed(let inode, let volume): volumes.fileSystem(volume)?.confirm(inode)
    case .replay(let invalidations, let volume): replayer?.post(invalidations, of: volume)
    }
  }
}

extension Notifier.Notice {
  /// What the kernel must forget for `invalidation` of `volume`, which watchers hear of by a replay if it `isReplayed`.
  static func notices(for invalidation: Invalidation, of volume: VolumeID, isReplayed: Bool) -> [Self] {
    func node(_ inode: InodeID) -> UInt64 { VolumeTable.node(inode, of: volume) }
    switch invalidation {
    // Pages too, also of an open file: who opens it next may meet none that is older than the content. This waits for a
    // read that is being answered.
    case .inode(let inode, .content, _):
      return [.inode(node(inode), attributesOnly: false), .confirmed(inode, volume)]
    case .inode(let inode, _, _): return [.inode(node(inode), attributesOnly: true)]
    case .waiting: return []
    case .entry(let change):
      let (parent, name) = (node(change.parent), change.name.bytes)
      // A removal that is replayed ends the watches of the inode when those of its directory have heard of it. What has
      // made room for another is told here.
      if let before = change.before, change.isGone, !isReplayed || change.after != nil {
        return [.deleted(parent: parent, child: node(before.inode), name: name)]
      }
      return [.entry(parent: parent, name: name)]
    }
  }
}
