internal import Synchronization
package import VirtualFS

/// Passes what a file system calls stale on to the mount that is made for it later.
///
/// Give ``callAsFunction(_:)`` to the file system, then attach the mount. Until then there is nothing to tell, as no
/// kernel has seen anything.
package final class InvalidationRelay: Sendable {
  /// Guarded by `target`.
  private struct Target {
    weak var mount: Mount?
    var volume = VolumeID.single
  }

  private let target = Mutex(Target())

  package init() {}

  package func attach(_ mount: Mount, volume: VolumeID) {
    target.withLock { $0 = Target(mount: mount, volume: volume) }
  }

  package func callAsFunction(_ invalidations: [Invalidation]) {
    let (mount, volume) = target.withLock { ($0.mount, $0.volume) }
    mount?.invalidate(invalidations, volume: volume)
  }
}
