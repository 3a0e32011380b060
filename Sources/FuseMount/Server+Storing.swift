// The request to store everything now.
internal import Glibc
internal import Synchronization
internal import VirtualFS

extension Server {
  /// An extended attribute of the mount's root: to read it is to have all changes stored durably.
  ///
  /// syncfs(2) does not reach a FUSE file system, and fsync(2) of the root must not take along what others are writing. This one
  /// works through the mount itself, so from wherever that is seen, and tells its outcome.
  static let storeAttribute = "system.polykey.store"

  /// What the attribute's value is once all is stored.
  private static let stored = [UInt8]("stored".utf8)

  /// Has all volumes store what has changed, and then answers; only for the mount's user and root.
  func storeAll(_ request: Request, _ room: Int) {
    let user = request.caller.user
    guard user == getuid() || user == 0 else { return request.fail(VFSError(.notPermitted)) }
    // Only the size is asked for.
    if room == 0 { return request.reply(attribute: Server.stored, room: 0) }
    let fileSystems = volumes.fileSystems
    let rest = StoringRest(fileSystems.count)
    pending.begin()
    let finish: @Sendable (VFSError?) -> Void = { [self] error in
      if let error { request.fail(error) } else { request.reply(attribute: Server.stored, room: room) }
      pending.end()
    }
    if fileSystems.isEmpty { return finish(nil) }
    for fileSystem in fileSystems {
      fileSystem.synchronizeAll { result in
        if let outcome = rest.note(result) { finish(outcome.error) }
      }
    }
  }
}

/// How many volumes have not stored everything yet, and what went wrong.
private final class StoringRest: Sendable {
  private let state: Mutex<(count: Int, error: VFSError?)>

  init(_ count: Int) { state = Mutex((count, nil)) }

  /// Notes that one volume is done; the outcome of all if it was the last.
  func note(_ result: Result<Void, VFSError>) -> (error: VFSError?, Void)? {
    state.withLock { state in
      state.count -= 1
      if case .failure(let error) = result { state.error = error }
      return state.count == 0 ? (state.error, ()) : nil
    }
  }
}
