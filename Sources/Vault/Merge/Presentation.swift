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
  struct PathHash: Hashable {
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
  struct Claims {
    let isDirectory: Bool
    var paths: [(path: PathHash, above: [PathHash])]
  }

  /// By the ids under which objects are stored.
  var objects: [ObjectID: Claims] = [:]
  /// Who claims a path; most have one claimant.
  var claimants: [PathHash: ObjectID] = [:]
  /// All claimants of the paths that have more than one.
  var contested: [PathHash: Set<ObjectID>] = [:]
  /// Who is shown at contested paths, as far as somebody asked since they changed: of many claimants each asks.
  var winners: [PathHash: ObjectID?] = [:]
  /// How many paths there are below a directory's path.
  var below: [PathHash: Int] = [:]
  /// The ids by which the file system knows what it does not know by the id in the tree, and the other way round.
  private var ids: [ObjectKey: ObjectID] = [:]
  private var keys: [ObjectID: ObjectKey] = [:]
  /// Ids of the file system's own that stand for nothing now: where it goes on with such an inode, that is stored under a new id.
  private var free: Set<ObjectID> = []
  /// The true paths of what is shown elsewhere, by the paths shown: several where long names are cut to the same.
  private var truePaths: [ObjectKey: [[UInt8]: [[UInt8]]]] = [:]
  /// Who would be shown at a path in `.conflicts/`, if nobody else were.
  var asides: [PathHash: Set<ObjectKey>] = [:]
  /// Objects that are stored in `.conflicts/` itself: paths there that are their own.
  private var settled: [ObjectKey: [[UInt8]]] = [:]
  /// Objects that are not shown: further directories of one path.
  var hidden: Set<ObjectID> = []

  /// The directory of what lost.
  static let directory = [UInt8](".conflicts".utf8)

  /// The key under which an object that the file system knows is stored.
  func key(of object: ObjectID) -> ObjectKey { keys[object] ?? ObjectKey(object) }

  /// The key under which an object that the file system changed is to be stored.
  ///
  /// A lost version is an object of its own from then on. Its id must be a new one: what another merge kept of the same version is still there, and
  /// others that take it make objects, too.
  func newKey(of object: ObjectID) -> ObjectKey {
    let key = key(of: object)
    return key.lost == nil && !free.contains(object) ? key : ObjectKey(.random())
  }

  /// Whether there may be anything stored of an object that the file system knows.
  func isStored(_ object: ObjectID) -> Bool { !free.contains(object) }

  /// The id by which the file system knows what is stored under a key.
  func id(of key: ObjectKey) -> ObjectID { ids[key] ?? key.id }

  /// What is shown in `.conflicts/`: for each path its key, where it is shown, and the path that it lost; in no order.
  var aside: [(key: ObjectKey, path: [UInt8], place: [UInt8])] {
    let shared = truePaths.flatMap { key, paths in
      // What was kept in `.conflicts/` by two is a conflict about the path that both lost.
      paths.flatMap { path, places in places.map { (key, path, Presentation.place(of: $0) ?? $0) } }
    }
    let kept = settled.flatMap { key, paths in
      paths.compactMap { path in Presentation.place(of: path).map { (key, path, $0) } }
    }
    return shared + kept
  }

  /// The paths under which a node is stored that the file system has at `node.paths`.
  ///
  /// A lost version that is changed, wherever it is then, is an object of its own from now on, at just these paths.
  func stored(_ node: StoredNode) -> StoredNode {
    let key = key(of: node.object)
    guard key.lost == nil, let known = truePaths[key] else { return node }
    var node = node
    node.paths = node.paths.flatMap { known[$0] ?? [$0] }
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
    var nodes: [ObjectKey: StoredNode] = [:]
    var gone: Set<ObjectID> = []
    var touched: Set<PathHash> = []
    for case .removed(let key) in changes {
      forget(key, &touched)
      gone.insert(release(key))
    }
    for case .put(let key, let node) in changes {
      forget(key, &touched)
      gone.remove(register(key))
      nodes[key] = node
      if key.lost == nil { claim(node, as: key.object, &touched) }
    }
    // Whoever claims a path that somebody else came to or left is shown anew.
    var affected = Set(nodes.keys)
    var puts: [ObjectKey: ExternalChange] = [:]
    // What is shown aside may take a name there from others, or give it back: they are shown anew, too.
    while !(affected.isEmpty && touched.isEmpty) {
      var renamed: Set<ObjectKey> = []
      for path in touched {
        for object in contested[path] ?? Set([claimants[path]].compactMap { $0 }) { affected.insert(ObjectKey(object)) }
        renamed.formUnion(asides[path] ?? [])
      }
      affected.formUnion(renamed)
      touched = []
      for key in affected.sorted() {
        let wasHidden = hidden.contains(key.object) && key.lost == nil
        let node: StoredNode
        if let known = nodes[key] {
          node = known
        } else {
          // It is as it was: only its place may have changed.
          let before = truePaths[key]
          let place = placement(of: key)
          // With several paths others of them may be shown aside now; with one it is shown aside where it was.
          let hasSeveral = (objects[key.object]?.paths.count ?? 0) > 1
          guard
            renamed.contains(key) || place?.isHidden != wasHidden || place?.isAside != (before != nil)
              || before != nil && hasSeveral
          else { continue }
          node = try load(key)
          nodes[key] = node
        }
        if let shown = show(node, as: key, &touched) {
          puts[key] = .put(shown)
        } else if !wasHidden {
          puts[key] = .removed(id(of: key))
        }
      }
      affected = []
    }
    return gone.map { .removed($0) } + puts.sorted { $0.key < $1.key }.map(\.value)
  }

  /// A change that the file system made itself.
  struct Put {
    let key: ObjectKey
    /// As it is stored; `node.object` is the id that the file system knows.
    let node: StoredNode
    /// Where the file system has it.
    let paths: [[UInt8]]
  }

  /// Takes over what the file system itself changed.
  ///
  /// Returns what is shown elsewhere from now on than the file system has it, which must be told of that.
  mutating func note(puts: [Put], removals: [ObjectKey]) -> Set<ObjectKey> {
    var touched: Set<PathHash> = []
    for key in removals {
      forget(key, &touched)
      _ = release(key)
    }
    var renamed: Set<ObjectKey> = []
    for put in puts {
      forget(put.key, &touched)
      if id(of: put.key) != put.node.object {
        // A lost version that became an object: the file system goes on with the inode that it has.
        (ids[put.key], keys[put.node.object]) = (put.node.object, put.key)
        free.remove(put.node.object)
      }
      if put.key.lost == nil { claim(put.node, as: put.key.object, &touched) }
    }
    for put in puts {
      guard let shown = show(put.node, as: put.key, &touched), !isDirectory(put.key) else { continue }
      if shown.paths != put.paths { renamed.insert(put.key) }
    }
    let changed = Set(puts.map(\.key))
    for path in touched {
      renamed.formUnion((asides[path] ?? []).subtracting(changed))
      for object in contested[path] ?? Set([claimants[path]].compactMap { $0 }) {
        let key = ObjectKey(object)
        guard let place = placement(of: key), !changed.contains(key), !isDirectory(key) else { continue }
        if place.isAside != (truePaths[key] != nil) { renamed.insert(key) }
      }
    }
    return renamed
  }

  private func isDirectory(_ key: ObjectKey) -> Bool { key.lost == nil && objects[key.object]?.isDirectory == true }

  /// The id that the file system knows a key by, a new one if it does not: that of the tree, unless another has it.
  private mutating func register(_ key: ObjectKey) -> ObjectID {
    if let id = ids[key] { return id }
    var id = key.id
    // An older program left the id of the lost version to what was made of it; and anybody may write an object with such an id.
    while keys[id] != nil || objects[id] != nil && ids[ObjectKey(id)] == nil {
      id = ObjectKey(id, lost: key.lost ?? 0).id
    }
    if id != key.object { (ids[key], keys[id]) = (id, key) }
    free.remove(id)
    return id
  }

  /// Frees the id of a key that is no more.
  private mutating func release(_ key: ObjectKey) -> ObjectID {
    guard let id = ids.removeValue(forKey: key) else { return key.id }
    keys[id] = nil
    free.insert(id)
    return id
  }

  /// What shares a path that `node` is about to leave (all of its paths, if it is nil): further directories of the path, and files in the way.
  ///
  /// A path that somebody gave up on purpose must not come back with another's content.
  func companions(of key: ObjectKey, leavingFor node: StoredNode?) -> (directories: [ObjectKey], files: [ObjectKey]) {
    guard key.lost == nil, let claims = objects[key.object], !contested.isEmpty else { return ([], []) }
    let kept = Set(node?.paths.map { PathHash($0) } ?? [])
    var companions: (directories: [ObjectKey], files: [ObjectKey]) = ([], [])
    for (path, _) in claims.paths where !kept.contains(path) && winner(of: path) == key.object {
      for other in contested[path] ?? [] where other != key.object {
        if objects[other]?.isDirectory == true {
          companions.directories.append(ObjectKey(other))
        } else {
          companions.files.append(ObjectKey(other))
        }
      }
    }
    return companions
  }

  /// A node as the file system has it, by its id and its paths there, aside or not; nil if it is not shown.
  func shown(_ node: StoredNode, as key: ObjectKey) -> StoredNode? {
    var copy = self
    var touched: Set<PathHash> = []
    return copy.show(node, as: key, &touched)
  }

  /// The same, and remembers it; `touched` gets the paths in `.conflicts/` that others have to share or need share no more.
  private mutating func show(_ node: StoredNode, as key: ObjectKey, _ touched: inout Set<PathHash>) -> StoredNode? {
    var node = node
    node.object = id(of: key)
    var elsewhere: [[UInt8]: [[UInt8]]] = [:]
    var own: [[UInt8]] = []
    var shown: [[UInt8]] = []
    for path in node.paths.isEmpty ? [[]] : node.paths {
      if key.lost == nil, knownWinner(of: PathHash(path)) == key.object {
        shown.append(path)
        if Presentation.isAside([path]) { own.append(path) }
        continue
      }
      if key.lost == nil, objects[key.object]?.isDirectory == true { continue }
      let short = PathHash(Presentation.aside(path, of: key, isLong: false))
      let holders = asides[short, default: []].count
      if asides[short, default: []].insert(key).inserted, holders == 1 { touched.insert(short) }
      let isShared = claimants[short] != nil || asides[short, default: []].count > 1
      let aside = Presentation.aside(path, of: key, isLong: isShared)
      if elsewhere[aside] == nil { shown.append(aside) }
      elsewhere[aside, default: []].append(path)
    }
    // Names that it had and has no more.
    let wanted = Set(elsewhere.values.joined().map { PathHash(Presentation.aside($0, of: key, isLong: false)) })
    leaveAsides(of: key, but: wanted, &touched)
    truePaths[key] = elsewhere.isEmpty ? nil : elsewhere
    settled[key] = own.isEmpty ? nil : own
    guard !shown.isEmpty else {
      hidden.insert(key.object)
      return nil
    }
    if key.lost == nil { hidden.remove(key.object) }
    node.paths = shown
    return node
  }

  /// Gives up the names in `.conflicts/` that a key had, but those in `wanted`.
  private mutating func leaveAsides(of key: ObjectKey, but wanted: Set<PathHash>, _ touched: inout Set<PathHash>) {
    for place in (truePaths[key] ?? [:]).values.joined() {
      let short = PathHash(Presentation.aside(place, of: key, isLong: false))
      guard !wanted.contains(short), var holders = asides[short], holders.remove(key) != nil else { continue }
      asides[short] = holders.isEmpty ? nil : holders
      if holders.count == 1 { touched.insert(short) }
    }
  }

  /// Forgets all that is known of what is stored under a key, but its id.
  private mutating func forget(_ key: ObjectKey, _ touched: inout Set<PathHash>) {
    leaveAsides(of: key, but: [], &touched)
    truePaths[key] = nil
    settled[key] = nil
    if key.lost == nil { giveUp(key.object, &touched) }
  }
}
