internal import Dispatch
internal import FuseBridge
internal import Synchronization
package import VirtualFS

/// One mounted directory, from the mount until the process has let go of it.
package final class Mount: Sendable {
  /// What the directory shows.
  package enum Layout: Sendable {
    /// The file system itself.
    case single(VirtualFileSystem)
    /// A read-only directory with a subdirectory for each volume.
    case directory([Volume])
  }

  /// The directory's absolute path.
  package let directory: String
  /// The file system's number, as ``MountTable/Entry/device``; nil if the table cannot be read.
  package let device: String?
  private let options: MountOptions
  private let volumes: VolumeTable
  private let server: Server
  private let session: Session
  private let notifier: Notifier
  /// Nil if the mount is read-only, where nothing can be repeated.
  private let replayer: Replayer?
  private let ticker: Ticker
  private let settler: Settler
  /// Whether ``run()`` has taken over the duty to unmount.
  private let hasRun = Atomic(false)

  /// Mounts; programs that enter the directory wait until ``run()`` serves them.
  ///
  /// Heals a mount of polykey's whose process is gone. An ordinary user's mount is made by fusermount3.
  package init(at directory: String, layout: Layout, options: MountOptions) throws(MountError) {
    self.options = options
    switch layout {
    case .single(let fileSystem): volumes = VolumeTable(single: fileSystem)
    case .directory(let list):
      volumes = VolumeTable(single: nil)
      for volume in list { _ = try volumes.add(volume) }
    }
    self.directory = try MountPoint.prepare(directory, options: options)
    server = Server(volumes: volumes, kernelCache: options.kernelCache)
    session = try Session(server: server, options: options, at: self.directory)
    device = (try? MountTable.topmost(at: self.directory))?.device
    replayer = options.readOnly ? nil : Replayer(server: server, session: session, at: self.directory)
    notifier = Notifier(session: session, volumes: volumes, replayer: replayer)
    ticker = Ticker(volumes: volumes)
    settler = Settler(volumes: volumes)
    for fileSystem in volumes.fileSystems { fileSystem.startConfirming() }
  }

  deinit { if !hasRun.load(ordering: .acquiring) { detach() } }

  /// Serves until the directory is unmounted, by ``requestUnmount()``, umount(8) or fusermount3; once.
  ///
  /// Blocks. When it returns all changes are stored durably, all requests are answered, and the mount is gone; what still
  /// has files open below gets ENOTCONN.
  ///
  /// `isToRepeat` is asked when changes cannot be stored, as long as it says so; it may wait. It is also told whether the mount
  /// was ended by somebody else, who waits for nothing.
  ///
  /// - Throws: ``MountError/notSaved(_:)``; ``MountError/system(errno:)`` if threads cannot be made.
  package func run(isToRepeat: (MountError, _ isGone: Bool) -> Bool = { _, _ in false }) throws(MountError) {
    precondition(!hasRun.exchange(true, ordering: .acquiringAndReleasing), "a mount is served once")
    var failure: MountError?
    var isGone = true
    do throws(MountError) {
      try session.start(threads: min(max(options.threads, 2), 64))
      try notifier.start()
      try replayer?.start()
      try ticker.start()
      try settler.start()
      isGone = session.wait()
      ticker.stop()
      notifier.stop()
      replayer?.stop()
      if !isGone {
        // While requests are still served: dirty pages of mappings reach the file system.
        _ = unsafe fb_syncfs(directory)
      }
    } catch {
      ticker.stop()
      notifier.stop()
      replayer?.stop()
      failure = error
    }
    session.stop()
    settler.stop()
    // syncfs(2) does not wait for the writes that it starts, and each answer lets the kernel queue another. A commit's
    // thread may answer, too: the connection is closed only when all is answered. Who goes on asking is cut off.
    for _ in 0..<100 {
      let isQueued = session.drain()
      for fileSystem in volumes.fileSystems { fileSystem.stopWaiting() }
      server.pending.wait()
      if !isQueued { break }
    }
    while let unsaved = synchronizeAll() {
      if isToRepeat(unsaved, isGone) { continue }
      failure = unsaved
      break
    }
    detach()
    if let failure { throw failure }
  }

  /// Takes the mount from its directory, if it is there, and closes the connection.
  ///
  /// After a lazy unmount, or where only others still hold it, something else may be mounted at the directory.
  private func detach() {
    let found = (try? MountTable.topmost(at: directory))?.device
    if device == nil || found == device { session.unmount() } else { session.abandon() }
  }

  /// Lets ``run()`` end; may be called from any thread and from a signal handler, more than once.
  package func requestUnmount() { session.wake() }

  /// Shows another volume, at once; only in ``Layout/directory(_:)``.
  ///
  /// - Throws: ``MountError/duplicateVolume``, ``MountError/invalidVolumeName`` or ``MountError/tooManyVolumes``.
  package func add(_ volume: Volume) throws(MountError) -> VolumeID {
    volume.fileSystem.startConfirming()
    let id = try volumes.add(volume)
    announce(volume.name)
    return id
  }

  /// Takes a volume away and commits its changes; returns whether there was one.
  ///
  /// What is open in it gets ESTALE.
  @discardableResult
  package func remove(volumeNamed name: [UInt8]) -> Bool {
    guard let fileSystem = volumes.remove(named: name) else { return false }
    announce(name)
    fileSystem.stopWaiting()
    // An error shows when the file system's owner synchronizes it; here nobody could be told.
    fileSystem.synchronizeAll { _ in }
    return true
  }

  /// The volume of this name; nil if there is none.
  package func volume(named name: [UInt8]) -> VolumeID? { volumes.volume(named: name) }

  /// Makes the kernel forget what an external change made stale, and then tells those who watch with inotify; returns at
  /// once, from any thread.
  package func invalidate(_ invalidations: [Invalidation], volume: VolumeID) {
    let notices = invalidations.flatMap {
      Notifier.Notice.notices(for: $0, of: volume, isReplayed: replayer != nil)
    }
    notifier.post(notices + [.replay(invalidations, volume)])
    settler.wake()
  }

  private func announce(_ name: [UInt8]) {
    notifier.post([.entry(parent: 1, name: name), .inode(1, attributesOnly: true)])
  }

  private func synchronizeAll() -> MountError? {
    let failure = Mutex<MountError?>(nil)
    let done = DispatchSemaphore(value: 0)
    let fileSystems = volumes.fileSystems
    for fileSystem in fileSystems {
      fileSystem.finish { result in
        if case .failure(let error) = result { failure.withLock { $0 = .notSaved(error) } }
        done.signal()
      }
    }
    for _ in fileSystems { done.wait() }
    return failure.withLock { $0 }
  }
}
