internal import Glibc

// After a power loss a reference's file may be empty, cut, or hold an older value of the same reference; the newest value of those that are
// known, or the newest commit before it that may be its value, is taken, provided that everything behind it is there.
extension PowerLossRecovery {
  /// Commits that are looked at for one reference, at most, on the way back from a damaged one, or to tell which of two values is newer.
  private static let stepLimit = 20_000

  func repairReferences(avoiding damaged: Set<ObjectName>, journal: [Journal.Record]) throws(GitError) {
    let promised = journal.flatMap(\.references)
    let packed = try PackedReferences(reading: root).values
    var symbolic: [String] = []
    for name in try referenceNames().union(promised.map(\.name).filter(ReferenceName.isAllowed)).sorted() {
      let lock = name + ".lock"
      let current = try value(name)
      if case .symbolic? = current {
        if name != "HEAD" { symbolic.append(name) }
        try removeLock(lock)
        continue
      }
      var candidates = [current, try value(lock), try value(Repository.durablePath(name))]
      candidates.append(packed[name].map(Reference.direct))
      for (other, bytes) in promised.reversed() where other == name {
        candidates.append(try? Reference(parsing: bytes))
      }
      var chosen: ObjectName?
      for case .direct(let candidate)? in candidates {
        for sound in try soundValues(candidate, of: name, avoiding: damaged) where sound != chosen {
          // A file that is used again may still hold an old value: the one that leads furthest is the newest.
          let isNewer = if let chosen { try isBehind(chosen, sound) } else { true }
          if isNewer { chosen = sound }
        }
      }
      if let chosen, .direct(chosen) != current {
        try root.remove(lock)
        try root.makeParents(of: name)
        try root.replace(name, with: Reference.direct(chosen).encoded, temporary: lock, durable: true)
      } else if chosen == nil, name != "HEAD", try root.status(name)?.isFile == true {
        // It was never durable, or something else destroyed what it leads to: kept, where nobody trips over it.
        try root.rename(name, to: "polykey/damaged/\(Repository.fileName(of: name))")
      }
      try removeLock(lock)
    }
    // What they lead to may be gone now; git would call that damage.
    for name in symbolic where try repository.resolve(name) == nil { try root.remove(name) }
    for name in try root.names(in: "polykey/durable") { try root.remove("polykey/durable/\(name)") }
  }

  private func removeLock(_ lock: String) throws(GitError) {
    if try root.status(lock).map({ $0.mode & 0o1000 != 0 }) ?? false { try root.remove(lock) }
  }

  /// The values that a reference may have had when it was at `start` or before: the commit itself, if it is whole and may be this
  /// reference's, else the newest such ones behind it.
  private func soundValues(
    _ start: ObjectName, of reference: String, avoiding damaged: Set<ObjectName>
  ) throws(GitError) -> [ObjectName] {
    var sound: [ObjectName] = []
    var seen: Set<ObjectName> = [start]
    var queue = [start]
    var index = 0
    while index < queue.count, index < Self.stepLimit {
      let name = queue[index]
      index += 1
      guard let commit = try? repository.commit(name) else {
        // Others' tags lead to something else.
        if !damaged.contains(name), (try? repository.read(name)) != nil { sound.append(name) }
        continue
      }
      if !damaged.contains(name), repository.belongs(reference, name, commit) {
        sound.append(name)
      } else {
        for parent in commit.parents where seen.insert(parent).inserted { queue.append(parent) }
      }
    }
    return sound
  }

  /// Whether `other` has `one` behind it; searched from both at a time, as they are seldom far from each other.
  private func isBehind(_ one: ObjectName, _ other: ObjectName) throws(GitError) -> Bool {
    var walks = [Walk(from: other), Walk(from: one)]
    for _ in 0..<Self.stepLimit {
      if walks[0].seen.contains(one) { return true }
      if walks[1].seen.contains(other) || !walks[0].step(in: repository) { return false }
      _ = walks[1].step(in: repository)
    }
    return false
  }

  /// A walk over all commits behind one, nearest first.
  private struct Walk {
    private(set) var seen: Set<ObjectName>
    private var queue: [ObjectName]
    private var index = 0

    init(from start: ObjectName) { (seen, queue) = ([start], [start]) }

    /// Looks at one more commit; false if there is none.
    mutating func step(in repository: Repository) -> Bool {
      guard index < queue.count else { return false }
      let parents = (try? repository.commit(queue[index]).parents) ?? []
      for parent in parents where seen.insert(parent).inserted { queue.append(parent) }
      index += 1
      return true
    }
  }

  /// What a file holds; nil if it is missing or holds no whole value.
  private func value(_ path: String) throws(GitError) -> Reference? {
    let bytes: [UInt8]?
    do { bytes = try root.read(path) } catch {
      guard error == .notPlain || error == .io(EFBIG) else { throw error }
      return nil
    }
    guard let bytes, let value = try? Reference(parsing: bytes) else { return nil }
    // A name that was cut is another's, perhaps.
    if case .symbolic = value, value.encoded != bytes { return nil }
    return value
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
