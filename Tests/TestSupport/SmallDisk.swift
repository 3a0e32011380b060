import Glibc

/// A file system of few bytes, in memory, which is gone with its owner; for what happens when a disk is full.
public final class SmallDisk: Sendable {
  /// Whether one can be made: mounting needs root.
  public static let isPossible = getuid() == 0

  /// Where it is mounted.
  public let path: String
  private let directory: TemporaryDirectory

  /// A disk of this size, such as "3m"; nil in a container without the right to mount, which has nothing to test then.
  public init?(size: String) throws {
    directory = try TemporaryDirectory()
    path = directory("disk")
    try Program.check(["mkdir", path])
    let mounted = try Program.run(["mount", "-t", "tmpfs", "-o", "size=\(size),mode=700", "tmpfs", path])
    guard mounted.status == 0 else { return nil }
  }

  deinit { _ = try? Program.run(["umount", "-l", path]) }

  /// The path of `name` on it.
  public func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}
