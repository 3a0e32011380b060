internal import VirtualFS

// MARK: claims
extension Presentation {
  /// Notes an object's paths, which it had none of before.
  mutating func claim(_ node: StoredNode, as object: ObjectID, _ touched: inout Set<PathHash>) {
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
      if let other = claimants[hash], other != object {
        contested[hash, default: [other]].insert(object)
        touched.insert(hash)
      } else {
        claimants[hash] = object
        if below[hash] != nil || asides[hash] != nil { touched.insert(hash) }
      }
    }
    objects[object] = claims
  }

  /// Takes an object's claims back.
  mutating func giveUp(_ object: ObjectID, _ touched: inout Set<PathHash>) {
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
        if asides[path] != nil { touched.insert(path) }
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
  mutating func knownWinner(of path: PathHash) -> ObjectID? {
    guard contested[path] != nil else { return winner(of: path) }
    if let known = winners[path] { return known }
    let winner = winner(of: path)
    winners[path] = .some(winner)
    return winner
  }

  /// Who is shown at a path; nil if nobody is, or a directory that no object is.
  func winner(of path: PathHash) -> ObjectID? {
    let all = contested[path] ?? Set([claimants[path]].compactMap { $0 })
    if let directory = all.filter({ objects[$0]?.isDirectory == true }).max() { return directory }
    return below[path] == nil ? all.max() : nil
  }

  /// Whether an object is hidden, or shown aside.
  mutating func placement(of key: ObjectKey) -> (isHidden: Bool, isAside: Bool)? {
    guard key.lost == nil, let claims = objects[key.object] else { return nil }
    var losing = 0
    for (path, _) in claims.paths where knownWinner(of: path) != key.object { losing += 1 }
    return claims.isDirectory ? (losing > 0, false) : (false, losing > 0)
  }
}
