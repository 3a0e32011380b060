internal import CLibGit2

/// Writes a pack of given objects through libgit2, compressed and with deltas.
enum PackWriter {
  /// What the C callbacks see.
  private final class Context {
    let shouldStop: @Sendable () -> Bool

    init(shouldStop: @escaping @Sendable () -> Bool) { self.shouldStop = shouldStop }
  }

  /// Writes one pack and its index into the directory `target`.
  ///
  /// - Throws: ``GitError/cancelled`` soon after `shouldStop` answers true; files may then be left in `target`.
  static func write(
    _ names: [ObjectName], from handle: ObjectDatabase.Handle, into target: String,
    shouldStop: @escaping @Sendable () -> Bool
  ) throws(GitError) {
    let context = Context(shouldStop: shouldStop)
    func check(_ status: Int32) throws(GitError) {
      if status == 0 { return }
      throw shouldStop() ? .cancelled : Self.lastError(status)
    }
    var repository: OpaquePointer?
    try check(unsafe git_repository_wrap_odb(&repository, handle.pointer))
    defer { unsafe git_repository_free(repository) }
    // An empty configuration of its own keeps the user's and the system's away.
    var configuration: OpaquePointer?
    try check(unsafe git_config_new(&configuration))
    defer { unsafe git_config_free(configuration) }
    try check(unsafe git_repository_set_config(repository, configuration))
    var builder: OpaquePointer?
    try check(unsafe git_packbuilder_new(&builder, repository))
    defer { unsafe git_packbuilder_free(builder) }
    unsafe git_packbuilder_set_threads(builder, 1)

    for (index, name) in names.enumerated() {
      if index & 63 == 0, shouldStop() { throw .cancelled }
      var identifier = name.libraryIdentifier
      try check(unsafe git_packbuilder_insert(builder, &identifier, nil))
    }
    // SAFETY: libgit2 calls back on this thread, inside the calls below, while `context` is kept alive.
    let payload = unsafe Unmanaged.passUnretained(context).toOpaque()
    try check(unsafe git_packbuilder_set_callbacks(builder, { unsafe PackWriter.answer($3) }, payload))
    try check(unsafe git_packbuilder_write(builder, target, 0o444, { unsafe PackWriter.answer($1) }, payload))
    withExtendedLifetime(context) {}
  }

  /// What a callback returns to libgit2: 0 to go on.
  private static func answer(_ payload: UnsafeMutableRawPointer?) -> Int32 {
    guard let payload = unsafe payload else { return 0 }
    // SAFETY: the payload is the context that `write` keeps alive during its calls.
    return unsafe Unmanaged<Context>.fromOpaque(payload).takeUnretainedValue().shouldStop() ? -1 : 0
  }

  private static func lastError(_ status: Int32) -> GitError {
    // libgit2 keeps no errno; a full disk is told by its message's class alone, so the caller asks the disk.
    .library(status)
  }
}
