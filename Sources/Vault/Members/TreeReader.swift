internal import GitStore

/// Reads the small files of a membership commit's tree.
struct TreeReader<Source: ObjectSource> {
  private let source: Source
  private let commit: ObjectName
  private let root: [String: TreeEntry]

  init(of commit: ObjectName, tree: ObjectName, in source: Source) throws(VaultError) {
    self.source = source
    self.commit = commit
    root = TreeReader.table(try source.entries(ofTree: tree))
  }

  func text(_ name: String) throws(VaultError) -> (text: String, blob: ObjectName)? {
    guard let blob = blob(name) else { return nil }
    return (String(decoding: try source.loadBlob(blob), as: UTF8.self), blob)
  }

  func blob(_ name: String) -> ObjectName? {
    guard let entry = root[name], entry.mode == .file else { return nil }
    return entry.object
  }

  /// Refuses whatever the root has beside these.
  func allowOnly(files: Set<String>, directories: Set<String>) throws(VaultError) {
    for (name, entry) in root {
      switch entry.mode {
      case .file where files.contains(name): continue
      case .directory where directories.contains(name): continue
      case .file, .directory, .other: throw .commitInvalid(commit, .tree)
      }
    }
  }

  /// The files of a directory, in order of names; none if it is not there.
  func entries(in directory: String) throws(VaultError) -> [(name: String, blob: ObjectName)] {
    guard let entry = root[directory] else { return [] }
    guard entry.mode == .directory else { throw .commitInvalid(commit, .tree) }
    let table = TreeReader.table(try source.entries(ofTree: entry.object))
    guard table.values.allSatisfy({ $0.mode == .file }) else { throw .commitInvalid(commit, .tree) }
    return table.map { ($0.key, $0.value.object) }.sorted { $0.0 < $1.0 }
  }

  func texts(in directory: String) throws(VaultError) -> [(name: String, text: String)] {
    var texts: [(name: String, text: String)] = []
    for (name, blob) in try entries(in: directory) {
      texts.append((name, String(decoding: try source.loadBlob(blob), as: UTF8.self)))
    }
    return texts
  }

  private static func table(_ entries: [TreeEntry]) -> [String: TreeEntry] {
    Dictionary(entries.map { (String(decoding: $0.name, as: UTF8.self), $0) }) { first, _ in first }
  }
}
