/// Called exactly once per request, with its result, from any thread and perhaps before the request's call returns.
///
/// The file system holds no lock while it calls it.
public typealias Reply<Value> = @Sendable (Result<Value, VFSError>) -> Void

/// A complete POSIX file system in memory over a ``Backing``.
///
/// All names and attributes are in memory; contents are loaded when they are read and dropped again. Every method may be called from any
/// thread and does its work there: the file system has no thread of its own, and none ever waits for another's commit. A change that
/// needs a commit is answered by whichever thread makes that commit.
///
/// If a commit fails, its requests fail, but what they changed stays changed in memory, and is committed by the next commit point or ``tick()``.
///
/// Lock order, each taken for microseconds and never held during a call of the backing, a reply or `invalidate`:
///
///     state (table, tree, contents, what is dirty)
///       └─ ContentCache.storage
public final class VirtualFileSystem: Sendable {
  let backing: any Backing
  let options: Options
  let cache: ContentCache
  let now: @Sendable () -> Timestamp
  let monotonic: @Sendable () -> UInt64
  let invalidate: @Sendable ([Invalidation]) -> Void
  let state: Guarded<State>

  /// An empty file system, to be populated.
  ///
  /// - Parameters:
  ///   - backing: Loads and stores; called without a lock.
  ///   - options: Limits and behaviour.
  ///   - now: The wall clock.
  ///   - monotonic: Nanoseconds of a clock that never goes back.
  ///   - invalidate: Told what external changes made stale; holds no lock.
  public init(
    backing: any Backing, options: Options, now: @escaping @Sendable () -> Timestamp,
    monotonic: @escaping @Sendable () -> UInt64,
    invalidate: @escaping @Sendable ([Invalidation]) -> Void
  ) {
    self.backing = backing
    self.options = options
    self.now = now
    self.monotonic = monotonic
    self.invalidate = invalidate
    cache = ContentCache(limit: options.cacheLimit)
    state = Guarded(
      State(options: options, limits: backing.limits, cache: cache, moment: Moment(time: now(), monotonic: monotonic()))
    )
  }

  /// Fills the file system, once, at the start.
  ///
  /// Nodes may come in any order; missing parents are made. A directory's time is its own, unless an entry is newer than its ctime.
  public func populate(_ nodes: [StoredNode]) {
    let moment = moment()
    state.withLock { _ = $0.apply(nodes.map(ExternalChange.put), at: moment, isFirst: true) }
  }

  func moment() -> Moment { Moment(time: now(), monotonic: monotonic()) }
}

/// The result of `body`, to be handed to a reply.
func attempt<Value>(_ body: () throws(VFSError) -> Value) -> Result<Value, VFSError> {
  do throws(VFSError) { return .success(try body()) } catch { return .failure(error) }
}
