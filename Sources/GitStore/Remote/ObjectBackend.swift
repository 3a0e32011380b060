internal import CLibGit2

/// Objects for libgit2, read by us, and a place for the pack that it receives.
///
/// So what libgit2 transports never meets its own reader of loose objects, nor its unlimited indexer.
@safe
final class ObjectBackend {
  private let source: any ObjectSource
  /// Takes the pack, if one is expected.
  var reader: PackStreamReader?
  /// Told when the reader has got some of it.
  var fed: (PackStreamReader) -> Void = { _ in }
  /// Why a call of libgit2 was made to fail.
  var failure: GitError?
  var shouldStop: @Sendable () -> Bool

  init(source: any ObjectSource, shouldStop: @escaping @Sendable () -> Bool) {
    self.source = source
    self.shouldStop = shouldStop
  }

  /// What libgit2 has of it: its own structure, and behind it a reference.
  @unsafe
  private struct Handle {
    var backend = unsafe git_odb_backend()
    var owner: Unmanaged<ObjectBackend>
  }

  @unsafe
  private struct PackHandle {
    var writer = unsafe git_odb_writepack()
    var owner: Unmanaged<ObjectBackend>
  }

  /// Makes a database of it; whoever calls owns the database, which retains this.
  func makeDatabase() throws(GitError) -> OpaquePointer {
    var database: OpaquePointer?
    let status = unsafe git_odb_new(&database)
    guard status == 0, let database = unsafe database else { throw .library(status) }
    let handle = UnsafeMutablePointer<Handle>.allocate(capacity: 1)
    unsafe handle.initialize(to: Handle(owner: .passRetained(self)))
    unsafe handle.pointee.backend.version = 1
    unsafe handle.pointee.backend.read = { unsafe ObjectBackend.owner($3).read($0, $1, $2, $4) }
    unsafe handle.pointee.backend.read_header = { unsafe ObjectBackend.owner($2).readHeader($0, $1, $3) }
    unsafe handle.pointee.backend.exists = { unsafe ObjectBackend.owner($0).contains($1) ? 1 : 0 }
    unsafe handle.pointee.backend.writepack = { out, backend, _, _, _ in
      unsafe ObjectBackend.owner(backend).beginPack(out, backend)
    }
    unsafe handle.pointee.backend.free = { backend in
      // SAFETY: libgit2 calls this once, with the handle that it was given, at the end.
      unsafe UnsafeMutableRawPointer(backend)?.assumingMemoryBound(to: Handle.self).pointee.owner.release()
      unsafe backend?.deallocate()
    }
    // SAFETY: libgit2's structure is the first member of the handle, so their addresses are the same.
    let added = unsafe git_odb_add_backend(
      database, UnsafeMutableRawPointer(handle).assumingMemoryBound(to: git_odb_backend.self), 1)
    guard added == 0 else {
      unsafe git_odb_free(database)
      throw .library(added)
    }
    return unsafe database
  }

  private static func owner(_ backend: UnsafeMutablePointer<git_odb_backend>?) -> ObjectBackend {
    guard let backend = unsafe backend else { preconditionFailure("libgit2 passes the backend that it was given") }
    // SAFETY: the pointer is a live handle's, which holds a reference.
    return unsafe UnsafeMutableRawPointer(backend).assumingMemoryBound(to: Handle.self).pointee.owner
      .takeUnretainedValue()
  }

  /// Runs `body` and makes a status of its error, which is kept unless an object is simply not there.
  private func answering(_ body: () throws(GitError) -> Void) -> Int32 {
    do throws(GitError) {
      if shouldStop() { throw .cancelled }
      try body()
      return 0
    } catch {
      if case .missing = error { return GIT_ENOTFOUND.rawValue }
      failure = failure ?? error
      return -1
    }
  }

  // MARK: Reading

  private func read(
    _ data: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ size: UnsafeMutablePointer<Int>?,
    _ type: UnsafeMutablePointer<git_object_t>?, _ name: UnsafePointer<git_oid>?
  ) -> Int32 {
    answering { () throws(GitError) in
      guard let identifier = unsafe name?.pointee else { throw .library(-1) }
      let object = try source.read(ObjectName(identifier))
      // Libgit2 frees it.
      guard let copy = unsafe git_odb_backend_data_alloc(nil, max(1, object.bytes.count)) else { throw .library(-1) }
      // SAFETY: `copy` has room for as many bytes.
      unsafe object.bytes.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { unsafe copy.copyMemory(from: start, byteCount: bytes.count) }
      }
      unsafe data?.pointee = copy
      unsafe size?.pointee = object.bytes.count
      unsafe type?.pointee = object.kind.libraryType
    }
  }

  private func readHeader(
    _ size: UnsafeMutablePointer<Int>?, _ type: UnsafeMutablePointer<git_object_t>?, _ name: UnsafePointer<git_oid>?
  ) -> Int32 {
    answering { () throws(GitError) in
      guard let identifier = unsafe name?.pointee else { throw .library(-1) }
      let name = ObjectName(identifier)
      guard let found = try source.kindAndSize(name) else { throw .missing(name) }
      unsafe size?.pointee = found.size
      unsafe type?.pointee = found.kind.libraryType
    }
  }

  private func contains(_ name: UnsafePointer<git_oid>?) -> Bool {
    guard let identifier = unsafe name?.pointee else { return false }
    return (try? source.contains(ObjectName(identifier))) ?? false
  }

  // MARK: The pack

  private func beginPack(
    _ out: UnsafeMutablePointer<UnsafeMutablePointer<git_odb_writepack>?>?,
    _ backend: UnsafeMutablePointer<git_odb_backend>?
  ) -> Int32 {
    guard reader != nil else { return -1 }
    let handle = UnsafeMutablePointer<PackHandle>.allocate(capacity: 1)
    unsafe handle.initialize(to: PackHandle(owner: .passRetained(self)))
    unsafe handle.pointee.writer.backend = backend
    unsafe handle.pointee.writer.append = { writer, data, size, _ in
      unsafe ObjectBackend.owner(of: writer).appendPack(UnsafeRawBufferPointer(start: data, count: size))
    }
    unsafe handle.pointee.writer.commit = { writer, _ in unsafe ObjectBackend.owner(of: writer).endPack() }
    unsafe handle.pointee.writer.free = { writer in
      // SAFETY: libgit2 calls this once, with the handle that it was given, at the end.
      unsafe UnsafeMutableRawPointer(writer)?.assumingMemoryBound(to: PackHandle.self).pointee.owner.release()
      unsafe writer?.deallocate()
    }
    // SAFETY: libgit2's structure is the first member of the handle, so their addresses are the same.
    unsafe out?.pointee = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: git_odb_writepack.self)
    return 0
  }

  private static func owner(of writer: UnsafeMutablePointer<git_odb_writepack>?) -> ObjectBackend {
    guard let writer = unsafe writer else { preconditionFailure("libgit2 passes the writer that it was given") }
    // SAFETY: the pointer is a live handle's, which holds a reference.
    return unsafe UnsafeMutableRawPointer(writer).assumingMemoryBound(to: PackHandle.self).pointee.owner
      .takeUnretainedValue()
  }

  private func appendPack(_ bytes: UnsafeRawBufferPointer) -> Int32 {
    answering { () throws(GitError) in
      guard let reader else { return }
      try reader.feed(unsafe Array(bytes))
      fed(reader)
    }
  }

  private func endPack() -> Int32 { answering { () throws(GitError) in try reader?.finish() } }
}
