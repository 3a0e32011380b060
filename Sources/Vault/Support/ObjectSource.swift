internal import GitStore

/// Where commits, trees and blobs are read: a repository, or what was received beside one and is not admitted yet.
protocol ObjectSource: Sendable {
  /// An object's bytes; throws ``VaultError/repository(_:)``.
  func load(_ name: ObjectName, _ kind: ObjectKind) throws(VaultError) -> [UInt8]

  /// Whether the object is there; its contents are not looked at.
  func has(_ name: ObjectName) throws(VaultError) -> Bool
}

extension ObjectSource {
  func loadCommit(_ name: ObjectName) throws(VaultError) -> CommitObject {
    let bytes = try load(name, .commit)
    do {
      return try CommitObject(parsing: bytes)
    } catch {
      throw .repository(error)
    }
  }

  func entries(ofTree name: ObjectName) throws(VaultError) -> [TreeEntry] {
    let bytes = try load(name, .tree)
    do {
      return try Tree(parsing: bytes).entries
    } catch {
      throw .repository(error)
    }
  }

  func loadBlob(_ name: ObjectName) throws(VaultError) -> [UInt8] { try load(name, .blob) }
}

extension Repository: ObjectSource {
  func load(_ name: ObjectName, _ kind: ObjectKind) throws(VaultError) -> [UInt8] {
    try wrapped { () throws(GitError) in try read(name, expecting: kind) }
  }

  func has(_ name: ObjectName) throws(VaultError) -> Bool {
    try wrapped { () throws(GitError) in try contains(name) }
  }
}
