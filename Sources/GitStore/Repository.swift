internal import Glibc
internal import Synchronization

/// A bare git repository with SHA-1 names, which stock git may use at the same time.
///
/// All calls may come from any thread. Locks, always taken in this order: ``journal``, ``durability``, ``references``, ``pending``.
///
/// Beside git's own files there is the directory `polykey`, which git ignores and which may be deleted while nobody has the
/// repository open: `users` and `references` (lock files), `session`, `durable/`, `spare/` (see Repository+Recovery), `ready/`, `journal`, `staging/` and
/// `superseded` (see Repository+Consolidation), `incoming/` (see Quarantine).
package final class Repository: Sendable {
  /// The repository's path, as given.
  package let path: String
  let root: Directory
  let database: ObjectDatabase

  /// Held shared (flock) for as long as the repository is open, alone while recovering: nobody recovers under a writer.
  let users: Descriptor?
  /// Held alone (flock, and the mutex for this process's threads) while a reference changes.
  let references: Mutex<Descriptor?>
  /// Held while earlier writes are being made durable.
  let durability = Mutex(())
  let pending = Mutex(Pending())
  /// Nil until many writes are expected.
  let journal = Mutex<Journal?>(nil)
  let spareCount = Atomic<UInt64>(0)
  /// Whether the disk was too full to note that a session begins, which is to be done before anything is written.
  let isUnnoted = Atomic(false)
  private let temporaryCount = Atomic<UInt64>(0)
  private let temporaryPrefix: String
  let readyFiles: ReadyFiles

  /// Whether syncfs(2) puts all on the disk: others, above all those in user space, are told of each file by fsync(2) only.
  let syncReachesDisk: Bool

  /// Which values of references recovery may take, by the reference's name and the commit.
  let belongs: @Sendable (_ reference: String, _ name: ObjectName, _ commit: CommitObject) -> Bool
  /// Whether this instance found that the last session had ended with a power loss.
  package var wasRepaired: Bool { pending.withLock { $0.wasRepaired } }

  /// Whether objects that were made to collide with others are refused when they are read.
  let detectsCollisions = Atomic(false)

  /// What was written but may not survive a power loss yet.
  struct Pending {
    var objects: [ObjectName] = []
    /// How many of ``objects`` the journal has.
    var journaled = 0
    /// Those that are being synced in full, and that the journal has not.
    var flying: [ObjectName] = []
    /// Whether what is being synced is more than is known.
    var isFlyingEverything = false
    /// Full syncs begun so far.
    var generation = 0
    /// References to be made durable, with the values that this instance wrote.
    var references: [String: Reference] = [:]
    /// Values of references that this instance made durable or wrote: building on any other means to sync everything.
    var known: [String: Reference] = [:]
    /// Something unknown was written, by another process or an earlier one.
    var everything = false
    /// Whether recovery from a power loss ran.
    var wasRepaired = false
    /// Whether a full sync is on its way for what only the journal has.
    var isSyncing = false
    /// Why a sync failed: the kernel then forgets what it could not write, so no later sync may claim success.
    var failure: GitError?
  }

  /// Opens the bare repository at `path` itself, never one further up, whoever owns it, and without any configuration of the
  /// user or system.
  ///
  /// The first to open it removes what a killed process left, and after a power loss repairs what was not durable.
  ///
  /// - Parameters:
  ///   - path: Where it is.
  ///   - syncReachesDisk: Whether syncfs(2) suffices on its file system; nil to look.
  ///   - belongs: Whether a commit may be the value of a reference; after a power loss no other becomes one.
  /// - Throws: ``GitError/notARepository``, ``GitError/unsupportedRepository``, ``GitError/notPlain``.
  package init(
    opening path: String, syncReachesDisk: Bool? = nil,
    belongs: @escaping @Sendable (String, ObjectName, CommitObject) -> Bool = { _, _, _ in true }
  ) throws(GitError) {
    try requireLibrary()
    self.path = path
    root = try Directory(path: path)
    try Self.checkLayout(root)
    database = ObjectDatabase(of: root, at: path)
    temporaryPrefix = "\(getpid())_\(String(UInt32.random(in: .min ... .max), radix: 36))"
    readyFiles = ReadyFiles(in: root, prefix: temporaryPrefix)
    users = try Self.openLock("polykey/users", root)
    references = Mutex(try Self.openLock("polykey/references", root))
    self.syncReachesDisk = syncReachesDisk ?? FileSystems.areSyncedWhole.contains(root.fileSystemType)
    self.belongs = belongs
    try join()
  }

  /// Opens the repository at `path`, perhaps somebody else's, to read it: nothing in it is changed, locked or repaired.
  package init(inspecting path: String) throws(GitError) {
    try requireLibrary()
    self.path = path
    root = try Directory(path: path)
    try Self.checkLayout(root)
    database = ObjectDatabase(of: root, at: path)
    temporaryPrefix = ""
    readyFiles = ReadyFiles(in: root, prefix: temporaryPrefix)
    users = nil
    references = Mutex(nil)
    syncReachesDisk = true
    belongs = { _, _, _ in true }
  }

  deinit { leave() }

  private static func checkLayout(_ root: Directory) throws(GitError) {
    guard let head = try readSmall("HEAD", root), head.starts(with: "ref: ".utf8) || head.count == 41,
      try root.status("objects")?.isDirectory == true, try root.status("refs")?.isDirectory == true
    else { throw .notARepository }
    // The values that change how objects or references are stored, as git writes them.
    let configuration = String(decoding: try readSmall("config", root) ?? [], as: UTF8.self).lowercased()
    for line in configuration.split(separator: "\n") {
      let parts = line.split(separator: "=").map { $0.filter { !$0.isWhitespace } }
      guard parts.count == 2 else { continue }
      switch parts[0] {
      case "repositoryformatversion" where !["0", "1"].contains(parts[1]): throw .unsupportedRepository
      case "objectformat" where parts[1] != "sha1": throw .unsupportedRepository
      case "refstorage" where parts[1] != "files": throw .unsupportedRepository
      default: continue
      }
    }
  }

  /// A file that is larger than git ever makes it belongs to no repository.
  private static func readSmall(_ path: String, _ root: Directory) throws(GitError) -> [UInt8]? {
    do {
      return try root.read(path)
    } catch {
      throw error == .io(EFBIG) ? .notARepository : error
    }
  }

  private static func openLock(_ path: String, _ root: Directory) throws(GitError) -> Descriptor? {
    do {
      try root.makeParents(of: path)
      return try root.openFile(path, O_RDWR | O_CREAT, mode: 0o644)
    } catch {
      // Reading needs no locks: a repository on read-only media or a full disk, or another user's, can still be read.
      guard [GitError.io(EROFS), .io(EACCES), .io(EPERM), .outOfSpace].contains(error) else { throw error }
      return nil
    }
  }

  /// Prepares for many commits: keeps files ready, off the writers' way, until the repository is closed.
  ///
  /// `readyFiles` are held open: the process's limit of open files must have room for them.
  package func expectManyWrites(readyFiles count: Int = 512) {
    readyFiles.keep(count)
    root.keepParents()
    openJournal()
  }

  /// A name in `directory` for a file under construction; `git prune` too removes old files with this prefix.
  func temporaryName(in directory: String) -> String {
    let count = temporaryCount.wrappingAdd(1, ordering: .relaxed).oldValue
    return "\(directory)/\(Self.temporaryMark)\(temporaryPrefix)_\(count)"
  }

  /// How the names of our files under construction begin; `git fsck` accepts `tmp_obj_*` beside objects.
  static let temporaryMark = "tmp_obj_pk_"

  /// Bytes that an unprivileged user can still write to the repository's disk; `.max` if its file system does not say.
  package func availableBytes() throws(GitError) -> UInt64 {
    let status = try diskStatus()
    guard status.f_blocks > 0 else { return .max }
    return UInt64(status.f_bavail) * UInt64(status.f_frsize)
  }

  /// Bytes of the disk that nobody else may fill: what its owner writes must still find room.
  ///
  /// 1 GiB is more than secrets need for long. Updates that fit into memory, as a changed password does, are taken down to 64 MiB. Of
  /// a small disk it is a twentieth, as ext4 keeps back for root.
  private static let (reserve, leastReserve): (UInt64, UInt64) = (1 << 30, 64 << 20)

  /// Throws ``GitError/outOfSpace`` unless `count` bytes of a large or a small update may be written for somebody else.
  func requireRoom(forOthers count: Int, isSmall: Bool) throws(GitError) {
    let status = try diskStatus()
    // Of a file system that does not say how large it is nothing is known.
    guard status.f_blocks > 0 else { return }
    let block = UInt64(status.f_frsize)
    let reserve = min(isSmall ? Self.leastReserve : Self.reserve, UInt64(status.f_blocks) * block / 20)
    guard UInt64(status.f_bavail) * block >= reserve + UInt64(count) else { throw .outOfSpace }
  }

  private func diskStatus() throws(GitError) -> statvfs {
    var status = statvfs()
    guard unsafe fstatvfs(root.descriptor.raw, &status) == 0 else { throw GitError(errno: errno) }
    return status
  }
}
