internal import GitStore
internal import Synchronization
package import VirtualFS

/// What is shown in `.conflicts/`: a version that lost against a concurrent one, or a secret whose path another has.
package struct Conflict: Sendable {
  /// Who it is to the file system; a secret with several names is there once for each.
  package let object: ObjectID
  /// Where it is shown.
  package let path: [UInt8]
  /// The path that it lost.
  package let place: [UInt8]
  /// The version that it comes from; nil if the history does not have it.
  package let version: Version?
}

extension VaultBacking {
  /// What is shown in `.conflicts/`, in order of paths; to be called after ``nodes()``.
  package func conflicts() throws(VaultError) -> [Conflict] {
    let (presentation, tree) = state.withLock { ($0.presentation, $0.tree) }
    let aside = presentation.aside
    var blobs: [ObjectKey: ObjectName] = [:]
    for (key, _, _) in aside { blobs[key] = tree.entries(of: key).first?.blob }
    let origins = try VersionHistory(of: vault).origins(of: blobs)
    return aside.map {
      Conflict(object: presentation.id(of: $0.key), path: $0.path, place: $0.place, version: origins[$0.key])
    }
    .sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }
}
