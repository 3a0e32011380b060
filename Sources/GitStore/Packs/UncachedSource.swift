internal import Synchronization

/// A repository's objects for one who reads all of them once: what libgit2 keeps of those it has read goes after some thousands.
final class UncachedSource: ObjectSource {
  private static let lifetime = 4096

  private let repository: Repository
  private let state: Mutex<(database: ObjectDatabase, uses: Int)>

  init(repository: Repository) {
    self.repository = repository
    state = Mutex((Self.database(of: repository), 0))
  }

  private static func database(of repository: Repository) -> ObjectDatabase {
    ObjectDatabase(of: repository.root, at: repository.path, handles: 1)
  }

  private func database() -> ObjectDatabase {
    state.withLock { state in
      state.uses += 1
      if state.uses % Self.lifetime == 0 { state.database = Self.database(of: repository) }
      return state.database
    }
  }

  func read(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8]) {
    try repository.read(name, through: database())
  }

  func kindAndSize(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, size: Int)? {
    try repository.kindAndSize(name, through: database())
  }
}
