/// Shell patterns for names of files that editors and copiers use for a moment; `*` and `?` alone are special.
struct NamePatterns: Sendable {
  private let patterns: [[UInt8]]

  /// Such files live in memory only: swap files, locks and backups of editors (the history has what a backup would), and what file
  /// systems leave behind.
  static let ephemeral = NamePatterns([
    "*.swp", "*.swo", "*.swx", "*.swpx", "4913", "*~", ".#*", "#*#", ".goutputstream-*", ".*.kate-swp", ".~lock.*#",
    ".nfs*", ".fuse_hidden*",
  ])

  /// Such files are not committed when they are closed, but when they get their real name, or after 5 s.
  ///
  /// Those of rsync, sed, dotenv and programs that save by `NAME.tmp`: some look like names that a person may choose.
  static let provisional = NamePatterns([".*.??????", "sed??????", "*.tmp", ".tmp_????????"])

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
