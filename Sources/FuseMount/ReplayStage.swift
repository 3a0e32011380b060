internal import FuseBridge
internal import Synchronization

/// What the replayer is doing, by which the handlers know its requests and how to answer them.
final class ReplayStage: Sendable {
  /// What a lookup by the replayer is to find.
  enum Finding {
    case absent
    case subject(Subject)
    /// What there is.
    case present
  }

  /// Guarded by `scene`.
  private struct Scene {
    var replay: Replay?
    /// Directories that are no more, by their place.
    var graves: [Spot: Subject] = [:]
    /// Whether the replayer looked up, and so the kernel holds, what is to be removed or moved.
    var isFound = false
  }

  /// The replayer's thread while it repeats something, else 0.
  private let thread = Atomic<UInt32>(0)
  private let scene = Mutex(Scene())

  /// Whether the replayer asks.
  @inline(__always)
  func isActor(of request: Request) -> Bool {
    let thread = thread.load(ordering: .acquiring)
    return thread != 0 && request.thread == thread
  }

  /// Begins a replay by the calling thread.
  func enter(_ replay: Replay, graves: [Spot: Subject]) {
    scene.withLock { $0 = Scene(replay: replay, graves: graves) }
    thread.store(fb_thread(), ordering: .releasing)
  }

  func leave() { thread.store(0, ordering: .releasing) }

  /// What the replayer is to find at `spot`.
  func look(at spot: Spot) -> Finding {
    scene.withLock { scene in
      switch scene.replay {
      case .create(spot, _), .move(_, spot, _): return .absent
      case .remove(spot, let subject, _), .move(spot, _, let subject):
        scene.isFound = true
        return .subject(subject)
      default: return scene.graves[spot].map(Finding.subject) ?? .present
      }
    }
  }

  /// Whether the kernel must not remember that a name is absent in `directory`.
  func needsLookup(in directory: UInt64) -> Bool {
    guard thread.load(ordering: .acquiring) != 0 else { return false }
    return scene.withLock { $0.replay?.spots.contains { $0.directory == directory } ?? false }
  }

  /// The replay that is being made, and whether the kernel holds its subject.
  var current: (replay: Replay, isFound: Bool)? {
    scene.withLock { scene in scene.replay.map { ($0, scene.isFound) } }
  }
}
