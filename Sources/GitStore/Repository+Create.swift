internal import Glibc

extension Repository {
  /// Makes an empty bare repository at `path`, durably, and opens it.
  ///
  /// - Parameters:
  ///   - path: A path where nothing exists, in a directory that does.
  ///   - initialBranch: What `HEAD` points to, a full reference name; it need not exist yet.
  /// - Returns: The repository, open.
  /// - Throws: ``GitError/alreadyExists``.
  package static func create(at path: String, initialBranch: String = "refs/heads/main") throws(GitError) -> Repository
  {
    guard ReferenceName.isAllowed(initialBranch) else { throw .invalidReferenceName }
    let parent: Directory
    do {
      parent = try Directory(path: Directory.parent(of: path))
    } catch {
      throw error == .notARepository ? .io(ENOENT) : error
    }
    guard try parent.makeDirectory(path.split(separator: "/").last.map(String.init) ?? path) else {
      throw .alreadyExists
    }
    let root = try Directory(path: path)
    let fanOut = (0..<256).map { "objects/" + String($0 + 256, radix: 16).dropFirst() }
    let directories =
      [
        "objects", "objects/pack", "objects/info", "refs", "refs/heads", "refs/tags", "info", "polykey",
        "polykey/durable",
      ]
    for directory in directories + fanOut { try root.makeDirectory(directory) }
    // `gc.auto`: consolidation is ours, and a push or fetch by stock git need not start its own.
    let configuration = """
      [core]
      \trepositoryformatversion = 0
      \tfilemode = true
      \tbare = true
      [gc]
      \tauto = 0

      """
    try root.replace("config", with: Array(configuration.utf8), temporary: "config.lock", durable: true)
    // Last, since its presence makes the directory a repository.
    try root.replace("HEAD", with: Array("ref: \(initialBranch)\n".utf8), temporary: "HEAD.lock", durable: true)
    for directory in directories.reversed() { try root.sync(directory) }
    try root.sync(".")
    try parent.sync(".")
    return try Repository(opening: path)
  }
}
