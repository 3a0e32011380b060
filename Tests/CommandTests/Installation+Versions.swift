import Foundation
import TestSupport

extension Installation {
  /// What `polykey log` says that each version of a secret did, newest first: `M db/password`.
  func versions(of path: String, vault: String = "default") throws -> [String] {
    try changes(in: "\(vault):\(path)")
  }

  /// Every path that any version of the vault ever had; `.` is the vault's own directory.
  func pathsInHistory(of vault: String = "default") throws -> Set<String> {
    Set(try changes(in: vault).flatMap { $0.dropFirst(2).components(separatedBy: " -> ") })
  }

  /// The names of the commits that are a secret's versions, newest first.
  func versionNames(of path: String) throws -> [String] {
    try log("default:\(path)").compactMap(\.first)
  }

  private func changes(in scope: String) throws -> [String] {
    try log(scope).filter { $0.count == 4 }.map { $0[3] }
  }

  /// The columns of each line: version, time, node and change.
  private func log(_ scope: String) throws -> [[String]] {
    try polykey("log", scope).text.split(separator: "\n").map { line in
      var columns: [String] = []
      var rest = Substring(line)
      while columns.count < 3, let gap = rest.range(of: "  ") {
        columns.append(String(rest[..<gap.lowerBound]))
        rest = rest[gap.upperBound...]
      }
      return columns + [String(rest)]
    }
  }

  /// The vault `default` in the mount.
  var vaultDirectory: String { "\(mountPoint)/default" }

  /// Runs a python script in the vault's mount and throws what it said unless it exits 0.
  @discardableResult
  func python(_ script: String, _ arguments: String...) throws -> Program {
    try Program.check(
      ["timeout", "300", "python3", "-c", script] + arguments, in: vaultDirectory, environment: environment)
  }

  /// git's own opinion of the repository.
  func checkRepository(_ vault: String = "default") throws {
    try Program.check(["git", "-C", repository(vault), "fsck", "--strict", "--no-dangling"])
  }

  /// Mounts so that other users, servers' own ones, come in too, as far as their modes let them.
  ///
  /// An ordinary user's servers run as that user and need no more than a plain mount.
  func mountForServers() throws {
    guard isRoot else {
      try mount()
      return
    }
    try mount("-o", "allow_other")
    try Program.check(["chmod", "711", directory.path, vaultDirectory])
  }

  /// Whether the tests run as root.
  var isRoot: Bool { getuid() == 0 }
}
