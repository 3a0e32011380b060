/// Repairs a repository whose last session ended with a power loss: what was not durable may be empty or missing.
///
/// Runs alone (the `users` lock is held), before anything else. Objects in packs are durable, with all that they lead to.
struct PowerLossRecovery {
  let repository: Repository
  var root: Directory { repository.root }

  init(repository: Repository) { self.repository = repository }

  func run() throws(GitError) {
    let records = try Journal.records(in: root)
    try repeatObjects(of: records)
    let damaged = try damagedLooseObjects()
    try repairReferences(avoiding: damaged)
    try repeatReferences(of: records)
    // Only now, so that a crash meanwhile finds the same damage again.
    try root.makeDirectory("polykey/damaged", mode: 0o755)
    for name in damaged { try root.rename(Repository.loosePath(name), to: "polykey/damaged/\(name.hex)") }
    try root.syncFileSystem()
  }

  // MARK: Objects

  /// The loose objects that cannot be read, or lead to something that is missing: `git fsck` would complain about each.
  private func damagedLooseObjects() throws(GitError) -> Set<ObjectName> {
    let loose = try repository.looseNames()
    var damaged: Set<ObjectName> = []
    var trees: [ObjectName: [ObjectName]] = [:]
    var commits: [ObjectName: [ObjectName]] = [:]
    for name in loose {
      do {
        let object = try repository.read(name)
        switch object.kind {
        case .blob: break
        case .tree: trees[name] = try Tree(parsing: object.bytes).entries.map(\.object)
        case .commit:
          let commit = try CommitObject(parsing: object.bytes)
          commits[name] = [commit.tree] + commit.parents
        case .tag: break
        }
      } catch {
        switch error {
        case .missing, .corrupt: damaged.insert(name)
        case .malformed: break
        default: throw error
        }
      }
    }
    let present = Set(loose)
    var links = trees
    links.merge(commits) { first, _ in first }
    var pointing: [ObjectName: [ObjectName]] = [:]
    var queue = Array(damaged)
    for (name, targets) in links {
      for target in targets {
        pointing[target, default: []].append(name)
        if !present.contains(target), !damaged.contains(target), try !repository.contains(target) {
          damaged.insert(target)
          queue.append(target)
        }
      }
    }
    while let name = queue.popLast() {
      for parent in pointing[name] ?? [] where damaged.insert(parent).inserted { queue.append(parent) }
    }
    return damaged.intersection(present)
  }

  // MARK: References

  private func repairReferences(avoiding damaged: Set<ObjectName>) throws(GitError) {
    for name in try referenceNames().sorted() {
      let lock = name + ".lock"
      let current = try value(name)
      var chosen: Reference?
      for candidate in [current, try value(lock), try value(Repository.durablePath(name))] {
        guard let candidate, let sound = try newestSound(candidate, avoiding: damaged) else { continue }
        // A file that is used again may still hold an old value: the one that leads furthest is the newest.
        let isNewer = if let chosen { try isBehind(chosen, sound) } else { true }
        if isNewer { chosen = sound }
      }
      if let chosen, chosen != current {
        try root.remove(lock)
        try root.replace(name, with: chosen.encoded, temporary: lock, durable: true)
      } else if chosen == nil, try root.status(name)?.isFile == true, current == nil {
        // It was never durable, and holds nothing; a packed value shows through.
        try root.remove(name)
      }
      if try root.status(lock).map({ $0.mode & 0o1000 != 0 }) ?? false { try root.remove(lock) }
    }
  }

  private func isBehind(_ one: Reference, _ other: Reference) throws(GitError) -> Bool {
    guard case .direct(let one) = one, case .direct(let other) = other, one != other else { return false }
    return try repository.isAncestor(one, of: other)
  }

  /// The commit itself or the first sound one before it, by first parents.
  private func newestSound(_ reference: Reference, avoiding damaged: Set<ObjectName>) throws(GitError) -> Reference? {
    guard case .direct(var name) = reference else { return reference }
    while true {
      if !damaged.contains(name), try repository.contains(name) { return .direct(name) }
      guard let commit = try? repository.commit(name), let parent = commit.parents.first else { return nil }
      name = parent
    }
  }

  /// What a file holds; nil if it is missing or holds no reference.
  private func value(_ path: String) throws(GitError) -> Reference? {
    guard let bytes = try root.read(path) else { return nil }
    return try? Reference(parsing: bytes)
  }

  private func referenceNames() throws(GitError) -> Set<String> {
    var names: Set<String> = ["HEAD"]
    func collect(_ directory: String) throws(GitError) {
      for entry in try root.names(in: directory) {
        let path = "\(directory)/\(entry)"
        if try root.status(path)?.isDirectory == true {
          try collect(path)
        } else {
          names.insert(entry.hasSuffix(".lock") ? String(path.dropLast(5)) : path)
        }
      }
    }
    try collect("refs")
    for entry in try root.names(in: "polykey/durable") { names.insert(entry.replacing(":", with: "/")) }
    return names.filter(ReferenceName.isAllowed)
  }
}
