internal import CLibGit2
internal import Glibc

/// The owner of one connection to another repository, and of the empty repository that libgit2 wants for it.
///
/// That is a directory below `polykey/incoming` with our references, so that the other side learns what we have, and no objects: these
/// come through ``ObjectBackend``.
@safe
final class RemoteSession {
  enum Direction {
    case fetch
    case push
  }

  private let directory: IncomingDirectory
  private let root: Directory
  private let backend: ObjectBackend
  private let credentials: RemoteCredentials
  /// Held for as long as libgit2 may look at the authorities that are set.
  private let authorities: WebAuthorities.Use?
  private let repository: OpaquePointer
  private let remote: OpaquePointer
  /// What the other side said of each reference that was pushed.
  private var answers: [String: String?] = [:]
  private let progressed: @Sendable (RemoteProgress) -> Void
  private let shouldStop: @Sendable () -> Bool

  init(
    to address: String, for owner: Repository, access: WebAccess,
    progressed: @escaping @Sendable (RemoteProgress) -> Void, shouldStop: @escaping @Sendable () -> Bool
  ) throws(GitError) {
    try requireLibrary()
    let isWeb = address.hasPrefix("https://")
    credentials = RemoteCredentials(passwords: isWeb ? access.passwords : nil)
    authorities = isWeb ? try WebAuthorities.Use(access.authorities) : nil
    let directory = try IncomingDirectory(in: owner.root)
    try Self.fill(directory, of: owner)
    let backend = ObjectBackend(source: owner, shouldStop: shouldStop)
    var repository: OpaquePointer?
    let path = "\(owner.path)/\(directory.path)"
    let flags = GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue | GIT_REPOSITORY_OPEN_BARE.rawValue
    var status = unsafe git_repository_open_ext(&repository, path, flags, nil)
    guard status == 0, let repository = unsafe repository else { throw .library(status) }
    do throws(GitError) {
      try unsafe Self.isolate(repository, backend, configuration: "\(path)/config")
      var remote: OpaquePointer?
      status = unsafe git_remote_create_anonymous(&remote, repository, address)
      guard status == 0, let remote = unsafe remote else { throw .remote(.unsupportedAddress) }
      unsafe self.remote = remote
    } catch {
      unsafe git_repository_free(repository)
      throw error
    }
    unsafe self.repository = repository
    (self.directory, self.root, self.backend) = (directory, owner.root, backend)
    (self.progressed, self.shouldStop) = (progressed, shouldStop)
  }

  deinit {
    unsafe git_remote_free(remote)
    unsafe git_repository_free(repository)
  }

  /// Makes what libgit2 takes for a repository.
  private static func fill(_ directory: IncomingDirectory, of owner: Repository) throws(GitError) {
    var references = "# pack-refs with: peeled fully-peeled sorted \n"
    for (name, object) in try owner.references() { references += "\(object.hex) \(name)\n" }
    for name in ["objects", "refs"] { try owner.root.makeDirectory("\(directory.path)/\(name)", mode: 0o700) }
    // What is encrypted has no deltas: a search for them takes a second for every 3 MiB. The limit has another's name in libgit2 1.5.
    let configuration = "[core]\n\tbigFileThreshold = 16384\n[pack]\n\tdeltaCacheSize = 16384\n"
    for (name, text) in [
      ("packed-refs", references), ("HEAD", "ref: refs/heads/main\n"), ("config", configuration),
    ] {
      let path = "\(directory.path)/\(name)"
      try owner.root.replace(path, with: Array(text.utf8), temporary: path + ".new", durable: false)
    }
  }

  /// Keeps the user's and the system's configuration away, and libgit2 from our files.
  private static func isolate(
    _ repository: OpaquePointer, _ backend: ObjectBackend, configuration path: String
  ) throws(GitError) {
    var configuration: OpaquePointer?
    var status = unsafe git_config_new(&configuration)
    guard status == 0 else { throw .library(status) }
    defer { unsafe git_config_free(configuration) }
    status = unsafe git_config_add_file_ondisk(configuration, path, GIT_CONFIG_LEVEL_LOCAL, nil, 0)
    guard status == 0 else { throw .library(status) }
    status = unsafe git_repository_set_config(repository, configuration)
    guard status == 0 else { throw .library(status) }
    let database = try unsafe backend.makeDatabase()
    // The repository holds a reference of its own.
    defer { unsafe git_odb_free(database) }
    status = unsafe git_repository_set_odb(repository, database)
    guard status == 0 else { throw .library(status) }
  }

  // MARK: Calls

  /// Connects, and returns the references there.
  func connect(_ direction: Direction) throws(GitError) -> [RemoteRepository.Head] {
    if shouldStop() { throw .cancelled }
    var options = unsafe git_remote_connect_options()
    unsafe git_remote_connect_options_init(&options, UInt32(GIT_REMOTE_CONNECT_OPTIONS_VERSION))
    unsafe options.callbacks = callbacks
    unsafe options.proxy_opts.type = GIT_PROXY_AUTO
    try check(
      unsafe git_remote_connect_ext(remote, direction == .fetch ? GIT_DIRECTION_FETCH : GIT_DIRECTION_PUSH, &options))
    credentials.wereAccepted()
    var list: UnsafeMutablePointer<UnsafePointer<git_remote_head>?>?
    var count = 0
    try check(unsafe git_remote_ls(&list, &count, remote))
    var heads: [RemoteRepository.Head] = []
    for index in 0..<count {
      // SAFETY: libgit2 lists `count` heads, which live until it disconnects; names are NUL-terminated.
      guard let head = unsafe list?[index]?.pointee, let name = unsafe head.name.map({ unsafe String(cString: $0) }),
        ReferenceName.isAllowed(name)
      else { continue }
      heads.append(RemoteRepository.Head(name: name, object: unsafe ObjectName(head.oid)))
    }
    return heads
  }

  /// Gives `reader` a pack of what the references lead to and we have not.
  func download(_ names: [String], to reader: PackStreamReader) throws(GitError) {
    backend.reader = reader
    backend.fed = { [progressed] reader in progressed(RemoteProgress(of: reader)) }
    defer { backend.reader = nil }
    var options = unsafe git_fetch_options()
    unsafe git_fetch_options_init(&options, UInt32(GIT_FETCH_OPTIONS_VERSION))
    unsafe options.callbacks = callbacks
    unsafe options.proxy_opts.type = GIT_PROXY_AUTO
    unsafe options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE
    unsafe options.update_fetchhead = 0
    try check(unsafe Self.withStrings(names.map { "\($0):\($0)" }) { unsafe git_remote_download(remote, $0, &options) })
  }

  /// Sends what the references need, and sets them; returns the reason for each that was refused, nil for others.
  func upload(_ pushes: [RemoteRepository.Push]) throws(GitError) -> [String: String?] {
    var options = unsafe git_push_options()
    unsafe git_push_options_init(&options, UInt32(GIT_PUSH_OPTIONS_VERSION))
    unsafe options.callbacks = callbacks
    unsafe options.proxy_opts.type = GIT_PROXY_AUTO
    // Libgit2 pushes references only. Whether it is a fast-forward was decided before, with our own reading of the commits.
    var specifications: [String] = []
    for (index, push) in pushes.enumerated() {
      let name = "refs/push-\(index)"
      let path = "\(directory.path)/\(name)"
      try root.replace(path, with: Reference.direct(push.object).encoded, temporary: path + ".new", durable: false)
      specifications.append("+\(name):\(push.name)")
    }
    answers = [:]
    try check(unsafe Self.withStrings(specifications) { unsafe git_remote_upload(remote, $0, &options) })
    return answers
  }

  /// Lends a C array of C strings to `body`.
  private static func withStrings(_ strings: [String], _ body: (UnsafePointer<git_strarray>) -> Int32) -> Int32 {
    var copies = unsafe strings.map { unsafe strdup($0) }
    defer { while let copy = unsafe copies.popLast() { unsafe free(copy) } }
    return unsafe copies.withUnsafeMutableBufferPointer { buffer in
      // SAFETY: the array and its strings outlive the call.
      var array = unsafe git_strarray(strings: buffer.baseAddress, count: buffer.count)
      return unsafe body(&array)
    }
  }

  // MARK: Callbacks

  /// What libgit2 calls back, on the thread of the call, while this session is alive.
  private var callbacks: git_remote_callbacks {
    var callbacks = unsafe git_remote_callbacks()
    unsafe git_remote_init_callbacks(&callbacks, UInt32(GIT_REMOTE_CALLBACKS_VERSION))
    unsafe callbacks.payload = Unmanaged.passUnretained(self).toOpaque()
    unsafe callbacks.credentials = { out, _, user, allowed, payload in
      unsafe RemoteSession.from(payload).credentials.next(out, user: user.map { unsafe String(cString: $0) }, allowed)
    }
    unsafe callbacks.sideband_progress = { unsafe RemoteSession.from($2).shouldStop() ? GIT_EUSER.rawValue : 0 }
    unsafe callbacks.pack_progress = { _, current, total, payload in
      unsafe RemoteSession.from(payload).note(.preparing, Int(current), of: Int(total), bytes: 0)
    }
    unsafe callbacks.push_transfer_progress = { current, total, bytes, payload in
      unsafe RemoteSession.from(payload).note(.sending, Int(current), of: Int(total), bytes: bytes)
    }
    unsafe callbacks.push_update_reference = { name, reason, payload in
      guard let name = unsafe name else { return 0 }
      unsafe RemoteSession.from(payload).note(String(cString: name), reason.map { unsafe String(cString: $0) })
      return 0
    }
    return unsafe callbacks
  }

  private static func from(_ payload: UnsafeMutableRawPointer?) -> RemoteSession {
    guard let payload = unsafe payload else { preconditionFailure("libgit2 passes the payload that it was given") }
    // SAFETY: the payload is the session in whose call this is.
    return unsafe Unmanaged<RemoteSession>.fromOpaque(payload).takeUnretainedValue()
  }

  /// Tells how far it is; a status for libgit2.
  private func note(_ stage: RemoteProgress.Stage, _ objects: Int, of total: Int, bytes: Int) -> Int32 {
    progressed(RemoteProgress(stage: stage, objectCount: objects, totalCount: total, byteCount: bytes))
    return shouldStop() ? GIT_EUSER.rawValue : 0
  }

  private func note(_ name: String, _ reason: String?) {
    let printable = reason.map { text in
      String(decoding: text.utf8.prefix(200).map { 0x20...0x7E ~= $0 ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
    answers.updateValue(printable, forKey: name)
  }

  // MARK: Errors

  /// Throws what a status of libgit2 means; to be called in the same statement, as its error is the thread's last.
  private func check(_ status: Int32) throws(GitError) {
    if status >= 0 { return }
    if let failure = backend.failure { throw failure }
    if shouldStop() || status == GIT_EUSER.rawValue { throw .cancelled }
    // The error's class, not its text, which names addresses and paths.
    let area = unsafe git_error_last().map { unsafe $0.pointee.klass } ?? 0
    switch (status, git_error_t(rawValue: UInt32(area))) {
    case (GIT_EAUTH.rawValue, _): throw .remote(credentials.failure)
    case (GIT_ECERTIFICATE.rawValue, _):
      throw .remote(authorities == nil ? .hostNotTrusted : .certificateNotTrusted)
    case (_, GIT_ERROR_SSL): throw .remote(.unreachable)
    case (GIT_ENOTFOUND.rawValue, _), (_, GIT_ERROR_REPOSITORY): throw .remote(.notFound)
    case (_, GIT_ERROR_NET), (_, GIT_ERROR_OS): throw .remote(credentials.wereTried ? .refused : .unreachable)
    case (_, GIT_ERROR_SSH): throw .remote(credentials.wereTried ? .refused : .hostNotTrusted)
    case (_, GIT_ERROR_NOMEMORY): throw .library(status)
    default: throw .remote(.refused)
    }
  }
}
