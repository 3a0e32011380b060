import Foundation

/// A fresh directory that is removed, with all in it, when its owner goes.
public final class TemporaryDirectory: Sendable {
  /// Its absolute path.
  public let path: String

  /// Makes the directory, for this user only; `inMemory` where there is a file system that needs no disk.
  public init(inMemory: Bool = false) throws {
    let hasMemory = inMemory && FileManager.default.isWritableFile(atPath: "/dev/shm")
    path = (hasMemory ? "/dev/shm/" : NSTemporaryDirectory()) + "polykey-test-\(UUID().uuidString.prefix(13))"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  }

  // Not FileManager, which fails on paths of thousands of bytes. Again if something was still being written there.
  deinit {
    for _ in 0..<5 {
      let remove = Process()
      remove.executableURL = URL(fileURLWithPath: "/bin/rm")
      remove.arguments = ["-rf", path]
      remove.standardError = FileHandle.nullDevice
      guard (try? remove.run()) != nil else { return }
      remove.waitUntilExit()
      if remove.terminationStatus == 0 { return }
    }
  }

  /// The path of `name` in this directory.
  public func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file of `bytes` and returns its path.
  public func write(_ bytes: [UInt8], to name: String) throws -> String {
    let path = self(name)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }
}
