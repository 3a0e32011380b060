internal import Glibc
internal import Synchronization

/// What a consolidation did.
package struct ConsolidationReport: Hashable, Sendable {
  /// Loose objects that were written into a new pack.
  package var packed = 0
  /// Loose copies that were removed.
  package var pruned = 0
  /// Packs that were merged into a new one.
  package var merged = 0
  /// Replaced packs that were removed.
  package var retired = 0

  package init() {}
}

// Nothing is removed before all of it has been elsewhere, durably, for the grace time: whoever copies the directory meanwhile finds each
// object in its old place or its new one. A removal is decided on what is found then, not on what an earlier run noted.

extension Repository {
  /// How many loose objects there are, estimated as git does from one of the 256 directories.
  package func estimatedLooseCount() throws(GitError) -> Int { try root.names(in: "objects/17").count * 256 }

  /// Gathers loose objects in a pack, merges small packs, and removes copies that have been superfluous for `grace` seconds.
  ///
  /// Another program may read, write, fetch or collect garbage meanwhile, and the process may be killed at any moment. A second call
  /// at the same time, in any process, does nothing.
  ///
  /// - Parameters:
  ///   - looseLimit: Loose objects in no pack are packed when there are more than this.
  ///   - grace: Seconds that an object stays in its old place after it became durable in the new one.
  ///   - mergeLimit: Packs with more bytes than this are never merged.
  ///   - now: Seconds since 1970; nil for the clock.
  ///   - shouldStop: Asked often; true ends the work at the next step.
  /// - Returns: What was done.
  /// - Throws: ``GitError/cancelled``, ``GitError/outOfSpace``.
  @discardableResult
  package func consolidate(
    looseLimit: Int = 2000, grace: Int = 600, mergeLimit: Int = 1 << 28, now: Int? = nil,
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) throws(GitError) -> ConsolidationReport {
    try prepareToWrite()
    var report = ConsolidationReport()
    guard let lock = try root.openFile("polykey/consolidation", O_RDWR | O_CREAT, mode: 0o644),
      flock(lock.raw, LOCK_EX | LOCK_NB) == 0
    else { return report }
    // Not only closed: a child that was just forked has the descriptor too.
    defer { flock(lock.raw, LOCK_UN) }
    try emptyStaging()
    let now = now ?? time(nil)
    report.retired = try retire(before: now - grace, shouldStop)
    report.pruned = try prune(before: now - grace, shouldStop)
    report.packed = try packLoose(limit: looseLimit, shouldStop)
    report.merged = try merge(limit: mergeLimit, now: now, shouldStop)
    return report
  }

  // MARK: Packing

  private func packLoose(limit: Int, _ shouldStop: @escaping @Sendable () -> Bool) throws(GitError) -> Int {
    let packs = try PackSet(reading: root)
    let loose = try looseNames().filter { !packs.contains($0) }
    guard loose.count > limit else { return 0 }
    // A damaged object stays where it is, and keeps nobody else from being packed.
    return try writePack(loose, skippingDamaged: true, shouldStop)?.count ?? 0
  }

  /// Writes a pack durably into its place, and returns its name without extension and how many objects it has; nil for none.
  private func writePack(
    _ names: [ObjectName], skippingDamaged: Bool, _ shouldStop: @escaping @Sendable () -> Bool
  ) throws(GitError) -> (name: String, count: Int)? {
    let written: (name: String, count: Int)?
    do throws(GitError) {
      written = try stagePack(names, skippingDamaged: skippingDamaged, shouldStop)
    } catch {
      try? emptyStaging()
      throw error
    }
    guard let (name, count) = written, try root.status("\(PackSet.directory)/\(name).idx") == nil else {
      // The same name is the same pack.
      try emptyStaging()
      return written
    }
    // What was listed may lead to what another process wrote just before, in a directory listed earlier, and has not synced.
    try syncing { () throws(GitError) in try syncEverything() }
    // The index last: it is what makes git see the pack.
    for suffix in [".pack", ".idx"] {
      try syncing { () throws(GitError) in _ = try root.sync("\(Self.staging)/\(name)\(suffix)") }
    }
    for suffix in [".pack", ".idx"] {
      try root.rename("\(Self.staging)/\(name)\(suffix)", to: "\(PackSet.directory)/\(name)\(suffix)")
    }
    try syncing { () throws(GitError) in _ = try root.sync(PackSet.directory) }
    return (name, count)
  }

  private func stagePack(
    _ names: [ObjectName], skippingDamaged: Bool, _ shouldStop: @escaping @Sendable () -> Bool
  ) throws(GitError) -> (name: String, count: Int)? {
    let writer = try PackFileWriter(in: root, directory: Self.staging, objectCount: names.count)
    var assembly = PackAssembly(
      from: UncachedSource(repository: self), to: writer, skipsDamaged: skippingDamaged, shouldStop: shouldStop)
    try assembly.add(names)
    if shouldStop() { throw .cancelled }
    return writer.count > 0 ? (try writer.finish(), writer.count) : nil
  }

  private func merge(limit: Int, now: Int, _ shouldStop: @escaping @Sendable () -> Bool) throws(GitError) -> Int {
    let packs = try PackSet(reading: root)
    var superseded = try SupersededPacks(reading: root)
    let candidates = PackSet.mergeable(packs.filter { !superseded.contains($0.name) }, sizeLimit: limit)
    guard candidates.count > 1, !packs.hasSharedIndex else { return 0 }
    let names = candidates.reduce(into: Set<ObjectName>()) { $0.formUnion($1.index.names) }
    guard let merged = try writePack(names.sorted(), skippingDamaged: false, shouldStop)?.name else { return 0 }
    for pack in candidates where pack.name != merged { superseded.since[pack.name] = now }
    superseded.since[merged] = nil
    try superseded.write(to: root)
    return candidates.count
  }

  // MARK: Removing

  private func retire(before limit: Int, _ shouldStop: @Sendable () -> Bool) throws(GitError) -> Int {
    var superseded = try SupersededPacks(reading: root)
    guard !superseded.since.isEmpty else { return 0 }
    let packs = try PackSet(reading: root)
    let remaining = packs.filter { !superseded.contains($0.name) }
    var count = 0
    for pack in packs.packs where !pack.isKept && !packs.hasSharedIndex {
      guard let since = superseded.since[pack.name], since <= limit else { continue }
      if shouldStop() { throw .cancelled }
      guard pack.index.names.allSatisfy({ name in remaining.contains { $0.index.contains(name) } }) else {
        superseded.since[pack.name] = nil
        continue
      }
      // The index first: git then no longer sees the pack.
      for suffix in [".idx", ".pack", ".rev", ".bitmap", ".mtimes"] {
        try root.remove("\(PackSet.directory)/\(pack.name)\(suffix)")
      }
      superseded.since[pack.name] = nil
      count += 1
    }
    superseded.since = superseded.since.filter { entry in packs.packs.contains { $0.name == entry.key } }
    try superseded.write(to: root)
    return count
  }

  private func prune(before limit: Int, _ shouldStop: @Sendable () -> Bool) throws(GitError) -> Int {
    let superseded = try SupersededPacks(reading: root)
    let old = try PackSet(reading: root).filter { $0.modified <= limit && !superseded.contains($0.name) }
    guard !old.isEmpty else { return 0 }
    var count = 0
    for name in try looseNames() where old.contains(where: { $0.index.contains(name) }) {
      if count & 63 == 0, shouldStop() { throw .cancelled }
      let path = Self.loosePath(name)
      // A young copy may be a commit in the making, which relies on it rather than on an unreachable packed one.
      guard let status = try root.status(path), status.modified <= limit else { continue }
      try root.remove(path)
      count += 1
    }
    return count
  }

  // MARK: Helpers

  static let staging = "polykey/staging"

  /// Removes what a killed consolidation left.
  private func emptyStaging() throws(GitError) {
    try root.makeDirectory(Self.staging, mode: 0o755)
    for name in try root.names(in: Self.staging) { try root.remove("\(Self.staging)/\(name)") }
  }

  /// The names of all loose objects, ascending.
  func looseNames() throws(GitError) -> [ObjectName] {
    var names: [ObjectName] = []
    for directory in try root.names(in: "objects") where directory.utf8.count == 2 {
      for file in try root.names(in: "objects/\(directory)") {
        if let name = ObjectName(hex: directory + file) { names.append(name) }
      }
    }
    return names.sorted()
  }
}

/// The packs that a merged one replaces, and since when; a file that git does not look at.
struct SupersededPacks {
  private static let file = "polykey/superseded"
  /// Seconds since 1970, by pack name.
  var since: [String: Int] = [:]

  init(reading root: Directory) throws(GitError) {
    // A damaged line only means that a pack is merged once more.
    for line in String(decoding: try root.read(Self.file) ?? [], as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count == 2, let seconds = Int(parts[0]) { since[String(parts[1])] = seconds }
    }
  }

  func contains(_ name: String) -> Bool { since[name] != nil }

  func write(to root: Directory) throws(GitError) {
    let text = since.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }.joined()
    try root.replace(Self.file, with: Array(text.utf8), temporary: "\(Self.file).new", durable: true)
  }
}
