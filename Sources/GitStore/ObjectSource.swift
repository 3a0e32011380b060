/// Where objects are read: a repository, or what was received and may join it.
package protocol ObjectSource: Sendable {
  /// The kind and contents of the object `name`.
  ///
  /// - Throws: ``GitError/missing(_:)``, ``GitError/corrupt(_:)`` if the stored bytes have another name or cannot be decoded.
  func read(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, bytes: [UInt8])

  /// The object's kind and its size in bytes, not verified; nil if it is not there.
  func kindAndSize(_ name: ObjectName) throws(GitError) -> (kind: ObjectKind, size: Int)?
}

extension ObjectSource {
  /// The contents of the object `name`.
  ///
  /// - Throws: As ``read(_:)``; ``GitError/wrongKind(_:found:)``.
  package func read(_ name: ObjectName, expecting kind: ObjectKind) throws(GitError) -> [UInt8] {
    let object = try read(name)
    guard object.kind == kind else { throw .wrongKind(name, found: object.kind) }
    return object.bytes
  }

  /// The tree `name`.
  package func tree(_ name: ObjectName) throws(GitError) -> Tree { try Tree(parsing: read(name, expecting: .tree)) }

  /// The commit `name`.
  package func commit(_ name: ObjectName) throws(GitError) -> CommitObject {
    try CommitObject(parsing: read(name, expecting: .commit))
  }

  /// Whether the object is there; its contents are not verified.
  package func contains(_ name: ObjectName) throws(GitError) -> Bool { try kindAndSize(name) != nil }
}
