internal import Dispatch
internal import Synchronization
internal import VirtualFS

/// The thread that calls each file system's `tick` once a second.
final class Ticker: Sendable {
  private let volumes: VolumeTable
  private let stopping = DispatchSemaphore(value: 0)
  private let thread = Mutex<ServiceThread?>(nil)

  init(volumes: VolumeTable) { self.volumes = volumes }

  func start() throws(MountError) {
    let started = try ServiceThread { [self] in
      while stopping.wait(timeout: .now() + .seconds(1)) == .timedOut {
        for fileSystem in volumes.fileSystems { fileSystem.tick() }
      }
    }
    thread.withLock { $0 = started }
  }

  /// Ends the thread, after a tick that it is in.
  func stop() {
    stopping.signal()
    thread.withLock { $0.take() }?.join()
  }
}
