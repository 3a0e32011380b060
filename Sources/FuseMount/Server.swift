internal import FuseBridge
internal import VirtualFS

/// What the request handlers share; they are in the `Server+Topic.swift` files.
final class Server: Sendable {
  let volumes: VolumeTable
  let pending = PendingReplies()
  let stage = ReplayStage()
  /// Seconds that the kernel may keep entries and attributes, absent ones too; it is told when they change.
  let timeout: Double
  let cachesListings: Bool
  private let openFlags: UInt32

  init(volumes: VolumeTable, kernelCache: Bool) {
    self.volumes = volumes
    timeout = kernelCache ? 3600 : 0
    cachesListings = kernelCache
    openFlags = kernelCache ? UInt32(FB_OPEN_KEEP_CACHE) : 0
  }

  /// The server that a handler's first argument points to.
  static func of(_ context: UnsafeMutableRawPointer) -> Server {
    // SAFETY: the mount keeps its server until the session, and with it every handler, has ended.
    unsafe Unmanaged<Server>.fromOpaque(context).takeUnretainedValue()
  }

  /// FB_OPEN flags for a file opened for writing or not: what only read has nothing to commit when it is closed.
  func openFlags(writes: Bool) -> UInt32 {
    writes ? openFlags : openFlags | UInt32(FB_OPEN_NO_FLUSH)
  }

  /// Calls `body`, which answers unless it throws, with the place of the kernel's inode `node`.
  @inline(__always)
  func serve(_ request: Request, at node: UInt64, _ body: (Place) throws(VFSError) -> Void) {
    do throws(VFSError) {
      try body(volumes.place(of: node))
    } catch {
      request.fail(error)
    }
  }

  /// A reply that answers `request` with success or the error.
  func reply(to request: Request) -> Reply<Void> {
    pending.begin()
    return { [self] result in
      switch result {
      case .success: request.succeed()
      case .failure(let error): request.fail(error)
      }
      pending.end()
    }
  }

  /// A reply that answers `request` with a new entry of `place`'s volume.
  func replyEntry(to request: Request, of place: Place) -> Reply<Entry> {
    pending.begin()
    return { [self] result in
      switch result {
      case .success(let entry): answer(request, entry, of: place)
      case .failure(let error): request.fail(error)
      }
      pending.end()
    }
  }

  /// A reply that answers `request` with an open file of `place`'s volume; perhaps when a change from outside has landed.
  func replyOpen(to request: Request, of place: Place, options: OpenOptions) -> Reply<HandleID> {
    pending.begin()
    return { [self] result in
      switch result {
      case .success(let handle):
        let file = OpenFile(handle: handle, appends: options.append)
        let isTaken = request.reply(
          handle: file.wire, flags: openFlags(writes: options.write || options.truncate))
        if !isTaken { place.fileSystem.release(handle) }
      case .failure(let error): request.fail(error)
      }
      pending.end()
    }
  }

  func replyCount(to request: Request) -> Reply<Int> {
    pending.begin()
    return { [self] result in
      switch result {
      case .success(let count): request.reply(written: count)
      case .failure(let error): request.fail(error)
      }
      pending.end()
    }
  }

  func replyAttributes(to request: Request, of place: Place) -> Reply<Attributes> {
    pending.begin()
    return { [self] result in
      switch result {
      case .success(let attributes):
        // The kernel takes this size for newer than any that it hears of meanwhile, so a file's is for once.
        request.reply(attributes: place.wire(attributes), timeout: attributes.kind == .regular ? 0 : timeout)
      case .failure(let error): request.fail(error)
      }
      pending.end()
    }
  }

  /// Answers with an entry, whose lookup is taken back if the kernel did not take it.
  func answer(_ request: Request, _ entry: Entry, of place: Place) {
    if !request.reply(entry: place.wire(entry.attributes), timeout: timeout, nameTimeout: timeout) {
      place.fileSystem.forget(entry.attributes.inode, lookups: 1)
    }
  }
}

/// Copies a C string of the kernel's into a checked name.
func name(_ text: UnsafePointer<CChar>) throws(VFSError) -> Name { try unsafe Name(bytes(text)) }

/// Lends the bytes of a C string without its NUL.
func bytes(_ text: UnsafePointer<CChar>) -> UnsafeRawBufferPointer {
  var count = 0
  while unsafe text[count] != 0 { count += 1 }
  return unsafe UnsafeRawBufferPointer(start: text, count: count)
}
