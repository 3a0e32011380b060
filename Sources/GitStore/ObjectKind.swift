internal import CLibGit2

/// The four kinds of git object.
package enum ObjectKind: Sendable, Hashable, CaseIterable {
  case blob
  case tree
  case commit
  case tag

  /// The word in a loose object's header and in a tag.
  package var word: String {
    switch self {
    case .blob: "blob"
    case .tree: "tree"
    case .commit: "commit"
    case .tag: "tag"
    }
  }

  var libraryType: git_object_t {
    switch self {
    case .blob: GIT_OBJECT_BLOB
    case .tree: GIT_OBJECT_TREE
    case .commit: GIT_OBJECT_COMMIT
    case .tag: GIT_OBJECT_TAG
    }
  }

  init?(libraryType: git_object_t) {
    guard let kind = Self.allCases.first(where: { $0.libraryType == libraryType }) else { return nil }
    self = kind
  }
}
