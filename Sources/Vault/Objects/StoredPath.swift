internal import VirtualFS

/// The paths that objects may have: they are other people's words, and lead through directories of ours.
///
/// Source: docs/format.md, "Secret object".
enum StoredPath {
  /// Bytes of a path.
  ///
  /// Linux has 4,096 for one call, but steps from directory to directory lead further; more would only cost readers.
  static let limit = 8192

  /// Whether an object may be stored under `path`; only the root directory's is empty.
  static func isAllowed(_ path: [UInt8], ofDirectory isDirectory: Bool) -> Bool {
    if path.isEmpty { return isDirectory }
    guard path.count <= limit else { return false }
    return path.split(separator: 0x2F, omittingEmptySubsequences: false).allSatisfy { (try? Name($0)) != nil }
  }
}
