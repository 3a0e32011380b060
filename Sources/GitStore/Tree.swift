/// What a tree entry is.
package enum TreeMode: Hashable, Sendable {
  /// A plain file, 100644.
  case file
  /// A directory, 40000.
  case directory
  /// Another mode that git knows, such as 120000, as its number; never written by us.
  case other(UInt32)

  /// The mode as git's number.
  package var rawValue: UInt32 {
    switch self {
    case .file: 0o100644
    case .directory: 0o40000
    case .other(let raw): raw
    }
  }

  /// The mode of git's number.
  package init(rawValue: UInt32) {
    switch rawValue {
    case 0o100644: self = .file
    case 0o40000: self = .directory
    default: self = .other(rawValue)
    }
  }
}

/// One row of a tree.
package struct TreeEntry: Hashable, Sendable {
  package var mode: TreeMode
  /// The file name's bytes; neither empty, `.`, `..` nor `.git`, without `/` and NUL.
  package var name: [UInt8]
  package var object: ObjectName

  package init(mode: TreeMode, name: [UInt8], object: ObjectName) {
    self.mode = mode
    self.name = name
    self.object = object
  }

  package init(mode: TreeMode, name: String, object: ObjectName) {
    self.init(mode: mode, name: Array(name.utf8), object: object)
  }

  /// Git's order: names as bytes, a directory's as if it ended in `/`.
  package static func precedes(_ left: TreeEntry, _ right: TreeEntry) -> Bool {
    let count = min(left.name.count, right.name.count)
    for index in 0..<count where left.name[index] != right.name[index] {
      return left.name[index] < right.name[index]
    }
    return left.terminator(after: count) < right.terminator(after: count)
  }

  private func terminator(after count: Int) -> UInt8 {
    if name.count > count { return name[count] }
    return mode == .directory ? UInt8(ascii: "/") : 0
  }
}

/// A git tree: entries in git's order with distinct names.
package struct Tree: Hashable, Sendable {
  /// The entries in git's canonical order.
  package let entries: [TreeEntry]

  /// The tree of `entries`, in any order.
  ///
  /// Names must be distinct and allowed by git: that is the caller's duty.
  package init(_ entries: [TreeEntry]) {
    self.entries = entries.sorted(by: TreeEntry.precedes)
    precondition(Self.isCanonical(self.entries), "tree entries have distinct, allowed names")
  }

  /// The entry called `name`.
  package subscript(name: [UInt8]) -> TreeEntry? { entries.first { $0.name == name } }

  /// The entry called `name`.
  package subscript(name: String) -> TreeEntry? { self[Array(name.utf8)] }

  /// The canonical bytes of the tree of `entries`, in any order.
  package static func encode(_ entries: [TreeEntry]) -> [UInt8] { Tree(entries).encode() }

  /// The canonical bytes.
  package func encode() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entries.reduce(0) { $0 + 28 + $1.name.count })
    for entry in entries {
      bytes.append(contentsOf: String(entry.mode.rawValue, radix: 8).utf8)
      bytes.append(UInt8(ascii: " "))
      bytes.append(contentsOf: entry.name)
      bytes.append(0)
      bytes.append(contentsOf: entry.object.bytes)
    }
    return bytes
  }

  /// Reads a tree's bytes and refuses whatever `git fsck --strict` would.
  ///
  /// - Throws: ``GitError/malformed(_:)`` for anything but the canonical form: order, repeated or forbidden names, modes with
  ///   leading zeros or that git does not know, truncation.
  package init(parsing bytes: [UInt8]) throws(GitError) {
    var entries: [TreeEntry] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let space = rest.firstIndex(of: UInt8(ascii: " ")), let mode = Self.mode(rest[..<space]),
        let end = rest[(space + 1)...].firstIndex(of: 0), rest.endIndex - end > ObjectName.byteCount,
        let object = ObjectName(bytes: rest[(end + 1)..<(end + 1 + ObjectName.byteCount)])
      else { throw .malformed(.tree) }
      entries.append(TreeEntry(mode: mode, name: Array(rest[(space + 1)..<end]), object: object))
      rest = rest[(end + 1 + ObjectName.byteCount)...]
    }
    guard Self.isCanonical(entries) else { throw .malformed(.tree) }
    self.entries = entries
  }

  /// The modes that `git fsck --strict` accepts, written without leading zeros.
  private static func mode(_ digits: ArraySlice<UInt8>) -> TreeMode? {
    switch String(decoding: digits, as: UTF8.self) {
    case "100644": .file
    case "40000": .directory
    case "100755": .other(0o100755)
    case "120000": .other(0o120000)
    case "160000": .other(0o160000)
    default: nil
    }
  }

  private static func isCanonical(_ entries: [TreeEntry]) -> Bool {
    guard entries.allSatisfy({ isAllowed($0.name) && $0.object != .zero }) else { return false }
    guard zip(entries, entries.dropFirst()).allSatisfy(TreeEntry.precedes) else { return false }
    // A file and a directory of one name need not be neighbours ("a", "a.b", "a/"), hence the set, over directories' names only.
    let directories = Set(entries.lazy.filter { $0.mode == .directory }.map(\.name))
    return directories.isEmpty || !entries.contains { $0.mode != .directory && directories.contains($0.name) }
  }

  private static func isAllowed(_ name: [UInt8]) -> Bool {
    guard let first = name.first, !name.contains(UInt8(ascii: "/")), !name.contains(0) else { return false }
    guard first == UInt8(ascii: ".") || first | 0x20 == UInt8(ascii: "g") else { return true }
    // fsck's hasDot, hasDotdot and hasDotgit, the latter also in the spellings that NTFS and HFS+ take for `.git`.
    let folded = String(decoding: name, as: UTF8.self).lowercased()
    return ![".", "..", ".git", "git~1", ".git.", ".git "].contains(folded)
  }
}
