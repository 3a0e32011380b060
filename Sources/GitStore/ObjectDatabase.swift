internal import CLibGit2
internal import Synchronization

/// A few libgit2 object databases of one directory's packs.
///
/// One handle serves one thread at a time (libgit2 holds its lock while it reads), hence several. A handle knows the packs that it
/// has seen; when one fails it is thrown away, so packs that a `git gc` replaced meanwhile never become an error.
final class ObjectDatabase: Sendable {
  private let root: Directory
  private let path: String
  private let slots: [Slot]
  private let next = Atomic<Int>(0)

  private final class Slot: Sendable {
    let handle = Mutex<Handle?>(nil)
  }

  /// The owner of one `git_odb`.
  @safe
  final class Handle: @unchecked Sendable {
    // SAFETY (Sendable): used by one thread at a time, under the mutex that holds it.
    let pointer: OpaquePointer

    /// Opens the packs in the directory `path`.
    ///
    /// - Throws: ``GitError/notPlain`` if `root` has something else than plain files there.
    init(objects path: String, in root: Directory) throws(GitError) {
      try requireLibrary()
      try PackSet.requirePlainFiles(in: root)
      var opened: OpaquePointer?
      var status = unsafe git_odb_new(&opened)
      guard status == 0, let opened = unsafe opened else { throw .library(status) }
      unsafe pointer = opened
      var backend: UnsafeMutablePointer<git_odb_backend>?
      status = unsafe git_odb_backend_pack(&backend, path)
      guard status == 0 else { throw .library(status) }
      // The database owns its backend from here on.
      status = unsafe git_odb_add_backend(opened, backend, 1)
      guard status == 0 else { throw .library(status) }
    }

    deinit { unsafe git_odb_free(pointer) }
  }

  /// The packs in the directory `objects` of the repository `root` at `path`, opened when they are needed; `handles` is a power of two.
  init(of root: Directory, at path: String, handles: Int = 4) {
    self.root = root
    self.path = path + "/objects"
    slots = (0..<handles).map { _ in Slot() }
  }

  /// Runs `body` with a handle; when it fails, once more with a fresh one, whose answer stands.
  func withHandle<Result: Sendable>(
    _ body: @Sendable (Handle) throws(GitError) -> Result
  ) throws(GitError) -> Result {
    let slot = next.wrappingAdd(1, ordering: .relaxed).oldValue & (slots.count - 1)
    return try slots[slot].handle.withLock { held throws(GitError) -> Result in
      if let handle = held, let result = try? body(handle) { return result }
      for _ in 0..<2 {
        let fresh = try Handle(objects: path, in: root)
        held = fresh
        // A pack can vanish between a fresh handle's listing and its reading, but hardly twice.
        if let result = try? body(fresh) { return result }
      }
      let last = try Handle(objects: path, in: root)
      held = last
      return try body(last)
    }
  }

  /// The object of that name, if `hash` gives its contents that name.
  func read(
    _ name: ObjectName, hash: @Sendable (ObjectKind, [UInt8]) -> ObjectName?
  ) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8]) {
    try withHandle { handle throws(GitError) in
      var identifier = name.libraryIdentifier
      var object: OpaquePointer?
      let status = unsafe git_odb_read(&object, handle.pointer, &identifier)
      guard status == 0, let object = unsafe object else { throw Self.error(status, name) }
      defer { unsafe git_odb_object_free(object) }
      guard let kind = unsafe ObjectKind(libraryType: git_odb_object_type(object)) else { throw .corrupt(name) }
      // SAFETY: the object owns its data until it is freed, after the copy.
      let bytes = unsafe [UInt8](
        UnsafeRawBufferPointer(start: git_odb_object_data(object), count: git_odb_object_size(object)))
      guard hash(kind, bytes) == name else { throw .corrupt(name) }
      return (kind, bytes)
    }
  }

  func header(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, size: Int)? {
    do {
      return try withHandle { handle throws(GitError) in
        var identifier = name.libraryIdentifier
        var size = 0
        var type = GIT_OBJECT_INVALID
        let status = unsafe git_odb_read_header(&size, &type, handle.pointer, &identifier)
        guard status == 0 else { throw Self.error(status, name) }
        guard let kind = ObjectKind(libraryType: type) else { throw .corrupt(name) }
        return (kind, size)
      }
    } catch {
      if error == .missing(name) { return nil }
      throw error
    }
  }

  private static func error(_ status: Int32, _ name: ObjectName) -> GitError {
    status == GIT_ENOTFOUND.rawValue ? .missing(name) : .corrupt(name)
  }
}
