/// Shell patterns for names of files that editors and copiers use for a moment; `*` and `?` alone are special.
struct NamePatterns: Sendable {
  private let patterns: [[UInt8]]

  /// Such files live in memory only while they are open, and 5 s longer; then they are stored, as a person may have meant the name.
  ///
  /// Swap files, locks and backups of editors (the history has what a backup would), and what file systems leave behind.
  static let ephemeral = NamePatterns([
    "*.swp", "*.swo", "*.swx", "*.swpx", "4913", "*~", ".#*", "#*#", ".goutputstream-*", ".*.kate-swp", ".~lock.*#",
    ".nfs*", ".fuse_hidden*",
  ])

  /// Such new files are treated in the same way, but a stored one that gets such a name is stored under it at once.
  ///
  /// Those of rsync, sed, dotenv and programs that save by `NAME.tmp`: some look like names that a person may choose.
  static let provisional = NamePatterns([".*.??????", "sed??????", "*.tmp", ".tmp_????????"])

  /// Such new files, too, if they are made durable before they are closed: those of programs that save carefully.
  ///
  /// Names that have a stored file's name in them need not be here.
  static let replacement = NamePatterns(["tmp*", ".tmp*", "*.tmp*", "*.temp", "*.new", "*.part"])

  /// Locks that GnuPG and mailers make by giving a temporary file a second name.
  static let lock = NamePatterns(["*.lock"])

  /// A name matches if one pattern matches the whole of it.
  init(_ patterns: [String]) { self.patterns = patterns.map { [UInt8]($0.utf8) } }

  func contains(_ name: [UInt8]) -> Bool { patterns.contains { NamePatterns.matches(name[...], $0[...]) } }

  private static func matches(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == UInt8(ascii: "*") {
      let rest = pattern.dropFirst()
      return (name.startIndex...name.endIndex).contains { matches(name[$0...], rest) }
    }
    guard let byte = name.first, first == UInt8(ascii: "?") || first == byte else { return false }
    return matches(name.dropFirst(), pattern.dropFirst())
  }
}
