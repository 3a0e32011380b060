internal import Dispatch
internal import Synchronization
internal import VirtualFS

/// The thread that lets changes from outside land when they have waited long enough for readers.
///
/// It never waits for anything but the time: opens wait for it.
final class Settler: Sendable {
  /// Guarded by `state`.
  private struct State {
    var isStopping = false
    var thread: ServiceThread?
  }

  private let state = Mutex(State())
  private let woken = DispatchSemaphore(value: 0)
  private let volumes: VolumeTable

  init(volumes: VolumeTable) { self.volumes = volumes }

  func start() throws(MountError) {
    let thread = try ServiceThread { [self] in run() }
    state.withLock { $0.thread = thread }
  }

  /// Something waits that did not before.
  func wake() { woken.signal() }

  func stop() {
    let thread = state.withLock { state in
      state.isStopping = true
      return state.thread.take()
    }
    woken.signal()
    thread?.join()
  }

  private func run() {
    while !state.withLock({ $0.isStopping }) {
      if let delay = volumes.fileSystems.compactMap({ $0.settle() }).min() {
        _ = woken.wait(timeout: .now() + .nanoseconds(Int(clamping: delay)))
      } else {
        woken.wait()
      }
    }
  }
}
