internal import GitStore

/// Reads the small files of a membership commit's tree.
struct TreeReader {
  private let repository: Repository
  private let commit: ObjectName
  private let root: [String: TreeEntry]

  /// The longest such file, in bytes.
  private static let limit = 1 << 20

  init(of commit: ObjectName, in repository: Repository) throws(VaultError) {
    self.repository = repository
    self.commit = commit
    root = try TreeReader.table(try repository.entries(ofTree: try repository.loadCommit(commit).tree))
  }

  func text(_ name: String) throws(VaultError) -> String? {
    guard let entry = root[name], entry.mode == .file else { return nil }
    return String(decoding: try repository.loadBlob(entry.object), as: UTF8.self)
  }

  func entries(in directory: String) throws(VaultError) -> [(name: String, blob: ObjectName)] {
    guard let entry = root[directory] else { return [] }
    guard entry.mode == .directory else { throw .commitInvalid(commit, .tree) }
    let table = try TreeReader.table(try repository.entries(ofTree: entry.object))
    return table.map { ($0.key, $0.value.object) }.sorted { $0.0 < $1.0 }
  }

  func texts(in directory: String) throws(VaultError) -> [(name: String, text: String)] {
    var texts: [(name: String, text: String)] = []
    for (name, blob) in try entries(in: directory) {
      texts.append((name, String(decoding: try repository.loadBlob(blob), as: UTF8.self)))
    }
    return texts
  }

  private static func table(_ entries: [TreeEntry]) throws(VaultError) -> [String: TreeEntry] {
    Dictionary(entries.map { (String(decoding: $0.name, as: UTF8.self), $0) }) { first, _ in first }
  }
}
