internal import VirtualFS

/// Under which names a file system shows a vault's objects: each under its own, but for those that lost to another.
///
/// Of several objects that claim one path a directory keeps it, else the one with the highest id: a rule that needs nothing but the objects, so that
/// every node shows the same. The others are shown in `.conflicts/`, at their path with `~` and 8 hex digits of their id behind it; further
/// directories of one path are the same directory, and not shown at all. Lost versions are in `.conflicts/` too. Nothing is committed for any of it.
///
/// Source: docs/format.md, "What is shown".
struct Presentation {
  /// A path, as two hashes with the process's own random keys: so many paths are not kept twice.
  private struct PathHash: Hashable {
    let first: Int
    let second: Int

    private init(_ hashers: (Hasher, Hasher)) { (first, second) = (hashers.0.finalize(), hashers.1.finalize()) }

    init(_ path: some Collection<UInt8>) {
      var hashers = PathHash.start
      for byte in path {
        hashers.0.combine(byte)
        hashers.1.combine(byte)
      }
      self.init(hashers)
    }

    /// A path's hash, and those of the directories above it, in one go: somebody else decides how many these are.
    static func all(of path: [UInt8]) -> (path: PathHash, above: [PathHash]) {
      var hashers = start
      var above: [PathHash] = []
      for byte in path {
        if byte == 0x2F { above.append(PathHash(hashers)) }
        hashers.0.combine(byte)
        hashers.1.combine(byte)
      }
      return (PathHash(hashers), above)
    }

    private static var start: (Hasher, Hasher) {
      var hashers = (Hasher(), Hasher())
      hashers.0.combine(UInt8(1))
      hashers.1.combine(UInt8(2))
      return hashers
    }
  }

  /// One object's claims: for each of its paths the path itself and every directory above it.
  private struct Claims {
    let isDirectory: Bool
    var paths: [(path: PathHash, above: [PathHash])]
  }

  private var objects: [ObjectID: Claims] = [:]
  /// Who claims a path; most have one claimant.
  private var claimants: [PathHash: ObjectID] = [:]
  /// All claimants of the paths that have more than one.
  private var contested: [PathHash: Set<ObjectID>] = [:]
  /// Who is shown at contested paths, as far as somebody asked since they changed: of many claimants each asks.
  private var winners: [PathHash: ObjectID?] = [:]
  /// How many paths there are below a directory's path.
  private var below: [PathHash: Int] = [:]
  /// Lost versions, by the ids that the file system knows them by.
  private(set) var lost: [ObjectID: ObjectKey] = [:]
  /// The true paths of what is shown elsewhere, by the paths shown.
  private var truePaths: [ObjectID: [[UInt8]: [UInt8]]] = [:]
  /// Objects that are not shown: further directories of one path.
  private var hidden: Set<ObjectID> = []

  /// The directory of what lost.
  static let directory = [UInt8](".conflicts".utf8)

  /// The key under which an object that the file system knows is stored.
  func key(of object: ObjectID) -> ObjectKey { lost[object] ?? ObjectKey(object) }

  /// What is shown elsewhere than at its own path: for each path its key, where it is shown, and the path itself; in no order.
  var aside: [(key: ObjectKey, path: [UInt8], place: [UInt8])] {
    truePaths.flatMap { object, paths in paths.map { (key(of: object), $0.key, $0.value) } }
  }

  /// The paths under which a node is stored that the file system has at `node.paths`.
  func stored(_ node: StoredNode) -> StoredNode {
    guard let known = truePaths[node.object] else { return node }
    var node = node
    node.paths = node.paths.map { known[$0] ?? $0 }
    return node
  }
}

extension Presentation {
  /// A change of the tree.
  enum Change {
    case put(ObjectKey, StoredNode)
    case removed(ObjectKey)
  }

  /// Takes changes over, and returns what the file system is to be told: these and what they bring to light or push aside.
  ///
  /// `load` gives another object's node as it is stored.
  mutating func apply(
    _ changes: [Change], load: (ObjectKey) throws(VaultError) -> StoredNode
  ) throws(VaultError) -> [ExternalChange] {
    var nodes: [ObjectID: StoredNode] = [:]
    var gone: Set<ObjectID> = []
    var touched: Set<PathHash> = []
    // First what went: a lost version that somebody took keeps its id.
    for case .removed(let key) in changes {
      forget(key.id, &touched)
      gone.insert(key.id)
    }
    for case .put(let key, let node) in changes {
      forget(node.object, &touched)
      gone.remove(node.object)
      nodes[node.object] = node
      if key.lost == nil { claim(node, &touched) } else { lost[node.object] = key }
    }
    // Whoever claims a path that somebody else came to or left is shown anew.
    var affected = Set(nodes.keys)
    for path in touched { affected.formUnion(contested[path] ?? Set([claimants[path]].compactMap { $0 })) }
    var result = gone.map { ExternalChange.removed($0) }
    for object in affected.sorted() {
      let wasHidden = hidden.contains(object)
      let before = truePaths[object]
      let node: StoredNode
      if let known = nodes[object] {
        node = known
      } else {
        // It is as it was: only its place may have changed.
        // With several paths others of them may be shown aside now; with one it is shown aside where it was.
        guard let place = placement(of: object),
          place.isHidden != wasHidden || place.isAside != (before != nil)
            || before != nil && objects[object]?.paths.count ?? 0 > 1
        else { continue }
        node = try load(ObjectKey(object))
      }
      if let shown = show(node) { result.append(.put(shown)) } else if !wasHidden { result.append(.removed(object)) }
    }
    return result
  }

  /// Takes over what the file system itself changed, which it knows.
  mutating func note(puts: [(key: ObjectKey, node: StoredNode)], removals: [ObjectKey]) {
    var touched: Set<PathHash> = []
    for key in removals { forget(key.id, &touched) }
    for (key, node) in puts {
      // A lost version that was given another path is an object of its own from now on.
      forget(node.object, &touched)
      if key.lost == nil { claim(node, &touched) } else { lost[node.object] = key }
      _ = show(node)
    }
  }

  /// What shares a path that `node` is about to leave (all of its paths, if it is nil): further directories of the path, and files in the way.
  ///
  /// A path that somebody gave up on purpose must not come back with another's content.
  func companions(of object: ObjectID, leavingFor node: StoredNode?) -> (directories: [ObjectID], files: [ObjectID]) {
    guard let claims = objects[object], !contested.isEmpty else { return ([], []) }
    let kept = Set(node?.paths.map { PathHash($0) } ?? [])
    var companions: (directories: [ObjectID], files: [ObjectID]) = ([], [])
    for (path, _) in claims.paths where !kept.contains(path) && winner(of: path) == object {
      for other in contested[path] ?? [] where other != object {
        if objects[other]?.isDirectory == true {
          companions.directories.append(other)
        } else {
          companions.files.append(other)
        }
      }
    }
    return companions
  }

  /// The paths that a node has in the file system, shown aside or not; nil if it is not shown.
  mutating func show(_ node: StoredNode) -> StoredNode? {
    var node = node
    var elsewhere: [[UInt8]: [UInt8]] = [:]
    let id = lost[node.object]
    var shown: [[UInt8]] = []
    for path in node.paths.isEmpty ? [[]] : node.paths {
      if id == nil, knownWinner(of: PathHash(path)) == node.object {
        shown.append(path)
        continue
      }
      if id == nil, objects[node.object]?.isDirectory == true { continue }
      let aside = Presentation.aside(
        path, id.map { $0.lost ?? 0 } ?? UInt32(truncatingIfNeeded: node.object.high >> 32))
      elsewhere[aside] = path
      shown.append(aside)
    }
    truePaths[node.object] = elsewhere.isEmpty ? nil : elsewhere
    guard !shown.isEmpty else {
      hidden.insert(node.object)
      return nil
    }
    hidden.remove(node.object)
    node.paths = shown
    return node
  }

  /// Whether all paths are `.conflicts`, or lie in it.
  static func isAside(_ paths: [[UInt8]]) -> Bool {
    paths.allSatisfy { $0 == directory || $0.starts(with: directory + [0x2F]) } && !paths.isEmpty
  }

  /// `.conflicts/PATH~XXXXXXXX`.
  private static func aside(_ path: [UInt8], _ mark: UInt32) -> [UInt8] {
    let digits = (0..<8).map { Hex.digit(UInt8(truncatingIfNeeded: mark >> UInt32(28 - 4 * $0)) & 15) }
    let suffix = [0x7E] + digits
    // A name has at most 255 bytes.
    let name = path.split(separator: 0x2F, omittingEmptySubsequences: false).last ?? []
    let surplus = max(0, name.count + suffix.count - Name.limit)
    return directory + [0x2F] + path.dropLast(surplus) + suffix
  }
}

// MARK: claims
extension Presentation {
  private mutating func claim(_ node: StoredNode, _ touched: inout Set<PathHash>) {
    let isDirectory = if case .directory = node.body { true } else { false }
    var claims = Claims(isDirectory: isDirectory, paths: [])
    for path in node.paths.isEmpty ? [[]] : node.paths {
      let (hash, above) = PathHash.all(of: path)
      claims.paths.append((hash, above))
      for directory in above {
        below[directory, default: 0] += 1
        if below[directory] == 1 { touch(directory, &touched) }
      }
      winners[hash] = nil
      if let other = claimants[hash], other != node.object {
        contested[hash, default: [other]].insert(node.object)
        touched.insert(hash)
      } else {
        claimants[hash] = node.object
        if below[hash] != nil { touched.insert(hash) }
      }
    }
    objects[node.object] = claims
  }

  private mutating func forget(_ object: ObjectID, _ touched: inout Set<PathHash>) {
    lost[object] = nil
    truePaths[object] = nil
    guard let claims = objects.removeValue(forKey: object) else { return }
    for (path, above) in claims.paths {
      for directory in above {
        guard let count = below[directory] else { continue }
        below[directory] = count > 1 ? count - 1 : nil
        if count == 1 { touch(directory, &touched) }
      }
      winners[path] = nil
      if var all = contested[path] {
        all.remove(object)
        touched.insert(path)
        claimants[path] = all.first
        contested[path] = all.count > 1 ? all : nil
      } else if claimants[path] == object {
        claimants[path] = nil
      }
    }
    hidden.remove(object)
  }

  /// Notes that a directory came into being or went.
  private mutating func touch(_ directory: PathHash, _ touched: inout Set<PathHash>) {
    winners[directory] = nil
    touched.insert(directory)
  }

  /// As ``winner(of:)``, looked for once until the claims on the path change.
  private mutating func knownWinner(of path: PathHash) -> ObjectID? {
    guard contested[path] != nil else { return winner(of: path) }
    if let known = winners[path] { return known }
    let winner = winner(of: path)
    winners[path] = .some(winner)
    return winner
  }

  /// Who is shown at a path; nil if nobody is, or a directory that no object is.
  private func winner(of path: PathHash) -> ObjectID? {
    let all = contested[path] ?? Set([claimants[path]].compactMap { $0 })
    if let directory = all.filter({ objects[$0]?.isDirectory == true }).max() { return directory }
    return below[path] == nil ? all.max() : nil
  }

  /// Whether an object is hidden, or shown aside.
  private mutating func placement(of object: ObjectID) -> (isHidden: Bool, isAside: Bool)? {
    guard let claims = objects[object] else { return nil }
    var losing = 0
    for (path, _) in claims.paths where knownWinner(of: path) != object { losing += 1 }
    return claims.isDirectory ? (losing > 0, false) : (false, losing > 0)
  }
}
