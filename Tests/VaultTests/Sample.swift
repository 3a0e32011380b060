import GitStore
import TestSupport
import VirtualFS

@testable import Vault

/// A keynode of a test's own with one vault.
struct Sample {
  let directory: TemporaryDirectory
  let keynode: Keynode
  let name: VaultName
  let vault: Vault

  init() throws {
    directory = try TemporaryDirectory()
    keynode = Keynode(at: KeynodePaths(home: directory.path), identity: try Identity())
    name = try VaultName("sample")
    vault = try keynode.createVault(name)
  }

  /// The same vault as another process would open it.
  func reopened() throws -> Vault { try keynode.openVault(name) }

  /// What `verify` finds, from a vault opened anew.
  func findings() throws -> [Finding] {
    var findings: [Finding] = []
    _ = try reopened().verify { findings.append($0) }
    return findings
  }
}

extension StoredNode {
  /// A file of `bytes` (nil: a hole of `size` bytes) at `paths`.
  static func file(
    _ paths: [String], _ bytes: [UInt8], object: ObjectID, holes: Set<Int> = []
  ) -> StoredNode {
    var content = FileContent(size: Int64(bytes.count), parts: [])
    for (index, start) in stride(from: 0, to: bytes.count, by: FileContent.partSize).enumerated() {
      let part = bytes[start..<min(start + FileContent.partSize, bytes.count)]
      if holes.contains(index) {
        content.parts.append(.hole)
      } else {
        content.parts.append(
          .fresh(unsafe Block(count: part.count) { target in unsafe target.copyBytes(from: part) }))
      }
    }
    return StoredNode(
      object: object, body: .regular(content), paths: paths.map { [UInt8]($0.utf8) }, mode: 0o640, owner: 7, group: 8,
      modified: Timestamp(seconds: 981_173_106, nanoseconds: 123_456_789))
  }
}

extension TreeEntry {
  /// What every data tree has.
  static let readme = TreeEntry(mode: .file, name: "README.md", object: Vault.readme.name)
}

extension ObjectID {
  /// A random one.
  static func random(_ generator: inout SeededGenerator) -> ObjectID {
    ObjectID(high: generator.next(), low: generator.next())
  }
}
