internal import Synchronization

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
    let (damaged, shadowed) = try damagedLooseObjects()
    try root.makeDirectory("polykey/damaged", mode: 0o755)
    try repairReferences(avoiding: damaged, journal: records)
    // Only now, so that a crash meanwhile finds the same damage again.
    for name in damaged { try root.rename(Repository.loosePath(name), to: "polykey/damaged/\(name.hex)") }
    for name in shadowed { try root.remove(Repository.loosePath(name)) }
    for name in try root.names(in: "polykey/spare") { try root.remove("polykey/spare/\(name)") }
    try repository.syncEverything()
    repository.pending.withLock { $0.wasRepaired = true }
  }

  // MARK: Objects

  /// The loose objects that cannot be read, or lead to something that is missing: `git fsck` would complain about each; and those that
  /// are sound in a pack, while their loose files are not.
  private func damagedLooseObjects() throws(GitError) -> (damaged: Set<ObjectName>, shadowed: [ObjectName]) {
    let loose = try repository.looseNames()
    var damaged: Set<ObjectName> = []
    var shadowed: [ObjectName] = []
    var trees: [ObjectName: [ObjectName]] = [:]
    var commits: [ObjectName: [ObjectName]] = [:]
    for name in loose {
      do {
        let file = try repository.readLoose(name).object
        let object = if let file { file } else { try repository.read(name) }
        if file == nil { shadowed.append(name) }
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
    return (damaged.intersection(present), shadowed)
  }
}
